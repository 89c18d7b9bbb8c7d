"""Conditionings on the disk: the same groups, and the same images."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.conditioning import shelf as shelf_module
from comfyui_sage.sage_core.conditioning.batch import same
from comfyui_sage.sage_core.conditioning.shelf import Shelf, ShelvedConditionings, shelved
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.grouping import build
from comfyui_sage.sage_core.prefix.extend import add_prompts
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from comfyui_sage.sage_core.sampling import ksampler
from reference import SETTINGS, different, grouped, sage, small


@pytest.fixture(autouse=True)
def nothing_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "_SMALL", 0)


@pytest.mark.parametrize("settings", [{"correction": "on"}, {"correction": "off", "share_mode": "auto"}])
def test_the_same_images(settings: dict[str, Any]) -> None:
    conditions = different("sd15", 4)
    in_memory = grouped([*conditions, conditions[0]], [(0, 1, 4), (2, 3)])
    in_memory = replace(in_memory, prompts=(*"abcd", "a"))
    shelf = Shelf(in_memory=0)
    on_disk = replace(in_memory, conditionings=shelved(map(shelf.put, in_memory.conditionings)))
    assert isinstance(on_disk.conditionings, ShelvedConditionings)
    assert isinstance(on_disk.distinct()[0].conditionings, ShelvedConditionings)
    images = [sage("sd15", groups, small("sd15"), share=0.5, **settings) for groups in (in_memory, on_disk)]
    assert torch.equal(*images)


def test_the_same_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    _, clip, _ = load_demo_model()
    prompts = ("a red car in the snow", "a blue car in the snow", "a small boat on the sea", "a red car in the snow")
    template = [[text, {**extras, "guidance": 2.0}] for text, extras in encode_prompts(clip, [""])[""]]
    made = []
    for shelf in (Shelf, functools.partial(Shelf, in_memory=0)):
        monkeypatch.setattr(build, "Shelf", shelf)
        made.append(build.build_prompt_groups(clip, prompts, template=template))
    in_memory, on_disk = made
    assert isinstance(in_memory.conditionings, tuple) and isinstance(on_disk.conditionings, ShelvedConditionings)
    assert np.array_equal(in_memory.embeddings, on_disk.embeddings) and in_memory.partition == on_disk.partition
    assert in_memory.notes == on_disk.notes
    assert on_disk.conditionings[0][0][1]["guidance"] == 2.0
    assert same(list(in_memory.conditionings), list(on_disk.conditionings))


def test_prompts_added_later(monkeypatch: pytest.MonkeyPatch) -> None:
    model, clip, _ = load_demo_model()
    latent = {"samples": torch.zeros(1, 16, 16, 16)}
    made = []
    for shelf in (Shelf, functools.partial(Shelf, in_memory=0)):
        monkeypatch.setattr(build, "Shelf", shelf)
        groups = build.build_prompt_groups(clip, ("a red car in the snow", "a blue car in the snow"))
        negative = encode_prompts(clip, [""])[""]
        settings = {**SETTINGS, "steps": 2, "share": 0.5}
        prefix, _ = ksampler.sample_prefix(model, groups, negative, latent, **settings)
        for text in ("a green car in the snow", "a white car in the snow"):
            prefix, _ = add_prompts(clip, prefix, (text,))
        made.append(ksampler.sample_branch(model, prefix)[0]["samples"])
    assert len(made[0]) == 2 and torch.equal(*made)
