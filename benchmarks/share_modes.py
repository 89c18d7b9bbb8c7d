"""How long may a group share? Signals that need no labels, and what fixed, auto and tree sharing make of them.

    python benchmarks/share_modes.py --out DIR [--groups 10] [--cfg 4]

Groups of prompts that differ in one attribute each, and groups with groups inside (two subjects in three colours),
rendered with the demo model and looked at by its judge. Writes DIR/share_modes.md: pictures with everything right by
branch sigma; what is known of a group before it is sampled, and how well that foretells what sharing costs it; how much
louder than its disagreement the noise has to be; and the modes against fewer steps at equal evaluations, also as a plot
(DIR/share_modes.png). Resumable: what is in DIR/share_modes.json is not rendered again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

import comfy.sample
import comfy.samplers
import numpy as np
import torch
from comfyui_sage.sage_core.prompts.text_encoders import clip_embeddings, encode_prompts
from comfyui_sage.sage_core.sampling.divergence import group_divergences, noise_ratio
from comfyui_sage.sage_core.sampling.job import Job, random_state
from comfyui_sage.sage_core.sampling.level_runner import LevelRunner, plain_guider
from comfyui_sage.sage_core.sampling.progress import Progress
from demo_model.scenes import (
    BACKGROUNDS,
    COLOURS,
    MATERIALS,
    SCENERIES,
    SIZES,
    SUBJECTS,
    Scene,
    Thing,
    allowed,
    caption,
)  # fmt: skip
from fidelity import CFG, SCHEDULER, Group, Rendering, Setting, cost_axis, is_right
from results_file import Kept
from scipy.stats import spearmanr

VARIED = {"colour": COLOURS, "setting": (*SCENERIES, *BACKGROUNDS), "size": SIZES, "material": MATERIALS,
          "subject": SUBJECTS}  # fmt: skip
KINDS = (*VARIED, "nested")
SHARES = (0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
FEWER = (16, 10, 8, 6, 5, 4)
MODES = {"fixed": (0.4, 0.6), "tree": (0.3, 0.4), "auto": (0.3, 0.4, 0.6)}
LOUDNESS = (0.25, 0.5, 1.0, 1.3, 2.0, 4.0)
"""Noise beside the guided disagreement of a group, where the table of it is cut."""

Right = list[list[bool]]
"""For every group, which of its pictures show all that was asked for."""


def make_groups(number: int) -> list[Group]:
    """`number` groups of every kind; those of one number start from one noise."""
    return [
        Group(kind, _members(kind, np.random.default_rng([7, KINDS.index(kind), index])), 1000 + index)
        for index in range(number) for kind in KINDS
    ]  # fmt: skip


def _members(kind: str, rng: np.random.Generator) -> tuple[Scene, ...]:
    """Every one of them can be seen in its setting."""
    while True:
        setting = str(rng.choice(VARIED["setting"]))
        base = Scene((Thing(str(rng.choice(SUBJECTS)), str(rng.choice(COLOURS))),), setting=setting)
        if kind == "nested":
            subjects, colours = rng.permutation(SUBJECTS)[:2], rng.permutation(COLOURS)[:3]
            scenes = [replace(base, things=(Thing(str(each), str(colour)),)) for each in subjects for colour in colours]
        else:
            values = [str(each) for each in rng.permutation(VARIED[kind])[:4]]
            scenes = [_varied(base, kind, value) for value in values]
        if all(allowed(scene.things, scene.setting) for scene in scenes):
            return tuple(scenes)


def _varied(base: Scene, kind: str, value: str) -> Scene:
    if kind == "setting":
        return replace(base, setting=value)
    return replace(base, things=(replace(base.things[0], **{kind: value}),))


@torch.no_grad()
def signals(rendering: Rendering, sigmas: torch.Tensor, group: Group) -> dict[str, float]:
    """What can be known of a group before it is sampled."""
    model, encoded = rendering.model, encode_prompts(rendering.clip, [caption(scene) for scene in group.scenes])
    conditions = list(encoded.values())
    vectors = clip_embeddings(conditions)
    empty = torch.zeros(1, 16, 16, 16)
    noise = comfy.sample.prepare_noise(empty, group.seed, None)
    guider = plain_guider(model, model.model_options, rendering.cfg)
    engine = LevelRunner(guider, lambda one: {"positive": conditions[one[0]], "negative": rendering.negative})
    job = Job(noise, empty, None, None, sigmas, group.seed, random_state(model.load_device))
    with Progress(None, 0) as progress:
        (apart,) = group_divergences(engine, job, [tuple(range(len(conditions)))], progress)
    return {"loosest pair": float((vectors @ vectors.T).min()), "disagreement": apart}


def mean(groups: Sequence[Group], right: Right, kind: str = "") -> float:
    """Of all pictures, or of those of a kind, the part with everything right, in percent."""
    return 100 * float(np.mean(sum((r for g, r in zip(groups, right, strict=True) if kind in ("", g.kind)), [])))


def row(*cells: Any) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def table_of_shares(groups: Sequence[Group], runs: dict[float, Right], sigmas: Sequence[float]) -> list[str]:
    """By kind and branch sigma."""
    lines = [row("share", "branch sigma", *KINDS), "|---" * (len(KINDS) + 2) + "|"]
    for share, right in runs.items():
        sigma = f"{sigmas[round(share * (len(sigmas) - 1))]:.2f}" if share else "-"
        lines.append(row(f"{share:.1%}", sigma, *(f"{mean(groups, right, kind):.0f}" for kind in KINDS)))
    return lines


def longest(runs: dict[float, Right]) -> np.ndarray:
    """For every group the largest share up to which it loses no picture."""
    right = {share: np.array([np.mean(each) for each in of]) for share, of in runs.items()}
    found, fine = np.zeros(len(right[0.0])), np.ones(len(right[0.0]), dtype=bool)
    for share in SHARES:
        fine &= right[share] >= right[0.0]
        found[fine] = share
    return found


def table_of_signals(groups: Sequence[Group], told: list[dict[str, float]], runs: dict[float, Right]) -> list[str]:
    """By kind, and the rank correlation with how long a group may share (those with nothing inside)."""
    kinds = np.array([group.kind for group in groups])
    lines = [row("signal", *KINDS, "with the longest share"), "|---" * (len(KINDS) + 2) + "|"]
    for name in told[0]:
        values = np.array([each[name] for each in told])
        plain = kinds != "nested"
        found = float(spearmanr(values[plain], longest(runs)[plain]).statistic)
        lines.append(row(name, *(f"{values[kinds == kind].mean():.3f}" for kind in KINDS), f"{found:+.2f}"))
    return lines


def table_of_loudness(
    groups: Sequence[Group], told: list[dict[str, float]], runs: dict[float, Right], noise: dict[float, float],
    cfg: float,
) -> list[str]:  # fmt: skip
    """Of the pictures that are right alone, how many stay so.

    Args:
        noise: for every share, how loud the noise is beside the picture where it branches.
    """
    kept: dict[tuple[int, str], list[bool]] = {}
    for share in SHARES:
        for group, each, before, after in zip(groups, told, runs[0.0], runs[share], strict=True):
            at = int(np.digitize(noise[share] / (cfg * each["disagreement"]), LOUDNESS))
            kept.setdefault((at, group.kind), []).extend(b for a, b in zip(before, after, strict=True) if a)
    lines = [row("noise / (cfg x disagreement)", *KINDS, "all"), "|---" * (len(KINDS) + 2) + "|"]
    for at, (low, high) in enumerate(zip(("0", *LOUDNESS), (*LOUDNESS, "more"), strict=True)):
        of = [kept.get((at, kind), []) for kind in KINDS]
        lines.append(row(f"{low} to {high}", *(f"{100 * np.mean(x):.0f}" if x else "-" for x in (*of, sum(of, [])))))
    return lines


def table_of_modes(groups: Sequence[Group], runs: dict[str, dict[str, Any]]) -> list[str]:
    """Everything right against evaluations, with what fewer steps reach at the same cost."""
    lines = [row("mode", "share", "steps", "paid", *KINDS, "all", "fewer steps at that cost"),
             "|---" * (len(KINDS) + 6) + "|"]  # fmt: skip
    alone = curve(groups, runs, "fixed", 0.0)
    for each in sorted(runs.values(), key=lambda run: -run["paid"]):
        rate, kinds = mean(groups, each["right"]), (f"{mean(groups, each['right'], kind):.0f}" for kind in KINDS)
        rival = f"{np.interp(each['paid'], *alone):.1f}" if alone[0][0] <= each["paid"] else "-"
        name, share = (each["mode"], f"{each['share']:.1%}") if each["share"] else ("alone", "")
        lines.append(row(name, share, each["steps"], f"{each['paid']:.2f}", *kinds, f"{rate:.1f}", rival))
    return lines


def curve(
    groups: Sequence[Group], runs: dict[str, dict[str, Any]], mode: str, share: float
) -> tuple[list[float], list[float]]:
    """Costs and rates of a mode at all step counts."""
    chosen = [each for each in runs.values() if (each["mode"], each["share"]) == (mode, share)]
    points = sorted((each["paid"], mean(groups, each["right"])) for each in chosen)
    return [paid for paid, _ in points], [rate for _, rate in points]


def plot(groups: Sequence[Group], runs: dict[str, dict[str, Any]], path: Path) -> None:
    """Rates against cost, a line a mode."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(7, 4.6))
    shown = {("fixed", 0.0): ("alone, fewer steps", "black"), ("fixed", 0.4): ("fixed 40%", "#0072b2"),
             ("fixed", 0.6): ("fixed 60%", "#56b4e9"), ("tree", 0.3): ("tree 30%", "#009e73"),
             ("auto", 0.4): ("auto 40%", "#d55e00")}  # fmt: skip
    for (mode, share), (label, colour) in shown.items():
        panel.plot(*curve(groups, runs, mode, share), marker="o", markersize=3.5, color=colour, label=label)
    panel.set_ylabel("pictures with everything right, %")
    cost_axis(panel)
    panel.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--groups", type=int, default=10, help="of every kind")
    parser.add_argument("--cfg", type=float, default=CFG)
    options = parser.parse_args()
    runs, steps = Kept(options.out / "share_modes.json"), FEWER[0]
    groups = make_groups(options.groups)
    images = sum(len(group.scenes) for group in groups)
    rendering = Rendering(options.cfg)
    model = rendering.model
    sigmas = comfy.samplers.KSampler(model, steps, model.load_device, "euler", SCHEDULER).sigmas
    told = [signals(rendering, sigmas, group) for group in groups]
    wanted = [Setting("euler", steps, share) for share in (0.0, *SHARES)]
    wanted += [Setting("euler", number) for number in FEWER]
    wanted += [
        Setting("euler", number, share, mode=mode) for number in FEWER for mode in MODES for share in MODES[mode]
    ]
    for setting in wanted:
        key = f"{setting.mode}/{setting.share}/{setting.steps}"
        if key not in runs:
            found, evaluations = rendering(groups, setting)
            right = [[is_right(each) for each in members] for members in found]
            runs[key] = {"mode": setting.mode, "share": setting.share, "steps": setting.steps,
                         "paid": evaluations / images / 2, "right": right}  # fmt: skip
            print(f"{key:<16} paid {runs[key]['paid']:5.2f}  all right {mean(groups, right):.1f}%", flush=True)
    scan = {share: runs[f"fixed/{share}/{steps}"]["right"] for share in (0.0, *SHARES)}
    levels = sigmas.tolist()
    sampling = model.get_model_object("model_sampling")
    noise = {share: noise_ratio(sampling, levels[round(share * steps)]) for share in SHARES}
    text = "\n".join([
        f"{images} pictures in {len(groups)} groups, {steps} steps, CFG {options.cfg:g}, all attributes right, %", "",
        *table_of_shares(groups, scan, levels), "", *table_of_signals(groups, told, scan), "",
        *table_of_loudness(groups, told, scan, noise, options.cfg), "", *table_of_modes(groups, runs), "",
    ])  # fmt: skip
    (options.out / "share_modes.md").write_text(text)
    plot(groups, runs, options.out / "share_modes.png")
    print(text)


if __name__ == "__main__":
    main()
