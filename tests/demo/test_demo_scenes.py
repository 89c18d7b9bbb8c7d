"""Scenes of the demo model: captions, held-out pairs, drawings, and the verdicts on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from comfyui_sage.sage_core.demo.judge import Seen, Verdict
from demo_model.drawing import SIZE, STYLES, draw, layout
from demo_model.judging import agreement, rates
from demo_model.scenes import COLOURS, SUBJECTS, Scene, Thing, allowed, caption, random_scene, spoken
from PIL import Image

STAR, BOAT = Thing("star", "red"), Thing("boat", "blue", "striped")


def scenes(number: int, held_out: bool | None = None) -> list[Scene]:
    return [random_scene(np.random.default_rng(index), held_out=held_out) for index in range(number)]


def truth(scene: Scene, seed: int = 0) -> Verdict:
    """What a judge without error would say of a drawing."""
    spots = layout(scene, np.random.default_rng(seed))
    things = [
        Seen(thing.subject, thing.colour, thing.material, thing.size, spot.x, spot.y)
        for thing, spot in zip(scene.shown, spots, strict=True)
    ]
    return Verdict(tuple(reversed(things)), scene.setting, scene.weather)


@pytest.mark.parametrize(
    ("scene", "text"),
    [
        (Scene((STAR,)), "a red star on a white background"),
        (Scene((Thing("umbrella", "orange"),), setting="night"), "an orange umbrella at night"),
        (Scene((replace(BOAT, size="large"),), place="left", setting="sea", weather="rain"),
         "a large blue striped boat on the left on the sea in the rain"),
        (Scene((Thing("cross", "pink"),), count=3, setting="room"), "three pink crosses in a room"),
        (Scene((STAR, BOAT), relation="above", setting="snow"), "a red star above a blue striped boat in the snow"),
        (Scene((STAR, BOAT, Thing("fish", "white")), setting="green"),
         "a red star, a blue striped boat and a white fish on a green background"),
    ],
)  # fmt: skip
def test_captions(scene: Scene, text: str) -> None:
    assert caption(scene) == text


def test_spoken_captions_leave_parts_out_and_add_nothing() -> None:
    for index, scene in enumerate(scenes(200)):
        words = spoken(scene, np.random.default_rng(index)).replace(",", "").split()
        assert set(words) <= {*caption(scene).replace(",", "").split(), "a", "an"}


def test_a_tenth_of_the_pairs_is_kept_from_training() -> None:
    pairs = [Thing(subject, colour).held_out for subject in SUBJECTS for colour in COLOURS]
    assert sum(pairs) == 20
    assert all(sum(Thing(subject, colour).held_out for colour in COLOURS) == 1 for subject in SUBJECTS)
    assert not any(scene.held_out for scene in scenes(300, held_out=False))
    assert all(scene.held_out for scene in scenes(100, held_out=True))


def test_everything_in_a_scene_can_be_seen() -> None:
    assert all(allowed(scene.things, scene.setting) for scene in scenes(500))
    assert {scene.kind for scene in scenes(200)} == {"single", "count", "pair", "row"}


@pytest.mark.parametrize("style", STYLES)
def test_drawings_are_repeatable_and_differ(style: str) -> None:
    for index, scene in enumerate(scenes(30)):
        first, again, other = (draw(scene, np.random.default_rng(seed), style) for seed in (index, index, index + 1))
        assert first.shape == (SIZE, SIZE, 3)
        assert first.dtype == np.uint8
        assert (first == again).all()
        assert (first != other).any()


def test_every_subject_colour_material_and_style_draws_something_else() -> None:
    def picture(thing: Thing, style: str = "flat") -> bytes:
        return Image.fromarray(draw(Scene((thing,), setting="yellow"), np.random.default_rng(0), style)).tobytes()

    things = [Thing(subject, "red") for subject in SUBJECTS] + [Thing("star", colour) for colour in COLOURS[1:]]
    things += [Thing("star", "red", material) for material in ("striped", "dotted", "glass")]
    assert len({picture(thing) for thing in things} | {picture(STAR, "sticker")}) == len(things) + 1


def test_the_true_verdict_agrees_in_everything() -> None:
    for index, scene in enumerate(scenes(300)):
        judged = agreement(scene, truth(scene, index))
        assert all(judged.values()), (scene, judged)


PAIR = Scene((STAR, BOAT), relation="left", setting="sea", weather="sun")
SINGLE = Scene((STAR,), place="top")
Change = Callable[[Verdict], Verdict]


def first_thing(**changes: object) -> Change:
    return lambda verdict: replace(verdict, things=(replace(verdict.things[0], **changes), *verdict.things[1:]))


@pytest.mark.parametrize(
    ("scene", "change", "wrong"),
    [
        (PAIR, first_thing(subject="cup"), {"subject"}),
        (PAIR, first_thing(colour="pink"), {"colour"}),
        (PAIR, first_thing(material="dotted"), {"material"}),
        (PAIR, first_thing(x=1.0), {"relation"}),
        (PAIR, lambda verdict: replace(verdict, setting="snow"), {"setting"}),
        (PAIR, lambda verdict: replace(verdict, weather="none"), {"weather"}),
        (PAIR, lambda verdict: replace(verdict, things=verdict.things[:1]), {"count", "relation"}),
        (PAIR, lambda verdict: replace(verdict, things=()), {"count", "subject", "colour", "material", "relation"}),
        (SINGLE, first_thing(y=64.0), {"place"}),
        (SINGLE, first_thing(size="large"), {"size"}),
        (replace(SINGLE, count=2), lambda verdict: replace(verdict, things=verdict.things * 2), {"count"}),
    ],
)
def test_only_the_wrong_attributes_are_reported(scene: Scene, change: Change, wrong: set[str]) -> None:
    judged = agreement(scene, change(truth(scene)))
    assert {name for name, right in judged.items() if not right} == wrong


def test_a_swap_of_two_things_is_a_wrong_relation_only() -> None:
    verdict = truth(PAIR)
    a, b = verdict.things
    swapped = replace(verdict, things=(replace(a, x=b.x, y=b.y), replace(b, x=a.x, y=a.y)))
    assert {name for name, right in agreement(PAIR, swapped).items() if not right} == {"relation"}


def test_rates() -> None:
    judged = [{"count": True, "size": True}, {"count": False}, {"count": True, "size": False}]
    assert rates(judged) == {"all": 1 / 3, "count": 2 / 3, "size": 1 / 2}
