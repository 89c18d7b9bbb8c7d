"""Parts of a group, each rendered on its own from shared steps that have run elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from comfyui_sage.sage_core.prefix.file import load_prefix
from comfyui_sage.sage_core.prefix.parts import NotShareable, part_of, write_shared_steps
from comfyui_sage.sage_core.sampling import ksampler
from evaluations import count_evaluations
from models import MODELS, conditioning
from prefixes import sample_branch, sample_prefix, six_prompts
from reference import ADAPTIVE, SETTINGS, assert_equal, small

PARTS = ([0, 2, 5], [1, 3], [4])


@pytest.mark.parametrize(
    "sampler_name", ["euler", "dpmpp_2m", "dpmpp_sde", "euler_ancestral", "uni_pc", "dpm_adaptive"]
)
@pytest.mark.parametrize(
    ("share_mode", "correction"), [("fixed", "off"), ("tree", "off"), ("fixed", "on"), ("tree", "on"), ("auto", "on")]
)
def test_the_parts_are_the_whole(tmp_path: Path, sampler_name: str, share_mode: str, correction: str) -> None:
    """The images, and the evaluations of the model."""
    prefix = sample_prefix(
        replace(six_prompts(), group_condition="auto"), variations=2, sampler_name=sampler_name, share=0.4,
        share_mode=share_mode, correction=correction,
    )  # fmt: skip
    with count_evaluations(MODELS["sd15"]()) as whole:
        expected = sample_branch(prefix).unflatten(0, (6, 2))
    file = tmp_path / "shared.safetensors"
    write_shared_steps(prefix, file)
    shared = load_prefix(file)
    with count_evaluations(MODELS["sd15"]()) as evaluations:
        for part in PARTS:
            images = sample_branch(part_of(shared, prefix.groups.only(part))).unflatten(0, (len(part), 2))
            assert_equal(images, expected[part])
    if sampler_name not in ADAPTIVE:
        assert evaluations.rows == whole.rows


def test_the_file_has_one_conditioning_only(tmp_path: Path) -> None:
    """They are most of a prefix with many prompts."""
    prefix = sample_prefix(six_prompts())
    write_shared_steps(prefix, tmp_path / "shared.safetensors")
    conditionings = load_prefix(tmp_path / "shared.safetensors").groups.conditionings
    assert len({id(each[0][0]) for each in conditionings}) == 1 < len(conditionings)


def test_nothing_shared(tmp_path: Path) -> None:
    prefix = sample_prefix(six_prompts(), share=0.0)
    write_shared_steps(prefix, tmp_path / "shared.safetensors")
    part = part_of(load_prefix(tmp_path / "shared.safetensors"), prefix.groups.only([2, 4]))
    assert_equal(sample_branch(part), sample_branch(prefix)[[2, 4]])


def test_what_cannot_be_handed_over(tmp_path: Path) -> None:
    """Noise of every prompt's own, and what is no plain data. Nothing is left of the file."""
    own_seeds = sample_prefix(replace(six_prompts(), seed_offsets=(0, 1, 2, 3, 4, 5)))
    noted = [[conditioning("sd15", seed=1)[0][0], {"pooled_output": torch.zeros(1, 8), "note": object()}]]
    settings = {"share": 0.5, **SETTINGS}
    no_data, _ = ksampler.sample_prefix(MODELS["sd15"](), six_prompts(), noted, small("sd15"), **settings)
    for prefix in (own_seeds, no_data):
        with pytest.raises(NotShareable):
            write_shared_steps(prefix, tmp_path / "shared.safetensors")
    assert not list(tmp_path.iterdir())
