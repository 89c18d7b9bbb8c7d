"""The colours of groups and of plotted lines: one colour per group, the same everywhere a group is shown."""

from __future__ import annotations

Colour = tuple[int, int, int]

# Okabe and Ito's colours, which colour-blind people can tell apart (without black and yellow).
BLUE: Colour = (0, 114, 178)
ORANGE: Colour = (230, 159, 0)
GREEN: Colour = (0, 158, 115)
PINK: Colour = (204, 121, 167)
VERMILION: Colour = (213, 94, 0)
SKY_BLUE: Colour = (86, 180, 233)
# Some of Tableau's colours, for more groups than Okabe and Ito have colours for.
PURPLE: Colour = (148, 103, 189)
BROWN: Colour = (140, 86, 75)
OLIVE: Colour = (188, 189, 34)
CYAN: Colour = (23, 190, 207)
# Prompts that share with no other one.
ALONE: Colour = (150, 150, 150)

_GROUPS = (BLUE, ORANGE, GREEN, PINK, VERMILION, SKY_BLUE, PURPLE, BROWN, OLIVE, CYAN)


def group_colour(number: int, size: int) -> Colour:
    """RGB of the group at position `number` of the partition, with `size` members; colours repeat after ten."""
    return ALONE if size == 1 else _GROUPS[number % len(_GROUPS)]


def hex_colour(number: int, size: int) -> str:
    """The colour of a group as pages write it, such as "#0072b2"."""
    return _hex(group_colour(number, size))


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


# The colours of groups by number, before they repeat.
HEX_COLOURS = tuple(map(_hex, _GROUPS))
