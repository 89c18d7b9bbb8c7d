"""Does a LoRA trained with L_SAGE make shared sampling better than one trained as usual?

    python benchmarks/lora_quality.py --out DIR [--seeds 3] [--scale 4] [--sampler euler] [--no-fewer] [--rows]
        [--model demo]

A style that the model has never seen, of things that it knows: about 400 drawings in groups of 4. LoRAs of the
same size, data, steps and seed: with the plain denoising loss, and with L_SAGE; and none. Other prompts than those they
were trained on, at 0 to 80% shared steps, without correction and with it, and with fewer steps, alone and shared, all
from the same noise, seen by the model's judge. `--rows` tests on three things in a row, which no LoRA has seen. The
model large_scenes learns two rows of things, and is tested on them.
Resumable: what is in DIR is neither trained nor rendered again. Writes DIR/lora_quality_SAMPLER.md, with `--rows`
DIR/lora_quality_rows_SAMPLER.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

import comfy.sd
import numpy as np
import scene_groups
import torch
from comfyui_sage.sage_core.metrics.scores import frechet_distance
from comfyui_sage.sage_core.prompts.text_encoders import clip_embeddings, encode_prompts
from comfyui_sage.sage_core.training.dataset import TrainingSet, make_training_set
from comfyui_sage.sage_core.training.objective import LossSettings
from comfyui_sage.sage_core.training.trainer import Trainer, TrainSettings, train
from demo_model.drawing import draw
from demo_model.scenes import caption
from fidelity import Group, Rendering, Setting, drawn_features, is_right, make_groups, summary
from results_file import Kept
from scipy import stats

STYLE = "sticker"
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)
FEWER = (14, 11, 8, 6, 4)
CORRECTED = (0.4, 0.6, 0.7, 0.8)
SHARED_FEWER = {0.6: (10, 8, 6, 5), 0.8: (14, 10, 8)}
STEPS, LONGEST = 20, 0.85
LORAS: dict[str, LossSettings | None] = {
    "none": None,
    "plain": LossSettings(soft_weight=0, consistency_weight=0),
    "L_SAGE": LossSettings(longest_share=LONGEST),
    "L_SAGE, posterior": LossSettings(longest_share=LONGEST, soft_target="posterior"),
    "L_SAGE, no soft": LossSettings(longest_share=LONGEST, soft_weight=0),
    "L_SAGE, no consistency": LossSettings(longest_share=LONGEST, consistency_weight=0),
}
MAIN = ("none", "plain", "L_SAGE")
LARGEST = 4
"""The most tests, times 216 pictures a cell; no LoRA is trained on any of them, so it serves at every scale."""
BANDS = ("loosest third", "middle third", "tightest third")


def tested_groups(block: str, scale: int) -> list[Group]:
    """216 prompts times scale with one thing, or 32 times scale of one of `scene_groups.BLOCKS`.

    Args:
        block: empty for one thing.
    """
    return scene_groups.make_groups(scene_groups.BLOCKS[block], range(scale), 8) if block else make_groups(scale)


def training_groups(number: int, seed: int, unseen: Sequence[Group], large: bool) -> list[Group]:
    """Groups of 4, none with a prompt that is tested.

    Args:
        large: two rows of things in the place of one thing.
    """
    tested = {caption(scene) for group in unseen for scene in group.scenes}
    if large:
        made = scene_groups.make_groups(scene_groups.BLOCKS["large"], [100 + seed], 2 * number + 24)
    else:
        made = make_groups(2 * number // 18 + 2, seed=100 + seed)
    fours = [group for group in made if len(group.scenes) == 4]
    fresh = [group for group in fours if not tested & {caption(scene) for scene in group.scenes}]
    order = np.random.default_rng(seed).permutation(len(fresh))
    return [fresh[at] for at in order[:number]]


def training_examples(rendering: Rendering, groups: Sequence[Group]) -> TrainingSet:
    """Drawings of the groups in the style to learn."""
    scenes = [scene for group in groups for scene in group.scenes]
    texts = [caption(scene) for scene in scenes]
    pictures = np.stack([draw(scene, np.random.default_rng([7, at]), STYLE) for at, scene in enumerate(scenes)])
    encoded = encode_prompts(rendering.clip, texts)
    with torch.no_grad():
        latents = rendering.vae.encode(torch.from_numpy(pictures).float() / 255)
    given = make_training_set([{"samples": latents}], [encoded[text] for text in texts])
    ends = np.cumsum([len(group.scenes) for group in groups])
    known = tuple(tuple(range(end - len(group.scenes), end)) for end, group in zip(ends, groups, strict=True))
    return replace(given, groups=replace(given.groups, prompts=tuple(texts), partition=known))


def with_lora(
    rendering: Rendering, loss: LossSettings, examples: TrainingSet, state: Path, steps: int, seed: int
) -> Any:
    """The model with a LoRA, trained now or before."""
    settings = TrainSettings(
        steps=steps,
        batch_size=16,
        learning_rate=1e-3,
        rank=16,
        alpha=16.0,
        ema=0.99,
        bf16=True,
        seed=seed,
        loss=loss,
    )
    trainer = Trainer(rendering.model, examples, rendering.negative, settings)

    def shown(trainer: Trainer) -> None:
        if trainer.done % 100 == 0:
            recent = np.mean([row[0] for row in trainer.losses[-100:]])
            print(f"  {state.stem} step {trainer.done} loss {recent:.4f}", flush=True)

    train(trainer, state, shown)
    trainer.trainable_model.unload()
    return comfy.sd.load_lora_for_models(rendering.model, None, trainer.lora(), 1.0, 0)[0]


def measured(rendering: Rendering, groups: Sequence[Group], setting: Setting, band_of: np.ndarray) -> dict[str, Any]:
    """Figures over all groups, and by how alike a group's prompts are (`band_of` each group)."""
    found, evaluations = rendering(groups, setting)
    result = summary(rendering.judge, groups, found, evaluations, STYLE)
    features = np.stack([each["features"] for members in found for each in members])
    drawn = drawn_features(rendering.judge, groups, STYLE)
    rows = np.repeat(band_of, [len(group.scenes) for group in groups])
    right = np.array([is_right(each) for members in found for each in members])
    result["bands"] = {
        name: {
            "all": float(right[rows == band].mean()),
            "distance": frechet_distance(features[rows == band], drawn[rows == band]),
        }
        for band, name in enumerate(BANDS)
    }
    return result


