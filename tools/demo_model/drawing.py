"""Draws a scene in the style of the demo model or in one that it has never seen.

128 x 128 pixels; two rows of things are 192 x 192.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .scenes import Scene, Thing

SIZE, LARGE = 128, 192
"""Sides of a picture, and of one with two rows of things."""
STYLES = ("flat", "sticker")
"""flat is the base model's; sticker is kept for fine-tuning: white border, shadow, pastel background."""
RADIUS = {"small": 17.0, "medium": 27.0, "large": 42.0}
RGB = {
    "red": (214, 48, 49), "blue": (45, 98, 214), "green": (46, 150, 70), "yellow": (246, 208, 50),
    "orange": (240, 130, 35), "purple": (130, 65, 180), "pink": (245, 140, 185), "brown": (125, 80, 45),
    "black": (35, 35, 40), "white": (248, 248, 248), "gray": (135, 138, 142),
}  # fmt: skip
_SCALE = 3
_SIDE = SIZE * _SCALE
_Colour = tuple[int, int, int]
_Points = list[tuple[float, float]]


class Spot(NamedTuple):
    """Where a thing is drawn, in pixels of the picture."""

    x: float
    y: float
    radius: float


def side(scene: Scene) -> int:
    """Of its picture, in pixels."""
    return LARGE if scene.kind == "rows" else SIZE


def layout(scene: Scene, rng: np.random.Generator) -> list[Spot]:
    """A spot for each of `scene.shown`, with a little chance in it."""
    if scene.kind == "single":
        radius = RADIUS[scene.things[0].size]
        reach = 64 - max(radius + 4, 34)
        dx, dy = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}.get(scene.place, (0, 0))
        spots = [(64 + dx * reach, 64 + dy * reach, radius)]
    elif scene.kind == "pair":
        first = -1 if scene.relation in ("left", "above") else 1
        across = scene.relation in ("left", "right")
        spots = [(64 + 29 * side * across, 64 + 29 * side * (not across), 23) for side in (first, -first)]
    elif scene.kind == "rows":
        rows = (scene.above, len(scene.things) - scene.above)
        spots = [
            (96 + 56 * (place - (number - 1) / 2), y, 23)
            for number, y in zip(rows, (54, 138), strict=True) for place in range(number)
        ]  # fmt: skip
    elif scene.kind == "row" or scene.count == 3:
        spots = [(64 + 40 * side, 64, 18) for side in (-1, 0, 1)]
    elif scene.count == 2:
        spots = [(64 + 29 * side, 64, 23) for side in (-1, 1)]
    else:
        spots = [(64 + 29 * dx, 64 + 29 * dy, 21) for dy in (-1, 1) for dx in (-1, 1)]
    jitter = 3 if scene.kind == "single" else 2
    return [
        Spot(x + rng.uniform(-jitter, jitter), y + rng.uniform(-jitter, jitter), r * rng.uniform(0.93, 1.05))
        for x, y, r in spots
    ]


def draw(scene: Scene, rng: np.random.Generator, style: str = "flat") -> np.ndarray:
    """The picture of a scene: (side, side, 3) uint8."""
    return draw_at(scene, layout(scene, rng), rng, style)


def draw_at(scene: Scene, spots: list[Spot], rng: np.random.Generator, style: str = "flat") -> np.ndarray:
    """As `draw`, with every thing at a spot of its own."""
    grown = side(scene) / SIZE
    image = _background(scene.setting, rng)
    _weather_behind(image, scene, [Spot(*(value / grown for value in spot)) for spot in spots], rng)
    image = image.resize((side(scene) * _SCALE,) * 2)
    if style == "sticker":
        image = _pastel(image)
    for thing, spot in zip(scene.shown, spots, strict=True):
        _thing(image, thing, spot, style)
    if scene.weather == "rain":
        _rain(image, rng)
    return np.asarray(image.resize((side(scene),) * 2, Image.Resampling.BOX))


# ------------------------------------------------------------------------------------------------ colours


