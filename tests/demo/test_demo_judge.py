"""The demo judge on drawings outside its training set."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.demo.judge import load_demo_judge, split_words
from demo_model.drawing import STYLES, draw
from demo_model.judging import agreement, judge_pictures, rates
from demo_model.scenes import Scene, Thing, caption, random_scene

NUMBER = 200


def seen(style: str) -> tuple[list[Scene], torch.Tensor]:
    generators = [np.random.default_rng([77, index]) for index in range(NUMBER)]
    scenes = [random_scene(rng, held_out=True) for rng in generators]
    pictures = np.stack([draw(scene, rng, style) for scene, rng in zip(scenes, generators, strict=True)])
    return scenes, torch.from_numpy(pictures).movedim(-1, 1).float() / 255


@lru_cache
def judged(style: str) -> tuple[list[Scene], dict[str, float], torch.Tensor]:
    scenes, pictures = seen(style)
    verdicts, _, embeddings = judge_pictures(load_demo_judge(), pictures)
    agreements = [agreement(scene, verdict) for scene, verdict in zip(scenes, verdicts, strict=True)]
    return scenes, rates(agreements), embeddings


@pytest.mark.parametrize("style", STYLES)
def test_every_attribute_is_recognized(style: str) -> None:
    """At least 98% each is the goal; two of 200 pictures more are chance."""
    found = judged(style)[1]
    assert {name: rate for name, rate in found.items() if name != "all" and rate < 0.97} == {}


@pytest.mark.parametrize("style", STYLES)
def test_a_caption_is_nearest_to_its_own_picture(style: str) -> None:
    scenes, _, embeddings = judged(style)
    texts = load_demo_judge().embed_text([caption(scene) for scene in scenes])
    nearest = (embeddings @ texts.T).argmax(1)
    assert float((nearest == torch.arange(NUMBER)).float().mean()) > 0.7


def test_a_word_that_does_not_fit_lowers_the_score() -> None:
    judge = load_demo_judge()
    scene = Scene((Thing("boat", "red"),), setting="sea")
    picture = torch.from_numpy(draw(scene, np.random.default_rng(0))).movedim(-1, 0)[None].float() / 255
    image = judge.embed_image(judge(picture)[1])
    texts = ["a red boat on the sea", "a blue boat on the sea", "a red house on the sea", "a red boat at night"]
    scores = (image @ judge.embed_text(texts).T)[0]
    assert int(scores.argmax()) == 0
    assert float(scores[0] - scores[1:].max()) > 0.03


def test_an_empty_page_has_no_things() -> None:
    judge = load_demo_judge()
    assert judge.verdicts(judge(torch.full((1, 3, 128, 128), 0.97))[0])[0].things == ()


def test_words() -> None:
    assert split_words("A red star, at Night!") == ["a", "red", "star", "at", "night"]
    assert load_demo_judge().unknown_words("a red_zeppelin, 3 红色 cafés") == ["zeppelin", "3", "红色", "cafés"]
