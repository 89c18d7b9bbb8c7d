"""What the demo model draws: scenes as plain data, their captions, and what is kept from training."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

SUBJECTS = (
    "circle", "square", "triangle", "diamond", "star", "heart", "cross", "ring", "moon", "house",
    "tree", "car", "boat", "fish", "flower", "mushroom", "balloon", "cup", "umbrella", "rocket",
)  # fmt: skip
COLOURS = ("red", "blue", "green", "yellow", "orange", "purple", "pink", "brown", "black", "white", "gray")
MATERIALS = ("plain", "striped", "dotted", "glass")
SIZES = ("small", "medium", "large")
PLACES = {
    "centre": "", "left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom",
}  # fmt: skip
SCENERIES = {
    "night": "at night", "field": "in a field", "sea": "on the sea", "snow": "in the snow", "sunset": "at sunset",
    "desert": "in the desert", "city": "in the city", "room": "in a room",
}  # fmt: skip
BACKGROUNDS = ("red", "blue", "green", "yellow", "purple", "pink", "black", "white", "gray")
SETTINGS = (*SCENERIES, *BACKGROUNDS)
WEATHERS = {
    "none": "", "rain": "in the rain", "sun": "under the sun", "clouds": "under clouds", "rainbow": "under a rainbow",
}  # fmt: skip
OUTDOORS = ("field", "sea", "snow", "desert", "city")
"""Sceneries that have a weather."""
RELATIONS = {"left": "left of", "right": "right of", "above": "above", "below": "below"}
COUNTS = {2: "two", 3: "three", 4: "four"}

_UNSEEN = {
    "field": ("green",), "snow": ("white",), "night": ("black",), "desert": ("yellow",), "city": ("gray",),
    "sunset": ("orange",), "room": ("brown",), "sea": ("blue",),
}  # fmt: skip
"""Colours that a scenery would swallow."""
_SOLID_ONLY = ("black", "white", "gray")
"""Colours that glass does not come in."""


@dataclass(frozen=True)
class Thing:
    """One subject, as it looks."""

    subject: str
    colour: str
    material: str = "plain"
    size: str = "medium"

    @property
    def held_out(self) -> bool:
        """Whether the pair of subject and colour is kept from training (20 of 220 pairs)."""
        return (SUBJECTS.index(self.subject) * 4 + COLOURS.index(self.colour)) % len(COLOURS) == 0

    def words(self, *, plural: bool = False, colour: bool = True) -> str:
        """'large red striped star', without article."""
        parts = (
            self.size if self.size != "medium" else "", self.colour if colour else "",
            self.material if self.material != "plain" else "", plural_of(self.subject) if plural else self.subject,
        )  # fmt: skip
        return " ".join(filter(None, parts))


@dataclass(frozen=True)
class Scene:
    """
    Attributes:
        things: one (single), two (a pair with a relation), three (a row, left to right), `count` equal ones, or two
            rows, from top left; equal neighbours are said as a number of them.
        count: how many of the only thing there are; 1 unless it is a scene of equal things.
        relation: where the first of a pair is, seen from the second; a key of RELATIONS, or "".
        place: where a single thing is; a key of PLACES.
        setting: a key of SCENERIES, or one of BACKGROUNDS.
        weather: a key of WEATHERS.
        above: how many of the things are in the upper one of two rows; 0 unless there are two.
    """

    things: tuple[Thing, ...]
    count: int = 1
    relation: str = ""
    place: str = "centre"
    setting: str = "white"
    weather: str = "none"
    above: int = 0

    @property
    def held_out(self) -> bool:
        """Whether a pair of subject and colour in it is kept from training."""
        return any(thing.held_out for thing in self.things)

    @property
    def kind(self) -> str:
        """single, count, pair, row or rows."""
        if self.above:
            return "rows"
        return "count" if self.count > 1 else ("single", "pair", "row")[len(self.things) - 1]

    @property
    def shown(self) -> tuple[Thing, ...]:
        """Every thing in the picture."""
        return self.things * self.count


def article(words: str) -> str:
    """The words with 'a' or 'an' before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural_of(subject: str) -> str:
    """stars, crosses, fish."""
    if subject == "fish":
        return subject
    return subject + ("es" if subject.endswith("s") else "s")


