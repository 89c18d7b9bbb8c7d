"""Runs with random inputs of all kinds at once: what users combine, and no other test does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.prefix.file import load_prefix, save_prefix
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from comfyui_sage.sage_core.sampling.reference_memory import MEMORY
from comfyui_sage.sage_core.vectors import normalize
from evaluations import count_evaluations
from models import MODELS, conditioning, randn
from reference import SETTINGS, assert_equal, comfy_ksampler, grouped, small

import comfy.samplers
SAMPLERS = tuple(sorted(comfy.samplers.KSampler.SAMPLERS))


@dataclass(frozen=True)
class Case:
    """One run.

    Attributes:
        starts: the LATENT of every prompt, as its KSampler alone would get it.
        image: the LATENT of the run.
        is_equal: whether the prompts of a group are equal, so that each has the picture of its KSampler.
        settings: of the KSampler alone.
        sharing: what the SAGE sampler gets beside them.
    """

    family: str
    groups: PromptGroups
    starts: list[dict[str, Any]]
    image: dict[str, Any]
    is_equal: bool
    settings: dict[str, Any]
    sharing: dict[str, Any]

    def sampled(self) -> torch.Tensor:
        """Sampled with nothing remembered."""
        MEMORY.clear()
        negative = conditioning(self.family, seed=1)
        out, _ = ksampler.sample(
            MODELS[self.family](), self.groups, negative, self.image, **self.settings, **self.sharing
        )
        return out["samples"]

    def alone(self) -> torch.Tensor:
        """Every prompt by ComfyUI's KSampler."""
        offsets = self.groups.seed_offsets or (0,) * len(self.starts)
        return torch.cat([
            comfy_ksampler(self.family, prompt, start, **{**self.settings, "seed": SETTINGS["seed"] + offset})
            for prompt, start, offset in zip(self.groups.conditionings, self.starts, offsets, strict=True)
        ])  # fmt: skip

    def permuted(self, order: list[int]) -> Case:
        """The same prompts in another order."""
        groups, place = self.groups, {index: number for number, index in enumerate(order)}
        partition = tuple(tuple(sorted(place[index] for index in members)) for members in groups.partition)
        turned = replace(
            groups, prompts=tuple(groups.prompts[at] for at in order),
            conditionings=tuple(groups.conditionings[at] for at in order), embeddings=groups.embeddings[order],
            partition=partition, seed_offsets=tuple(groups.seed_offsets[at] for at in order if groups.seed_offsets),
        )  # fmt: skip
        starts = [self.starts[at] for at in order]
        image = joined(starts) if self.sharing["latent_rows"] == "prompts" else self.image
        return replace(self, groups=turned, starts=starts, image=image)


def random_mask(samples: torch.Tensor, seed: int) -> torch.Tensor:
    """A mask of every row's own."""
    return (randn(len(samples), 1, *samples.shape[2:], seed=seed) > 0).float()


def joined(starts: list[dict[str, Any]]) -> dict[str, Any]:
    """The latents of all prompts in one."""
    image = {key: torch.cat([each[key] for each in starts]) for key in ("samples", "noise_mask") if key in starts[0]}
    numbers = [number for each in starts for number in each.get("batch_index", ())]
    return {**image, **({"batch_index": numbers} if numbers else {})}


def random_case(seed: int) -> Case:
    """Sizes are odd too: rows that are no multiple of 16 numbers have noise of their own kind."""
    rng = Random(seed)
    family, variations = rng.choice(sorted(MODELS)), rng.choice([1, 1, 2])
    side = rng.choice([{}, {"h": 5, "w": 7}]) if family == "sd15" else {}
    kinds = [rng.randrange(2) for _ in range(rng.randint(2, 5))]
    members: dict[int, list[int]] = {}
    for prompt, kind in enumerate(kinds):
        members.setdefault(kind, []).append(prompt)
    is_equal, has_own_rows = rng.random() < 0.5, rng.random() < 0.4
    prompts = [conditioning(family, seed=10 + (kind if is_equal else at)) for at, kind in enumerate(kinds)]
    vectors = np.random.default_rng(seed).normal(size=(len(kinds), 6)) + 2
    offsets = tuple(rng.choice([0, 0, 3]) for _ in kinds) if rng.random() < 0.4 else ()
    groups = replace(
        grouped(prompts, list(members.values()), group_condition=rng.choice(["auto", "mean", "medoid"])),
        embeddings=normalize(vectors).astype(np.float32), seed_offsets=offsets if any(offsets) else (),
    )  # fmt: skip
    starts = [small(family, batch=variations, seed=3 + rng.randrange(2), **side) for _ in kinds]
    if not has_own_rows:
        starts = [small(family, batch=variations, seed=rng.choice([None, 3]), **side)] * len(kinds)
    if rng.random() < 0.4:
        masks = [random_mask(start["samples"], rng.randrange(2 if has_own_rows else 1)) for start in starts]
        starts = [{**start, "noise_mask": mask} for start, mask in zip(starts, masks, strict=True)]
    if rng.random() < 0.2:
        starts = [{**start, "batch_index": [4, 1][:variations]} for start in starts]
    sampler = rng.choice(SAMPLERS)
    settings = {**SETTINGS, "sampler_name": sampler, "steps": 5, "cfg": rng.choice([1.0, 3.0]),
                "scheduler": rng.choice(["normal", "karras"]), "denoise": rng.choice([1.0, 0.6])}  # fmt: skip
    if sampler == "dpm_adaptive":
        settings |= {"denoise": 0.25, "scheduler": "karras"}  # else it takes a hundred calls
    sharing = {
        "share": rng.choice([0.2, 0.5, 0.9, 1.0]), "share_mode": rng.choice(["fixed", "tree", "auto"]),
        "correction": rng.choice(["on", "off"]), "latent_rows": "prompts" if has_own_rows else "variations",
        "reuse": rng.random() < 0.2,
    }  # fmt: skip
    return Case(family, groups, starts, joined(starts) if has_own_rows else starts[0], is_equal, settings, sharing)


@pytest.mark.parametrize("seed", range(5000, 5350))
def test_the_laws(seed: int, tmp_path: Path) -> None:
    """One node, two nodes and a file agree; evaluations are the planned ones; the order of the list does not count."""
    case = random_case(seed)
    model, negative = MODELS[case.family](), conditioning(case.family, seed=1)
    MEMORY.clear()
    with count_evaluations(model) as evaluations:
        guider, out = ksampler._sample_with(
            SageGuider, model, case.groups, negative, case.image, None, {**case.settings, **case.sharing}
        )
    record, images = guider.record, out["samples"]
    assert record.evaluations == evaluations.rows
    if record.cost is not None:
        assert evaluations.rows <= record.cost.total if record.cost.is_bound else evaluations.rows == record.cost.total
    if case.is_equal:
        assert_equal(images, case.alone())
    MEMORY.clear()
    prefix, _ = ksampler.sample_prefix(model, case.groups, negative, case.image, **case.settings, **case.sharing)
    branched = ksampler.sample_branch(model, prefix)[0]["samples"]
    assert_equal(branched, images)
    save_prefix(prefix, tmp_path / "a.prefix.safetensors")
    loaded = load_prefix(tmp_path / "a.prefix.safetensors")
    assert torch.equal(ksampler.sample_branch(model, loaded)[0]["samples"], branched)
    order = Random(seed).sample(range(len(case.starts)), len(case.starts))
    rows = images.unflatten(0, (len(order), -1))
    assert_equal(case.permuted(order).sampled().unflatten(0, (len(order), -1)), rows[order])
