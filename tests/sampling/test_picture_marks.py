"""Marks by which pictures are found again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from comfyui_sage.sage_core.prefix.extend import extend_prefix
from comfyui_sage.sage_core.sampling.picture_marks import picture_marks
from comfyui_sage.sage_core.sampling.prefix import Prefix
from prefixes import new_prompts, sample_prefix, six_prompts

FAST = {"steps": 2}


@pytest.fixture(scope="module")
def prefix() -> Prefix:
    return sample_prefix(six_prompts(), **FAST)


def test_every_prompt_has_its_own(prefix: Prefix) -> None:
    marks = picture_marks(prefix, "recipe")
    assert len(set(marks)) == 6
    assert not set(marks) & set(picture_marks(prefix, "another recipe"))


def test_the_same_run_has_the_same(prefix: Prefix) -> None:
    again = sample_prefix(six_prompts(), **FAST)
    assert picture_marks(again, "recipe") == picture_marks(prefix, "recipe")


@pytest.mark.parametrize("changed", [{"seed": 6}, {"steps": 3}, {"variations": 2}, {"share": 0.0}, {"cfg": 4.0}])
def test_another_run_has_others(prefix: Prefix, changed: dict[str, float]) -> None:
    """Also where the recipe does not tell, of a prefix from a file."""
    other = sample_prefix(six_prompts(), **{**FAST, **changed})
    shared = (0, 1, 2, 3, 4)  # the last prompt is alone: with another share its picture is the same
    pairs = list(zip(picture_marks(other, "recipe"), picture_marks(prefix, "recipe"), strict=True))
    assert all(pairs[prompt][0] != pairs[prompt][1] for prompt in shared)


def test_another_mask_has_others(prefix: Prefix) -> None:
    masked = [
        replace(prefix, job=replace(prefix.job, denoise_mask=torch.full((1, 1, 8, 8), value))) for value in (0.0, 1.0)
    ]
    marks = [set(picture_marks(each, "recipe")) for each in (prefix, *masked)]
    assert len(set.union(*marks)) == 18


def test_another_company_has_others(prefix: Prefix) -> None:
    groups = replace(prefix.groups, prompts=("another", *prefix.groups.prompts[1:]))
    changed = picture_marks(replace(prefix, groups=groups), "recipe")
    same = [mark == other for mark, other in zip(changed, picture_marks(prefix, "recipe"), strict=True)]
    assert same == [False, True, False, False, True, True]


def test_prompts_added_later(prefix: Prefix) -> None:
    added, _ = extend_prefix(prefix, *new_prompts(10, 122, 300))
    assert len({*picture_marks(added, "recipe"), *picture_marks(prefix, "recipe")}) == 9
