"""One colour per group, the same everywhere a group is shown."""

from __future__ import annotations

# Okabe and Ito's colours for the colour-blind (without black and yellow), then some of Tableau's.
_PALETTE = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (213, 94, 0), (86, 180, 233), (148, 103, 189),
    (140, 86, 75), (188, 189, 34), (23, 190, 207),
)  # fmt: skip
# Prompts that share with nobody.
ALONE = (150, 150, 150)


def group_colour(number: int, size: int) -> tuple[int, int, int]:
    """RGB of the group at position `number` of the partition, with `size` members; colours repeat after ten."""
    return ALONE if size == 1 else _PALETTE[number % len(_PALETTE)]


def hex_colour(number: int, size: int) -> str:
    """The same for a page, such as "#0072b2"."""
    return "#{:02x}{:02x}{:02x}".format(*group_colour(number, size))