def bands(rendering: Rendering, groups: Sequence[Group]) -> np.ndarray:
    """0 to 2 a group, by the similarity of its loosest pair."""
    loosest = []
    for group in groups:
        vectors = clip_embeddings(list(encode_prompts(rendering.clip, [caption(s) for s in group.scenes]).values()))
        loosest.append(float((vectors @ vectors.T).min()))
    return np.digitize(loosest, np.quantile(loosest, [1 / 3, 2 / 3]))


def table(results: dict[str, dict[str, Any]], settings: Sequence[Setting], loras: Sequence[str], seeds: int) -> str:
    """Mean and 95% interval over the seeds (Student's t; none with a single seed)."""
    columns = ("all", "subject", "colour", "setting", "score", "diversity", "distance")
    lines = ["| LoRA | steps | share | saved | all right | subject | colour | setting | text score | diversity | "
             "distance | " + " | ".join(f"distance, {band}" for band in BANDS) + " |", "|" + "---|" * 14]  # fmt: skip
    for setting in settings:
        for lora in loras:
            runs = [results.get(f"{lora}/{seed}/{setting.key}") for seed in range(seeds)]
            done = [each for each in runs if each is not None]
            if not done:
                continue
            saved = 1 - np.mean([each["paid"] for each in done]) / STEPS
            cells = [_cell([each[name] for each in done], 100 if at < 4 else 1) for at, name in enumerate(columns)]
            by_band = [_cell([each["bands"][band]["distance"] for each in done], 1) for band in BANDS]
            share = f"{setting.share:.0%}" + (", corrected" if setting.correction == "on" else "")
            shown = [lora, str(setting.steps), share, f"{saved:.1%}", *cells, *by_band]
            lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def _cell(values: list[float], times: float) -> str:
    mean = times * float(np.mean(values))
    digits = 1 if abs(mean) >= 10 else 3
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    half = times * float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for LoRAs and results")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=int, default=LARGEST, choices=range(1, LARGEST + 1), help="times 216")
    parser.add_argument("--steps", type=int, default=600, help="of every training")
    parser.add_argument("--groups", type=int, default=100, help="of 4 drawings, to train on at most")
    parser.add_argument("--sampler", default="euler")
    parser.add_argument(
        "--model", choices=("demo", "unet", "large_scenes"), default="demo", help="give each a folder of its own"
    )
    parser.add_argument("--rows", action="store_true", help="test on three things in a row, 32 pictures times scale")
    parser.add_argument("--no-fewer", action="store_true", help="leave out all that has fewer than 20 steps")
    parser.add_argument("--loras", nargs="+", default=list(MAIN), choices=list(LORAS))
    options = parser.parse_args()
    name = "lora_quality_rows" if options.rows else "lora_quality"
    results = Kept(options.out / f"{name}_{options.scale}.json")
    rendering = Rendering(model=options.model)
    large = options.model == "large_scenes"
    block = "large" if large else "rows" if options.rows else ""
    base, unseen = rendering.model, tested_groups(block, options.scale)
    band_of = bands(rendering, unseen)
    kept_out = tested_groups("large" if large else "", LARGEST)
    shared = [Setting(options.sampler, STEPS, share) for share in SHARES]
    shared += [Setting(options.sampler, STEPS, share, condition="auto", correction="on") for share in CORRECTED]
    fewer = [Setting(options.sampler, steps) for steps in FEWER]
    fewer += [Setting(options.sampler, steps, share) for share, some in SHARED_FEWER.items() for steps in some]
    settings = shared if options.no_fewer else [*shared, *fewer]
    for seed in range(options.seeds):
        examples = training_examples(rendering, training_groups(options.groups, seed, kept_out, large))
        for lora in options.loras:
            loss, rendering.model = LORAS[lora], base
            if loss is not None:
                file = f"{lora}-{seed}".replace(", ", "-").replace(" ", "-")
                state = options.out / f"{file}.safetensors"
                rendering.model = with_lora(rendering, loss, examples, state, options.steps, seed)
            for setting in settings if loss is not None else shared:
                key = f"{lora}/{seed}/{setting.key}"
                if key not in results:
                    groups = [replace(group, seed=group.seed + 100_000 * seed) for group in unseen]
                    results[key] = told = measured(rendering, groups, setting, band_of)
                    print(f"{key:<40} all {told['all']:.1%}  diversity {told['diversity']:.3f}  distance "
                          f"{told['distance']:.2f}", flush=True)  # fmt: skip
            rendering.model = base
    images = sum(len(group.scenes) for group in unseen)
    rows = table(results, settings, options.loras, options.seeds)
    text = f"{images} pictures a cell and seed, {options.seeds} seeds, {options.sampler}\n\n{rows}\n"
    (options.out / f"{name}_{options.sampler}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
