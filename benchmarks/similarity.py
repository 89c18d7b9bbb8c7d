"""What is it worth that the prompts of a group are alike, with correction and without?

    python benchmarks/similarity.py --out DIR [--seeds 3] [--samplers euler dpmpp_2m]

Lists of 64 prompts, as people have them: 12 families of 4, whose colour, subject or everything differs, and 16 prompts
that belong to none. The same prompts from the same noise in groups of several kinds: with the automatic threshold; the
most alike together, in groups as large as allowed; and by chance, in as many groups of the same sizes. What is right
says the judge; pixel error is the mean squared difference from the picture that the prompt gets alone.
Resumable: what is in DIR/similarity.json is not rendered again. Writes a table (similarity.md).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

import numpy as np
from comfyui_sage.sage_core.grouping.linkage import cluster_prompts
from comfyui_sage.sage_core.grouping.partition import Partition
from comfyui_sage.sage_core.grouping.threshold import auto_threshold
from comfyui_sage.sage_core.prompts.text_encoders import clip_embeddings, encode_prompts, unrelated_embeddings
from correction import likeness, measured_cells
from demo_model.scenes import Scene, caption
from fidelity import KINDS, Group, Rendering, Setting, is_right, related_scenes, summary
from results_file import Kept
from scene_groups import unrelated_scenes

STEPS = 20
SIZES = (8, 16, 32)
FAMILIES, OTHERS = 4, 16
"""Families of a kind, and prompts that belong to none."""


def scene_list(seed: int) -> tuple[Scene, ...]:
    """64 different scenes."""
    rng = np.random.default_rng([17, seed])
    scenes: dict[Scene, None] = {}
    while len(scenes) < 4 * FAMILIES * len(KINDS):
        family = related_scenes(KINDS[len(scenes) // (4 * FAMILIES)], 4, rng)
        if not scenes.keys() & set(family):
            scenes.update(dict.fromkeys(family))
    others = (scene for scene in unrelated_scenes(8 * OTHERS, rng) if scene not in scenes)
    scenes.update(dict.fromkeys(scene for _, scene in zip(range(OTHERS), others, strict=False)))
    return tuple(scenes)


def partitions(rendering: Rendering, scenes: Sequence[Scene], seed: int) -> dict[str, Partition]:
    """The ways to group a list, by name."""
    prompts = [caption(scene) for scene in scenes]
    encoded = encode_prompts(rendering.clip, prompts)
    embeddings = clip_embeddings([encoded[text] for text in prompts])
    found = auto_threshold(prompts, embeddings, unrelated_embeddings(rendering.clip))
    made = {
        "automatic threshold": cluster_prompts(prompts, embeddings, threshold=found),
        "automatic threshold, at most 8": cluster_prompts(prompts, embeddings, threshold=found, max_group_size=8),
    }
    for size in SIZES:
        alike = cluster_prompts(prompts, embeddings, threshold=-1.0, max_group_size=size)
        order = np.random.default_rng([18, seed, size]).permutation(len(prompts)).tolist()
        ends = np.cumsum([len(cluster) for cluster in alike]).tolist()
        made[f"alike, at most {size}"] = alike
        made[f"by chance, at most {size}"] = tuple(
            tuple(order[end - len(cluster) : end]) for end, cluster in zip(ends, alike, strict=True)
        )
    return made


def settings(sampler: str) -> list[Setting]:
    """Without correction, and with it: as the nodes offer it."""
    return [
        Setting(sampler, STEPS, 0.4),
        *(Setting(sampler, STEPS, share, condition="auto", correction="on") for share in (0.6, 0.7, 0.8)),
        Setting(sampler, STEPS, 0.4, condition="auto", mode="auto", correction="on"),
    ]


def run(sampler: str, rendering: Rendering, results: Kept, seeds: int) -> None:
    """Render what is missing with one sampler."""
    lists = [scene_list(seed) for seed in range(seeds)]
    ways = [partitions(rendering, scenes, seed) for seed, scenes in enumerate(lists)]

    def grouped(way: str) -> list[Group]:
        return [
            Group("", tuple(scenes[at] for at in cluster), 1000 + seed)
            for seed, scenes in enumerate(lists) for cluster in ways[seed][way]
        ]  # fmt: skip

    def by_scene(groups: Sequence[Group], found: list[list[dict[str, Any]]]) -> dict[tuple[int, Scene], dict[str, Any]]:
        return {
            (group.seed, scene): each
            for group, members in zip(groups, found, strict=True)
            for scene, each in zip(group.scenes, members, strict=True)
        }

    alone: dict[tuple[int, Scene], dict[str, Any]] = {}
    for way in ways[0]:
        groups = grouped(way)
        for setting in settings(sampler):
            key = f"{way}/{setting.mode}/{setting.key}"
            if key in results:
                continue
            alone = alone or by_scene(groups, rendering(groups, Setting(sampler, STEPS))[0])
            found, evaluations = rendering(groups, setting)
            own = [[alone[group.seed, scene] for scene in group.scenes] for group in groups]
            results[key] = shown = {
                "way": way, "groups": len(groups) / seeds, "sampler": sampler, "share": setting.share,
                "mode": setting.mode, "corrected": setting.correction == "on",
                **summary(rendering.judge, groups, found, evaluations),
                "like": likeness(found, own), "alone": float(np.mean([is_right(each) for each in alone.values()])),
            }  # fmt: skip
            print(f"{key:<70} paid {shown['paid']:5.2f} right {shown['all']:.1%} "
                  f"mse {shown['like']['error']:.5f}", flush=True)  # fmt: skip


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Everything as Markdown, a row a way to group and a setting."""
    lines = ["| how | share | groups are | groups a list | paid | all right, % | pixel error x 1000 (worst 5%) |",
             "|" + "---|" * 7]  # fmt: skip
    for each in sorted(rows, key=lambda row: (row["corrected"], row["mode"], row["share"])):
        how = f"corrected, {each['mode']}" if each["corrected"] else "shared"
        cells = [how, f"{each['share']:.0%}", each["way"], f"{each['groups']:.0f}", *measured_cells(each)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--samplers", nargs="+", default=["euler", "dpmpp_2m"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    results = Kept(options.out / "similarity.json")
    rendering = Rendering()
    text = [f"Demo model, {options.seeds} lists of 64 prompts, CFG {rendering.cfg:g}, {STEPS} steps; paid: steps an "
            "image (cond + uncond)", ""]  # fmt: skip
    for sampler in options.samplers:
        run(sampler, rendering, results, options.seeds)
        rows = [row for row in results.values() if row["sampler"] == sampler]
        text += [f"## {sampler} (alone: {rows[0]['alone']:.1%} right)", "", table(rows), ""]
    (options.out / "similarity.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