def _mix(a: _Colour, b: _Colour, share: float) -> _Colour:
    """`share` of b in a."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def _dark(colour: _Colour) -> _Colour:
    """The colour of outlines and of darker parts; black gets lighter ones."""
    return _mix(colour, (0, 0, 0), 0.42) if sum(colour) > 150 else _mix(colour, (255, 255, 255), 0.4)


def _pale(colour: _Colour) -> _Colour:
    """The colour of windows, sails and stripes; white gets darker ones."""
    return _mix(colour, (255, 255, 255), 0.72) if sum(colour) < 700 else (170, 175, 185)


# --------------------------------------------------------------------------------------------- backgrounds


def _gradient(*stops: _Colour) -> Image.Image:
    """From top to bottom through all stops."""
    at = np.linspace(0, len(stops) - 1, _SIDE)
    column = np.stack([np.interp(at, range(len(stops)), [stop[c] for stop in stops]) for c in range(3)], -1)
    return Image.fromarray(np.repeat(column[:, None].astype(np.uint8), _SIDE, 1))


def _background(setting: str, rng: np.random.Generator) -> Image.Image:
    if setting in RGB:
        base = RGB[setting]
        return _gradient(_mix(base, (255, 255, 255), 0.12), _mix(base, (0, 0, 0), 0.06))
    image = _gradient(*_SKIES[setting])
    _GROUNDS[setting](ImageDraw.Draw(image), rng)
    return image


def _px(value: float) -> float:
    return value * _SCALE


def _dots(draw: ImageDraw.ImageDraw, rng: np.random.Generator, number: int, height: float, colour: _Colour) -> None:
    for x, y, r in rng.uniform((0, 0, 0.7), (SIZE, height, 1.5), (number, 3)):
        draw.ellipse([_px(x - r), _px(y - r), _px(x + r), _px(y + r)], fill=colour)


def _ground(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, top: float, wave: float, colour: _Colour
) -> Callable[[float], float]:
    """Fills everything below a wavy line; gives the line."""
    phase, length = rng.uniform(0, 2 * math.pi), rng.uniform(80, 130)

    def line(x: float) -> float:
        return top + wave * math.sin(2 * math.pi * x / length + phase)

    edge = [(_px(x), _px(line(x))) for x in range(0, SIZE + 5, 4)]
    draw.polygon([(0, _SIDE), *edge, (_SIDE, _SIDE)], fill=colour)
    return line


def _night(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    _dots(draw, rng, 26, SIZE, (235, 235, 205))


def _field(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    _ground(draw, rng, 68, 4, (112, 186, 78))
    for x, y in rng.uniform((0, 78), (SIZE, SIZE), (22, 2)):
        draw.line([_px(x), _px(y), _px(x + 1.5), _px(y - 5)], fill=(66, 140, 52), width=_SCALE)


def _sea(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    draw.rectangle([0, _px(58), _SIDE, _SIDE], fill=(52, 128, 196))
    for y in range(66, SIZE, 11):
        shift = rng.uniform(0, 16)
        wave = [(_px(x), _px(y + 1.6 * math.sin((x + shift) * 2 * math.pi / 16))) for x in range(0, SIZE + 3, 2)]
        draw.line(wave, fill=(132, 192, 232), width=_SCALE + 1)


def _snow(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    _ground(draw, rng, 74, 6, (246, 249, 253))
    _dots(draw, rng, 26, 80, (255, 255, 255))


def _sunset(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    _ground(draw, rng, 108, 2, (70, 42, 66))


def _desert(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    _ground(draw, rng, 72, 6, (226, 186, 116))
    _ground(draw, rng, 98, 6, (208, 162, 92))


def _city(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    left = -rng.uniform(0, 10)
    while left < SIZE:
        width, top = rng.uniform(20, 26), rng.uniform(50, 84)
        draw.rectangle([_px(left), _px(top), _px(left + width), _SIDE], fill=(148, 156, 174))
        for x in (left + 4, left + width - 8):
            for y in np.arange(top + 5, SIZE - 4, 13):
                draw.rectangle([_px(x), _px(y), _px(x + 4), _px(y + 6)], fill=(226, 218, 168))
        left += width + 2


def _room(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    floor = 92 + rng.uniform(-3, 3)
    draw.rectangle([0, _px(floor), _SIDE, _SIDE], fill=(158, 108, 70))
    draw.rectangle([0, _px(floor - 4), _SIDE, _px(floor)], fill=(250, 246, 236))
    for x in range(-20, SIZE + 40, 20):
        draw.line([_px(x), _px(floor), _px(64 + (x - 64) * 1.8), _SIDE], fill=(124, 82, 52), width=_SCALE)


_SKIES: dict[str, tuple[_Colour, ...]] = {
    "night": ((10, 14, 44), (32, 38, 86)), "field": ((134, 198, 240), (206, 232, 250)),
    "sea": ((190, 224, 246), (222, 240, 250)), "snow": ((168, 190, 214), (208, 222, 236)),
    "sunset": ((98, 58, 128), (234, 98, 92), (252, 178, 84)), "desert": ((250, 226, 164), (253, 240, 204)),
    "city": ((168, 186, 206), (212, 220, 230)), "room": ((232, 214, 178), (226, 206, 168)),
}  # fmt: skip
_GROUNDS = {
    "night": _night, "field": _field, "sea": _sea, "snow": _snow, "sunset": _sunset, "desert": _desert,
    "city": _city, "room": _room,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------- weather


def _weather_behind(image: Image.Image, scene: Scene, spots: list[Spot], rng: np.random.Generator) -> None:
    draw = ImageDraw.Draw(image)
    if scene.weather == "sun":
        corner = max((15.0, SIZE - 15.0), key=lambda x: min(math.hypot(spot.x - x, spot.y - 15) for spot in spots))
        _sun(draw, corner + rng.uniform(-2, 2), 15 + rng.uniform(-2, 2))
    elif scene.weather == "clouds":
        for x in (18, 64, 110):
            _cloud(draw, x + rng.uniform(-6, 6), 15 + rng.uniform(-4, 4))
    elif scene.weather == "rainbow":
        for index, name in enumerate(("red", "orange", "yellow", "green", "blue", "purple")):
            r = 66 - 4 * index
            box = [_px(64 - r), _px(76 - r), _px(64 + r), _px(76 + r)]
            draw.arc(box, 180, 360, fill=RGB[name], width=4 * _SCALE)
    elif scene.weather == "rain":
        image.paste(Image.blend(image, Image.new("RGB", image.size, (70, 82, 104)), 0.35))


def _sun(draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    for turn in range(8):
        dx, dy = math.cos(turn * math.pi / 4), math.sin(turn * math.pi / 4)
        ray = [_px(x + 11 * dx), _px(y + 11 * dy), _px(x + 15 * dx), _px(y + 15 * dy)]
        draw.line(ray, fill=(250, 190, 30), width=2 * _SCALE)
    draw.ellipse([_px(x - 9), _px(y - 9), _px(x + 9), _px(y + 9)], fill=(253, 214, 50), outline=(240, 170, 20))


def _cloud(draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    for colour, grow in (((176, 188, 204), 1.3), ((255, 255, 255), 0)):
        for dx, dy, r in ((-10, 2, 7), (0, -2, 9), (10, 2, 7)):
            r += grow
            draw.ellipse([_px(x + dx - r), _px(y + dy - r), _px(x + dx + r), _px(y + dy + r)], fill=colour)


def _rain(image: Image.Image, rng: np.random.Generator) -> None:
    draw = ImageDraw.Draw(image)
    end = image.width / _SCALE
    for x, y in rng.uniform((-8, -8), (end, end), (round(46 * (end / SIZE) ** 2), 2)):
        draw.line([_px(x + 3), _px(y), _px(x), _px(y + 9)], fill=(176, 208, 240), width=_SCALE)


def _pastel(image: Image.Image) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, (255, 252, 244)), 0.45)


# -------------------------------------------------------------------------------------------------- things


def _thing(image: Image.Image, thing: Thing, spot: Spot, style: str) -> None:
    """Body, then its parts; the material is only on the body."""
    body = Image.new("L", image.size, 0)
    pen = _Pen(ImageDraw.Draw(body), spot)
    _BODIES[thing.subject](pen)
    colour = RGB[thing.colour]
    line = _dark(colour)
    outline = _grown(body, 2 if thing.material != "glass" else 1)
    if style == "sticker":
        whole = _grown(_silhouette(thing.subject, image.size, spot), 5)
        shadow = ImageChops.offset(whole, round(_px(3)), round(_px(3)))
        image.paste(_mix((120, 115, 110), (0, 0, 0), 0.2), mask=shadow.point([v * 0.5 for v in range(256)]))
        image.paste((255, 255, 255), mask=whole)
    _PARTS_BEHIND.get(thing.subject, _nothing)(_Pen(ImageDraw.Draw(image), spot), colour)
    if thing.material == "glass":
        clear = Image.blend(image, Image.new("RGB", image.size, colour), 0.38)
        image.paste(colour, mask=outline)
        image.paste(clear, mask=_shrunk(body, 2))
    else:
        image.paste(line, mask=outline)
        image.paste(_material(thing.material, colour, spot, image.width), mask=body)
    _PARTS.get(thing.subject, _nothing)(_Pen(ImageDraw.Draw(image), spot), colour)
    if thing.material == "glass":
        r = 0.16
        _Pen(ImageDraw.Draw(image), spot).oval(-0.36 - r, -0.3 - 1.3 * r, -0.36 + r, -0.3 + 1.3 * r, (255, 255, 255))


def _silhouette(subject: str, size: tuple[int, int], spot: Spot) -> Image.Image:
    """Everything a subject covers."""
    mask = Image.new("L", size, 0)
    pen = _Pen(ImageDraw.Draw(mask), spot, ink=255)
    _BODIES[subject](pen)
    for parts in (_PARTS_BEHIND, _PARTS):
        parts.get(subject, _nothing)(pen, (255, 255, 255))
    return mask


def _grown(mask: Image.Image, pixels: int) -> Image.Image:
    """The mask, wider by half-pixels of the picture on every side."""
    return _filtered(mask, ImageFilter.MaxFilter(2 * pixels + 1))


def _shrunk(mask: Image.Image, pixels: int) -> Image.Image:
    return _filtered(mask, ImageFilter.MinFilter(2 * pixels + 1))


def _filtered(mask: Image.Image, rank: ImageFilter.RankFilter) -> Image.Image:
    """A rank filter at two thirds of the size, and only where there is something: these filters are slow."""
    box, margin = mask.getbbox() or (0, 0, *mask.size), 6 * _SCALE
    left, top = (max(0, at - margin) // _SCALE * _SCALE for at in box[:2])
    right, bottom = (min(mask.width, -(-(at + margin) // _SCALE) * _SCALE) for at in box[2:])
    part = mask.crop((left, top, right, bottom))
    small = part.resize((part.width * 2 // _SCALE, part.height * 2 // _SCALE), Image.Resampling.BOX).filter(rank)
    result = Image.new("L", mask.size, 0)
    result.paste(small.resize(part.size, Image.Resampling.BILINEAR), (left, top))
    return result


def _material(material: str, colour: _Colour, spot: Spot, width: int) -> Image.Image:
    texture = Image.new("RGB", (width, width), colour)
    draw = ImageDraw.Draw(texture)
    x0, y0 = _px(spot.x), _px(spot.y)
    step = _px(max(13.0, spot.radius * 0.5))
    if material == "striped":
        for at in np.arange(-12, 13) * step * 1.3:
            ends = [x0 + at - width, y0 - width, x0 + at + width, y0 + width]
            draw.line(ends, fill=_pale(colour), width=round(step * 0.46))
    elif material == "dotted":
        r = step * 0.28
        for row in range(-9, 10):
            for column in range(-9, 10):
                x, y = x0 + (column + (row % 2) / 2) * step, y0 + row * step * 0.87
                draw.ellipse([x - r, y - r, x + r, y + r], fill=_pale(colour))
    return texture


class _Pen:
    """Draws in units of a thing: (0, 0) its middle, 1 its radius, y down."""

    def __init__(self, draw: ImageDraw.ImageDraw, spot: Spot, ink: int | None = None) -> None:
        self.draw, self.spot, self.ink = draw, spot, ink

    def _at(self, points: _Points) -> _Points:
        s = self.spot
        return [(_px(s.x + x * s.radius), _px(s.y + y * s.radius)) for x, y in points]

    def _fill(self, colour: _Colour | int) -> _Colour | int:
        return colour if self.ink is None else self.ink

    def polygon(self, points: _Points, colour: _Colour | int = 255) -> None:
        self.draw.polygon(self._at(points), fill=self._fill(colour))

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: _Colour | int = 255) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def oval(self, x0: float, y0: float, x1: float, y1: float, colour: _Colour | int = 255) -> None:
        (a, b), (c, d) = self._at([(x0, y0), (x1, y1)])
        self.draw.ellipse([a, b, c, d], fill=self._fill(colour))

    def hole(self, x0: float, y0: float, x1: float, y1: float) -> None:
        (a, b), (c, d) = self._at([(x0, y0), (x1, y1)])
        self.draw.ellipse([a, b, c, d], fill=0)

    def line(self, points: _Points, colour: _Colour | int = 255, width: float = 0.1) -> None:
        pixels = max(round(_px(width * self.spot.radius)), _SCALE)
        self.draw.line(self._at(points), fill=self._fill(colour), width=pixels, joint="curve")


def _nothing(pen: _Pen, colour: _Colour) -> None:
    """No parts."""


def _turned(radii: list[float]) -> _Points:
    """Points around the middle, from the top, at these radii."""
    angles = [2 * math.pi * index / len(radii) - math.pi / 2 for index in range(len(radii))]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def _heart(pen: _Pen) -> None:
    turns = np.linspace(0, 2 * math.pi, 60)
    x = 16 * np.sin(turns) ** 3
    y = -(13 * np.cos(turns) - 5 * np.cos(2 * turns) - 2 * np.cos(3 * turns) - np.cos(4 * turns))
    pen.polygon(list(zip(x / 17, (y - 1) / 16, strict=True)))


def _ring(pen: _Pen) -> None:
    pen.oval(-1, -1, 1, 1)
    pen.hole(-0.52, -0.52, 0.52, 0.52)


def _moon(pen: _Pen) -> None:
    pen.oval(-1, -1, 1, 1)
    pen.hole(-0.3, -1.0, 1.4, 0.7)


def _cross(pen: _Pen) -> None:
    pen.box(-0.32, -0.95, 0.32, 0.95)
    pen.box(-0.95, -0.32, 0.95, 0.32)


def _tree(pen: _Pen) -> None:
    for top, half, bottom in ((-1.0, 0.5, -0.3), (-0.62, 0.68, 0.15), (-0.2, 0.86, 0.62)):
        pen.polygon([(0, top), (half, bottom), (-half, bottom)])


def _car(pen: _Pen) -> None:
    pen.box(-1.05, -0.1, 1.05, 0.48)
    pen.polygon([(-0.65, -0.1), (-0.4, -0.62), (0.38, -0.62), (0.68, -0.1)])


def _fish(pen: _Pen) -> None:
    pen.oval(-1.02, -0.58, 0.62, 0.58)
    pen.polygon([(0.42, 0), (1.05, -0.62), (1.05, 0.62)])


def _flower(pen: _Pen) -> None:
    for x, y in _turned([0.62] * 6):
        pen.oval(x - 0.4, y - 0.4, x + 0.4, y + 0.4)


def _mushroom(pen: _Pen) -> None:
    upper = np.linspace(math.pi, 2 * math.pi, 24)
    pen.polygon([(0.98 * math.cos(a), 0.1 + 1.0 * math.sin(a)) for a in upper])


def _balloon(pen: _Pen) -> None:
    pen.oval(-0.64, -1.05, 0.64, 0.4)
    pen.polygon([(0, 0.32), (0.15, 0.54), (-0.15, 0.54)])


def _cup(pen: _Pen) -> None:
    pen.oval(0.2, -0.45, 1.02, 0.4)
    pen.hole(0.42, -0.22, 0.8, 0.17)
    pen.polygon([(-0.85, -0.62), (0.55, -0.62), (0.38, 0.8), (-0.68, 0.8)])


def _umbrella(pen: _Pen) -> None:
    upper = np.linspace(math.pi, 2 * math.pi, 24)
    pen.polygon([(math.cos(a), 0.05 + 0.95 * math.sin(a)) for a in upper])
    for x in (-0.67, 0.0, 0.67):
        pen.hole(x - 0.3, -0.12, x + 0.3, 0.26)


def _rocket(pen: _Pen) -> None:
    pen.polygon([(-0.4, -0.3), (-0.22, -0.75), (0, -1.05), (0.22, -0.75), (0.4, -0.3), (0.4, 0.55), (-0.4, 0.55)])


_BODIES: dict[str, Callable[[_Pen], None]] = {
    "circle": lambda pen: pen.oval(-0.95, -0.95, 0.95, 0.95),
    "square": lambda pen: pen.box(-0.85, -0.85, 0.85, 0.85),
    "triangle": lambda pen: pen.polygon([(0, -0.95), (1, 0.8), (-1, 0.8)]),
    "diamond": lambda pen: pen.polygon([(0, -1.05), (0.72, 0), (0, 1.05), (-0.72, 0)]),
    "star": lambda pen: pen.polygon(_turned([1.08, 0.44] * 5)),
    "heart": _heart, "cross": _cross, "ring": _ring, "moon": _moon,
    "house": lambda pen: pen.box(-0.72, -0.15, 0.72, 0.9),
    "tree": _tree, "car": _car,
    "boat": lambda pen: pen.polygon([(-1, 0.3), (1, 0.3), (0.62, 0.85), (-0.62, 0.85)]),
    "fish": _fish, "flower": _flower, "mushroom": _mushroom, "balloon": _balloon, "cup": _cup,
    "umbrella": _umbrella, "rocket": _rocket,
}  # fmt: skip


def _boat_mast(pen: _Pen, colour: _Colour) -> None:
    pen.line([(0, 0.3), (0, -1.0)], (92, 64, 42), 0.11)
    pen.polygon([(0.1, -0.95), (0.85, 0.15), (0.1, 0.15)], _pale(colour))
    pen.polygon([(-0.1, -0.75), (-0.7, 0.15), (-0.1, 0.15)], _pale(colour))


def _umbrella_stick(pen: _Pen, colour: _Colour) -> None:
    pen.line([(0, -0.9), (0, 0.78), (0.1, 0.94), (0.26, 0.92), (0.32, 0.76)], (72, 52, 40), 0.12)


def _rocket_fins(pen: _Pen, colour: _Colour) -> None:
    pen.polygon([(-0.3, 0), (-0.78, 0.72), (-0.3, 0.6)], _dark(colour))
    pen.polygon([(0.3, 0), (0.78, 0.72), (0.3, 0.6)], _dark(colour))
    pen.polygon([(-0.24, 0.5), (0.24, 0.5), (0, 1.08)], (250, 160, 40))


_PARTS_BEHIND: dict[str, Callable[[_Pen, _Colour], None]] = {
    "tree": lambda pen, colour: pen.box(-0.17, 0.5, 0.17, 1.0, (110, 72, 42)),
    "mushroom": lambda pen, colour: pen.polygon([(-0.3, 0), (0.3, 0), (0.38, 0.95), (-0.38, 0.95)], (240, 226, 196)),
    "balloon": lambda pen, colour: pen.line([(0, 0.5), (0.08, 0.75), (-0.05, 1.05)], (90, 90, 96), 0.06),
    "boat": _boat_mast, "umbrella": _umbrella_stick, "rocket": _rocket_fins,
}  # fmt: skip


def _house_roof(pen: _Pen, colour: _Colour) -> None:
    pen.polygon([(0, -1.0), (0.98, -0.12), (-0.98, -0.12)], _dark(colour))
    pen.box(-0.2, 0.32, 0.2, 0.9, _pale(colour))


def _car_wheels(pen: _Pen, colour: _Colour) -> None:
    pen.polygon([(-0.46, -0.12), (-0.3, -0.48), (-0.05, -0.48), (-0.05, -0.12)], (206, 230, 246))
    pen.polygon([(0.07, -0.12), (0.07, -0.48), (0.3, -0.48), (0.48, -0.12)], (206, 230, 246))
    for x in (-0.56, 0.56):
        pen.oval(x - 0.27, 0.22, x + 0.27, 0.76, (30, 30, 34))
        pen.oval(x - 0.11, 0.38, x + 0.11, 0.6, (190, 192, 196))


def _fish_eye(pen: _Pen, colour: _Colour) -> None:
    pen.oval(-0.74, -0.3, -0.46, -0.02, (255, 255, 255))
    pen.oval(-0.67, -0.23, -0.53, -0.09, (20, 20, 24))


_PARTS: dict[str, Callable[[_Pen, _Colour], None]] = {
    "house": _house_roof, "car": _car_wheels, "fish": _fish_eye,
    "flower": lambda pen, colour: pen.oval(
        -0.32, -0.32, 0.32, 0.32, (120, 78, 40) if colour in (RGB["yellow"], RGB["orange"]) else (250, 205, 60)
    ),
    "cup": lambda pen, colour: pen.oval(-0.85, -0.76, 0.55, -0.46, _dark(colour)),
    "rocket": lambda pen, colour: pen.oval(-0.18, -0.42, 0.18, -0.06, (206, 230, 246)),
}  # fmt: skip
