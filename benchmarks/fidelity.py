"""What sharing does to the pictures, against its honest rival: fewer steps for every prompt alone.

    python benchmarks/fidelity.py --out DIR [--scale 1] [--samplers euler dpmpp_2m uni_pc] [--model demo]

The same prompts from the same noise, rendered with one of `rendered_models` and looked at by the judge: (a) alone at 20
steps, (b) alone with fewer steps, (c) shared at 20, 40, 60 and 80%, with the first sampler under each group condition,
(d) shared with fewer steps. Groups of 2, 4 and 8 prompts of three kinds: the colour differs, the subject differs, or
subject, colour and setting differ.
Resumable: what is in DIR/fidelity.json is not rendered again. Writes a table (fidelity.md) and a plot (fidelity.png).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

import numpy as np
import torch
from comfyui_sage.sage_core.demo.judge import DemoJudge
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.metrics.scores import diversity_within, frechet_distance, text_scores
from comfyui_sage.sage_core.prompts.text_encoders import clip_embeddings, encode_prompts
from comfyui_sage.sage_core.sampling.ksampler import sample
from demo_model.drawing import draw
from demo_model.judging import agreement, judge_pictures
from demo_model.scenes import BACKGROUNDS, COLOURS, SCENERIES, SUBJECTS, Scene, Thing, allowed, caption
from demo_model.steps import to_tensor
from evaluations import count_evaluations
from rendered_models import MODELS
from results_file import Kept
from step_caches import CACHES

SIZES = (2, 4, 8)
KINDS = ("colour", "subject", "all")
CFG, SCHEDULER = 4.0, "simple"
SHARES = (0.2, 0.4, 0.6, 0.8)
FEWER = (14, 10, 8, 6, 5, 4, 3)
SAMPLERS = ("euler", "dpmpp_2m", "uni_pc")


@dataclass(frozen=True)
class Group:
    """Prompts that belong together, and the seed of their noise."""

    kind: str
    scenes: tuple[Scene, ...]
    seed: int


@dataclass(frozen=True)
class Setting:
    """One way to render everything; `cache` is one of `step_caches.CACHES`."""

    sampler: str
    steps: int
    share: float = 0.0
    condition: str = "mean"
    mode: str = "fixed"
    correction: str = "off"
    cache: str = ""

    @property
    def key(self) -> str:
        corrected = "" if self.correction == "off" else f"/corrected {self.correction}"
        cached = f"/{self.cache}" if self.cache else ""
        return f"{self.sampler}/{self.steps}/{self.share:g}/{self.condition}{corrected}{cached}"


def make_groups(scale: int, seed: int = 0) -> list[Group]:
    """24 prompts of every kind and size, times `scale`."""
    made = []
    for kind in KINDS:
        for size in SIZES:
            for number in range(24 // size * scale):
                rng = np.random.default_rng([seed, KINDS.index(kind), size, number])
                made.append(Group(kind, related_scenes(kind, size, rng), 1000 + number))
    return made


def related_scenes(kind: str, size: int, rng: np.random.Generator) -> tuple[Scene, ...]:
    """Different things in one kind of scene; every one of them can be seen in its setting."""
    while True:
        setting = str(rng.choice((*SCENERIES, *BACKGROUNDS)))
        base = Scene((Thing(str(rng.choice(SUBJECTS)), str(rng.choice(COLOURS))),), setting=setting)
        things = [base.things[0]] * size
        if kind in ("colour", "all"):
            colours = rng.permutation(COLOURS)[:size]
            things = [replace(thing, colour=str(each)) for thing, each in zip(things, colours, strict=True)]
        if kind in ("subject", "all"):
            subjects = rng.permutation(SUBJECTS)[:size]
            things = [replace(thing, subject=str(each)) for thing, each in zip(things, subjects, strict=True)]
        settings = [setting] * size
        if kind == "all":
            settings = [str(each) for each in rng.permutation((*SCENERIES, *BACKGROUNDS))[:size]]
        if all(allowed((thing,), place) for thing, place in zip(things, settings, strict=True)):
            pairs = zip(things, settings, strict=True)
            return tuple(replace(base, things=(thing,), setting=place) for thing, place in pairs)


class Rendering:
    """Renders groups in a setting: those of one seed in one run, since they start from one noise.

    Attributes:
        model: may be replaced by one with a LoRA.
    """

    def __init__(self, cfg: float = CFG, model: str = "demo", scheduler: str = SCHEDULER) -> None:
        chosen = MODELS[model]
        self.scheduler = scheduler
        self.model, self.clip, self.vae = chosen.load()
        self.latent_size, self.judge, self.cfg = chosen.latent_size, chosen.judge(), cfg
        self.negative = encode_prompts(self.clip, [""])[""]

    def __call__(self, groups: Sequence[Group], setting: Setting) -> tuple[list[list[dict[str, Any]]], int]:
        """For every group, what was found in each of its pictures; and the evaluations all took."""
        found: dict[int, list[dict[str, Any]]] = {}
        evaluations = 0
        for seed in dict.fromkeys(group.seed for group in groups):
            chosen = [index for index, group in enumerate(groups) if group.seed == seed]
            pictures, spent = self._run([groups[index] for index in chosen], setting, seed)
            evaluations += spent
            looked = self._look([scene for index in chosen for scene in groups[index].scenes], pictures)
            for index in chosen:
                size = len(groups[index].scenes)
                found[index], looked = looked[:size], looked[size:]
        return [found[index] for index in range(len(groups))], evaluations

    @torch.no_grad()
    def _run(self, groups: Sequence[Group], setting: Setting, seed: int) -> tuple[torch.Tensor, int]:
        prompts = tuple(caption(scene) for group in groups for scene in group.scenes)
        encoded = encode_prompts(self.clip, prompts)
        ends = np.cumsum([len(group.scenes) for group in groups]).tolist()
        starts = [0, *ends[:-1]]
        plain = PromptGroups(
            prompts=prompts, conditionings=tuple(encoded[text] for text in prompts),
            embeddings=clip_embeddings([encoded[text] for text in prompts]),
            partition=tuple(tuple(range(a, b)) for a, b in zip(starts, ends, strict=True)), threshold=0.0,
            threshold_mode="fixed", encoder="benchmark", group_condition=setting.condition,
        )  # fmt: skip
        latent = {"samples": torch.zeros(1, *self.latent_size)}
        model = CACHES[setting.cache](self.model) if setting.cache else self.model
        with count_evaluations(model) as evaluations:
            made, _ = sample(
                model, plain, self.negative, latent, seed=seed, steps=setting.steps, cfg=self.cfg,
                sampler_name=setting.sampler, scheduler=self.scheduler, denoise=1.0, share=setting.share,
                share_mode=setting.mode, correction=setting.correction,
            )  # fmt: skip
            pictures = self.vae.decode(made["samples"])
        return pictures.float().movedim(-1, 1).clamp(0, 1), evaluations.rows

    @torch.no_grad()
    def _look(self, scenes: Sequence[Scene], pictures: torch.Tensor) -> list[dict[str, Any]]:
        verdicts, features, images = judge_pictures(self.judge, pictures)
        scores = text_scores(images.numpy(), self.judge.embed_text([caption(scene) for scene in scenes]).numpy())
        return [
            {"right": agreement(scene, verdict), "score": float(score), "features": row, "picture": picture.numpy()}
            for scene, verdict, score, row, picture in zip(
                scenes, verdicts, scores, features.numpy(), pictures, strict=True
            )
        ]


def settings(samplers: Sequence[str]) -> list[Setting]:
    """(a), (b), (c) and (d), sampler by sampler."""
    made = []
    for sampler in samplers:
        made += [Setting(sampler, steps) for steps in (20, *FEWER)]
        made += [Setting(sampler, steps, share) for share in SHARES for steps in (20, 14, 10, 8, 6, 5, 4)]
    made += [Setting(samplers[0], 20, share, condition) for share in SHARES for condition in ("medoid", "concat")]
    return made


def is_right(found: dict[str, Any]) -> bool:
    """Whether everything is right in a picture."""
    return all(found["right"].values())


def summary(
    judge: DemoJudge, groups: Sequence[Group], found: list[list[dict[str, Any]]], evaluations: int,
    style: str = "flat",
) -> dict[str, Any]:  # fmt: skip
    """Figures of one setting, over all groups and by kind and size.

    Args:
        style: of the drawings that the distance is measured to.
    """
    images = sum(len(group.scenes) for group in groups)
    everything = [[is_right(each) for each in members] for members in found]
    features = np.stack([each["features"] for members in found for each in members])
    starts = np.cumsum([0, *(len(members) for members in found)])
    clusters = [tuple(range(a, b)) for a, b in zip(starts, starts[1:], strict=False)]
    means = np.array([np.mean(members) for members in everything])
    sizes = np.array([len(members) for members in everything])
    parts = {
        f"{kind} {size}": float(np.mean([
            value for group, members in zip(groups, everything, strict=True)
            if group.kind == kind and len(group.scenes) == size for value in members
        ]))
        for kind in KINDS for size in SIZES
    }  # fmt: skip
    rate = float((means * sizes).sum() / sizes.sum())
    return {
        "paid": evaluations / images / 2,
        "all": rate,
        # Members of a group are not independent of each other: groups are what is drawn.
        "error": float(np.sqrt((((means - rate) * sizes) ** 2).sum()) / sizes.sum()),
        **{
            name: float(np.mean([each["right"][name] for members in found for each in members]))
            for name in ("subject", "colour", "setting", "count")
        },
        "score": float(np.mean([each["score"] for members in found for each in members])),
        "diversity": float(np.nanmean(diversity_within(features[:, None], clusters))),
        "distance": frechet_distance(features, drawn_features(judge, groups, style)),
        "parts": parts,
    }  # fmt: skip


@lru_cache(maxsize=1)
def _drawn(judge: DemoJudge, scenes: tuple[Scene, ...], style: str) -> np.ndarray:
    pictures = np.stack([draw(scene, np.random.default_rng(index), style) for index, scene in enumerate(scenes)])
    return judge_pictures(judge, to_tensor(pictures, torch.device("cpu")))[1].numpy()


def drawn_features(judge: DemoJudge, groups: Sequence[Group], style: str = "flat") -> np.ndarray:
    """Features of a real drawing of every scene."""
    return _drawn(judge, tuple(scene for group in groups for scene in group.scenes), style)


def crossing(results: dict[str, dict[str, Any]], sampler: str) -> float | None:
    """The largest cost at which the best of sharing is better, by 2 points, than the best of fewer steps for no more.

    None if it never is.
    """
    alone = curve(results, sampler, 0.0)
    shared = sorted(point for share in SHARES for point in curve(results, sampler, share))

    def best(points: list[tuple[float, float]], budget: float) -> float:
        return max((rate for paid, rate in points if paid <= budget), default=0.0)

    return max((paid for paid, _ in shared if best(shared, paid) > best(alone, paid) + 0.02), default=None)


def curve(results: dict[str, dict[str, Any]], sampler: str, share: float) -> list[tuple[float, float]]:
    """Cost an image and share of pictures with everything right, by cost."""
    chosen = [each for key, each in results.items() if key.startswith(f"{sampler}/") and _is(key, share)]
    return sorted((each["paid"], each["all"]) for each in chosen)


def _is(key: str, share: float) -> bool:
    _, _, this, condition = key.split("/")
    return float(this) == share and condition == "mean"


def table(results: dict[str, dict[str, Any]]) -> str:
    """Everything as Markdown."""
    columns = ("all", "subject", "colour", "setting")
    named = ("sampler", "steps", "share", "condition", "paid", "all right", *columns[1:], "score", "diversity")
    lines = [f"| {' | '.join(named)} | distance |", "|" + "---|" * 12]
    for key, each in results.items():
        sampler, steps, share, condition = key.split("/")
        rates = [f"{100 * each[name]:.1f}" for name in columns]
        rates[0] += f" ± {100 * each['error']:.1f}"
        shown = "" if float(share) == 0 else condition
        rest = [f"{each['score']:.1f}", f"{each['diversity']:.3f}", f"{each['distance']:.2f}"]
        cells = [sampler, steps, f"{float(share):.0%}", shown, f"{each['paid']:.2f}", *rates, *rest]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def table_of_parts(results: dict[str, dict[str, Any]]) -> str:
    """Pictures with everything right, by what differs within a group and by its size."""
    names = [f"{kind} {size}" for kind in KINDS for size in SIZES]
    lines = [f"| sampler | steps | share | {' | '.join(names)} |", "|" + "---|" * (len(names) + 3)]
    for key, each in results.items():
        sampler, steps, share, condition = key.split("/")
        if condition == "mean":
            cells = [sampler, steps, f"{float(share):.0%}", *(f"{each['parts'][name]:.0%}" for name in names)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(results: dict[str, dict[str, Any]], samplers: Sequence[str], path: Path) -> None:
    """Fidelity against cost, a panel a sampler."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(samplers), figsize=(5.2 * len(samplers), 4.4), sharey=True, squeeze=False)
    for panel, sampler in zip(panels[0], samplers, strict=True):
        for share, colour in ((0.0, "black"), (0.2, "#009e73"), (0.4, "#0072b2"), (0.6, "#d55e00"), (0.8, "#cc79a7")):
            points = curve(results, sampler, share)
            label = f"shared {share:.0%}" if share else "alone, fewer steps"
            panel.plot(*zip(*points, strict=True), marker="o", markersize=3.5, color=colour, label=label)
        panel.set_title(sampler)
        cost_axis(panel)
    panels[0][0].set_ylabel("pictures with everything right")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def cost_axis(panel: Any) -> None:
    """Of a plot against cost: steps, so that plain numbers can be read off."""
    panel.set(xlabel="steps paid an image (cond + uncond)", xscale="log")
    ticks = [2, 3, 4, 6, 8, 10, 14, 20]
    panel.set_xticks(ticks, labels=[str(tick) for tick in ticks])
    panel.minorticks_off()
    panel.grid(alpha=0.3)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--scale", type=int, default=1, help="times 216 pictures a setting")
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    parser.add_argument("--model", choices=MODELS, default="demo", help="give each a folder of its own")
    options = parser.parse_args()
    results = Kept(options.out / "fidelity.json")
    groups = make_groups(options.scale)
    rendering = Rendering(model=options.model)
    for setting in settings(options.samplers):
        if setting.key not in results:
            results[setting.key] = shown = summary(rendering.judge, groups, *rendering(groups, setting))
            print(f"{setting.key:<28} paid {shown['paid']:5.2f}  all right {shown['all']:.1%}", flush=True)
    found = {sampler: crossing(results, sampler) for sampler in options.samplers}
    crossings = [
        f"- {sampler}: {'never' if at is None else f'up to {at:.1f} steps paid'}" for sampler, at in found.items()
    ]
    text = [f"{sum(len(group.scenes) for group in groups)} pictures a setting", "", table(results), "",
            "Where sharing is better than fewer steps:", "", *crossings, "",
            "By what differs within a group, and by its size:", "", table_of_parts(results), ""]  # fmt: skip
    (options.out / "fidelity.md").write_text("\n".join(text))
    plot(results, options.samplers, options.out / "fidelity.png")
    print("\n".join(crossings))


if __name__ == "__main__":
    main()