def caption(scene: Scene, *, colour: bool = True, setting: bool = True) -> str:
    """The prompt of a scene; colour and setting can be left unsaid, what is usual (medium, plain, centre) always is."""
    above = 1 if scene.relation else scene.above
    parts = [_listed(part, colour) for part in (scene.shown[:above], scene.shown[above:]) if part]
    text = f" {RELATIONS[scene.relation or 'above']} ".join(parts)
    where = SCENERIES.get(scene.setting, f"on {article(scene.setting)} background") if setting else ""
    return " ".join(filter(None, (text, PLACES[scene.place], where, WEATHERS[scene.weather])))


def _listed(things: Sequence[Thing], colour: bool) -> str:
    """'a red star, two blue boats and a green car'."""
    words = [
        article(thing.words(colour=colour)) if number == 1
        else f"{COUNTS[number]} {thing.words(plural=True, colour=colour)}"
        for thing, number in ((thing, len(list(equal))) for thing, equal in itertools.groupby(things))
    ]  # fmt: skip
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def spoken(scene: Scene, rng: np.random.Generator) -> str:
    """A caption as users write it: sometimes a part is left out, or the setting comes first."""
    said = caption(scene, colour=rng.random() > 0.1, setting=rng.random() > 0.15)
    lead = SCENERIES.get(scene.setting)
    if lead and rng.random() < 0.1 and f" {lead}" in said:
        said = f"{lead}, {said.replace(f' {lead}', '', 1)}"
    return said


def random_scene(rng: np.random.Generator, *, held_out: bool | None = None) -> Scene:
    """A scene of any kind.

    Args:
        held_out: True for scenes with a pair that training never saw, False for scenes without, None for any.
    """
    while True:
        scene = _any_scene(rng)
        if held_out is None or scene.held_out == held_out:
            return scene


def allowed(things: Sequence[Thing], setting: str) -> bool:
    """Whether every thing can be seen in front of the setting."""
    hidden = (*_UNSEEN.get(setting, ()), setting)
    return not any(
        thing.colour in hidden or (thing.material == "glass" and thing.colour in _SOLID_ONLY) for thing in things
    )


def _any_scene(rng: np.random.Generator) -> Scene:
    kind = rng.choice(["single", "count", "pair", "row"], p=[0.5, 0.15, 0.25, 0.1])
    setting = str(rng.choice(tuple(SCENERIES) if rng.random() < 0.6 else BACKGROUNDS))
    number = {"pair": 2, "row": 3}.get(str(kind), 1)
    things = tuple(any_thing(rng, setting) for _ in range(number))
    if len({thing.subject for thing in things}) < number:
        return _any_scene(rng)
    scene = Scene(things, setting=setting, weather=any_weather(rng, setting))
    if kind == "single":
        place = str(rng.choice(tuple(PLACES))) if rng.random() < 0.5 else "centre"
        sized = replace(things[0], size=str(rng.choice(SIZES)))
        return replace(scene, things=(sized,), place=place)
    if kind == "count":
        return replace(scene, count=int(rng.integers(2, 5)))
    return replace(scene, relation=str(rng.choice(tuple(RELATIONS)))) if kind == "pair" else scene


def any_weather(rng: np.random.Generator, setting: str) -> str:
    """A weather in 40% of the sceneries that can have one."""
    return str(rng.choice(tuple(WEATHERS)[1:])) if setting in OUTDOORS and rng.random() < 0.4 else "none"


def any_thing(rng: np.random.Generator, setting: str) -> Thing:
    """A thing that can be seen in front of the setting; 30% have a material."""
    while True:
        material = str(rng.choice(MATERIALS[1:])) if rng.random() < 0.3 else "plain"
        thing = Thing(str(rng.choice(SUBJECTS)), str(rng.choice(COLOURS)), material)
        if allowed((thing,), setting):
            return thing
