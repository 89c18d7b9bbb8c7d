"""Pictures side by side: laid out by group, framed in the group's colour, under their prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw

from ..grouping.prompt_groups import PromptGroups
from ..validation import images_per_prompt
from .convert import picture_to_tensor, tensor_to_picture
from .palette import Colour, group_colour
from .text import TextRenderer

_PAPER, _INK = (255, 255, 255), (30, 30, 30)
# In pixels: between pictures, between cells, a group's frame, and around everything.
_GAP, _CELL_GAP, _FRAME, _MARGIN = 6, 18, 4, 16
# Width by height that the sheet comes close to.
_ASPECT = 1.5
# Of all pictures together, unless a size is asked for: what a browser shows without complaint.
_MOST_PIXELS = 16e6
# Of a sheet, in any case: 1.2 GB as an IMAGE.
_MOST_SHEET_PIXELS = 100e6
# Longest side of pictures that are not made smaller still.
_SMALLEST = 16
# Letters of a prompt in its caption.
_MOST_LETTERS = 200
# Lines of a caption, and lines of cells in a block.
_MOST_LINES, _MOST_CELL_LINES = 6, 12
_MOST_COLUMNS = 40


@dataclass(frozen=True)
class _Cell:
    """A prompt on the sheet.

    Attributes:
        caption: its lines.
        pictures: for every batch, the indices of the prompt's pictures in it.
    """

    caption: list[str]
    pictures: list[list[int]]


@dataclass(frozen=True)
class _Block:
    """A group, or as much of it as fits: a heading, then lines of cells; `height` is in pixels."""

    heading: str
    colour: Colour
    lines: list[list[_Cell]]
    height: int


def comparison_grid(
    groups: PromptGroups, batches: Mapping[str, torch.Tensor], titles: Sequence[str] = (), size: int = 0,
    on_prompt: Callable[[int], None] = lambda done: None,
) -> torch.Tensor:  # fmt: skip
    """All images of a list of prompts on one sheet, by group, next to those of other batches.

    Args:
        batches: by input name, each (N * V, height, width, channels) from 0 to 1, in prompt order, with a V of its own.
        titles: one per batch; missing ones stay empty.
        size: longest side of a picture in pixels; 0 leaves the pictures as they are, unless they are too many. They
            are smaller where the sheet would have more than 100 megapixels.
        on_prompt: gets the number of prompts drawn so far; an error that it raises ends the drawing.

    Returns:
        (1, height, width, 3).

    Raises:
        ValueError: a batch does not fit the prompts, or they are too many for a sheet.
    """
    for name, batch in batches.items():
        images_per_prompt(batch, len(groups.prompts), name)
    return picture_to_tensor(_fitting_sheet(groups, batches, titles, size).draw(on_prompt))


def _fitting_sheet(
    groups: PromptGroups, batches: Mapping[str, torch.Tensor], titles: Sequence[str], size: int
) -> _Sheet:
    """The sheet with the largest pictures that are allowed.

    Raises:
        ValueError: the captions alone take too much room.
    """
    scale = _scale(list(batches.values()), size)
    longest = max(side for batch in batches.values() for side in batch.shape[1:3])
    while True:
        sheet = _Sheet(groups, batches, titles, scale)
        pixels = sheet.size[0] * sheet.size[1]
        if pixels <= _MOST_SHEET_PIXELS:
            return sheet
        if scale * longest <= _SMALLEST:
            raise ValueError(
                f"groups: expected few enough prompts for one picture of {_MOST_SHEET_PIXELS / 1e6:.0f} megapixels, "
                f"got {len(groups.prompts)}, which need {pixels / 1e6:.0f}. Make several grids, of fewer prompts each."
            )
        scale = max(0.95 * scale * (_MOST_SHEET_PIXELS / pixels) ** 0.5, _SMALLEST / longest)


class _Sheet:
    """Lays out and draws a comparison grid.

    Attributes:
        variations: pictures of a prompt, by batch.
        tiles: (width, height) of a picture, by batch.
        strips: width of a prompt's pictures side by side, by batch.
        tallest: height of the tallest picture.
        columns: what stands where.
        size: (width, height) of the sheet.
    """

    def __init__(
        self, groups: PromptGroups, batches: Mapping[str, torch.Tensor], titles: Sequence[str], scale: float
    ) -> None:
        """Lay the sheet out; `scale` is how much smaller or larger than they are all pictures are drawn."""
        self.groups, self.batches = groups, list(batches.values())
        self.variations = [len(batch) // len(groups.prompts) for batch in self.batches]
        self.tiles = [_tile(batch, scale) for batch in self.batches]
        widest = max(width for width, _ in self.tiles)
        self.text = TextRenderer(max(13, min(28, widest // 10)))
        self.strips = [v * (w + _GAP) - _GAP for v, (w, _) in zip(self.variations, self.tiles, strict=True)]
        self.titles = [self._title(titles, index) for index in range(len(batches))]
        self.cell_width = max(sum(self.strips) + _GAP * (len(batches) - 1), 11 * self.text.size)
        self.cells_a_line = min(max(1, 4 // sum(self.variations)), max(map(len, groups.partition)))
        self.titles_height = self.text.line + _GAP if any(self.titles) else 0
        self.tallest = max(height for _, height in self.tiles)
        inside = self.cells_a_line * (self.cell_width + _CELL_GAP) - _CELL_GAP + 2 * _GAP
        self.column_width = inside + 2 * _FRAME
        self.labels = groups.labels(_MOST_LETTERS)
        self.columns = self._columns()
        self.size = (
            2 * _MARGIN + len(self.columns) * (self.column_width + _MARGIN) - _MARGIN,
            2 * _MARGIN + self.titles_height + _highest(self.columns),
        )

    def draw(self, on_prompt: Callable[[int], None]) -> Image.Image:
        """The whole sheet; `on_prompt` as in `comparison_grid`."""
        picture = Image.new("RGB", self.size, _PAPER)
        pen = ImageDraw.Draw(picture)
        drawn = 0
        for number, column in enumerate(self.columns):
            left, top = _MARGIN + number * (self.column_width + _MARGIN), _MARGIN
            self._draw_titles(pen, left, top)
            top += self.titles_height
            for block in column:
                self._draw_frame(pen, block, left, top)
                for cell, x, y, caption_height in self._places(block, left, top):
                    self._draw_cell(picture, pen, cell, x, y, caption_height)
                    drawn += 1
                    on_prompt(drawn)
                top += block.height + _GAP
        return picture

    # ---------------------------------------------------------------------------------------- layout

    def _title(self, titles: Sequence[str], index: int) -> str:
        """The title of a batch, as much of it as fits over its pictures."""
        title = titles[index] if index < len(titles) else ""
        return self.text.ellipsize(title, max(self.strips[index], 0)) if title else ""

    def _columns(self) -> list[list[_Block]]:
        """Groups in columns like a newspaper's, as many as bring the sheet closest to its aspect."""
        blocks = self._blocks()
        options = [_fill_columns(blocks, count) for count in range(1, min(len(blocks), _MOST_COLUMNS) + 1)]

        def distance(columns: list[list[_Block]]) -> float:
            aspect = len(columns) * (self.column_width + _MARGIN) / (_highest(columns) + self.titles_height)
            return max(aspect / _ASPECT, _ASPECT / aspect)

        return min(options, key=distance)

    def _blocks(self) -> list[_Block]:
        """Every group; one that is too long for a column of a sensible sheet is continued in further blocks."""
        blocks = []
        for number, members in enumerate(self.groups.partition):
            cells = [self._cell(index) for index in members]
            lines = [cells[at : at + self.cells_a_line] for at in range(0, len(cells), self.cells_a_line)]
            tightest, loosest = self.groups.similarity_range(members)
            pairs = f"{len(members)} prompts, similarity {loosest:.3f} to {tightest:.3f}"
            alike = pairs if len(members) > 1 else "alone"
            colour = group_colour(number, len(members))
            for start in range(0, len(lines), _MOST_CELL_LINES):
                goes_on = ", continued" if start else ""
                chosen = lines[start : start + _MOST_CELL_LINES]
                height = self.text.line + 2 * _FRAME + _GAP + sum(self._line_height(line) + _GAP for line in chosen)
                blocks.append(_Block(f"Group {number + 1}: {alike}{goes_on}", colour, chosen, height))
        return blocks

    def _cell(self, prompt: int) -> _Cell:
        """A prompt's place on the sheet."""
        caption = self.text.wrap(f"{prompt + 1}. {self.labels[prompt]}", self.cell_width, _MOST_LINES)
        pictures = [list(range(prompt * v, (prompt + 1) * v)) for v in self.variations]
        return _Cell(caption, pictures)

    def _line_height(self, line: list[_Cell]) -> int:
        """Height of a line of cells: its longest caption and the tallest picture."""
        return self._caption_height(line) + self.tallest

    def _caption_height(self, line: list[_Cell]) -> int:
        """Height of the longest caption of a line of cells."""
        return max(len(cell.caption) for cell in line) * self.text.line

    # --------------------------------------------------------------------------------------- drawing

    def _draw_titles(self, pen: ImageDraw.ImageDraw, left: int, top: int) -> None:
        """The batches' titles over every cell of a column."""
        for place in range(self.cells_a_line if any(self.titles) else 0):
            x = left + _FRAME + _GAP + place * (self.cell_width + _CELL_GAP)
            for title, strip in zip(self.titles, self.strips, strict=True):
                self.text.draw(pen, (x, top), title, _INK)
                x += strip + _GAP

    def _draw_frame(self, pen: ImageDraw.ImageDraw, block: _Block, left: int, top: int) -> None:
        """A group's frame and heading."""
        right, bottom = left + self.column_width - 1, top + block.height - 1
        pen.rectangle([left, top, right, bottom], outline=block.colour, width=_FRAME)
        pen.rectangle([left, top, right, top + self.text.line + _FRAME], fill=block.colour)
        heading = self.text.ellipsize(block.heading, self.column_width - 2 * _GAP)
        ink = _PAPER if _luminance(block.colour) < 140 else _INK
        self.text.draw(pen, (left + _FRAME + _GAP, top + _FRAME // 2), heading, ink)

    def _places(self, block: _Block, left: int, top: int) -> Iterator[tuple[_Cell, int, int, int]]:
        """The cells of a block, with their left, their top and the height of their line's captions."""
        y = top + self.text.line + _FRAME + _GAP
        for line in block.lines:
            for place, cell in enumerate(line):
                yield cell, left + _FRAME + _GAP + place * (self.cell_width + _CELL_GAP), y, self._caption_height(line)
            y += self._line_height(line) + _GAP

    def _draw_cell(
        self, picture: Image.Image, pen: ImageDraw.ImageDraw, cell: _Cell, left: int, top: int, caption_height: int
    ) -> None:
        """A prompt's caption, and its pictures of all batches below it."""
        for number, line in enumerate(cell.caption):
            self.text.draw(pen, (left, top + number * self.text.line), line, _INK)
        x, y = left, top + caption_height
        for batch, chosen, (width, height) in zip(self.batches, cell.pictures, self.tiles, strict=True):
            for index in chosen:
                picture.paste(_rgb_picture(batch[index], (width, height)), (x, y))
                x += width + _GAP


def _highest(columns: list[list[_Block]]) -> int:
    """Height of the highest column."""
    return max(sum(block.height + _GAP for block in column) for column in columns)


def _fill_columns(blocks: list[_Block], count: int) -> list[list[_Block]]:
    """Blocks in order, in at most `count` columns, so that the highest is as low as possible.

    The lowest possible height is found by bisection.
    """
    heights = [block.height + _GAP for block in blocks]
    low, high = max(heights), sum(heights)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if len(_ranges(heights, middle)) <= count else (middle + 1, high)
    return [blocks[start:end] for start, end in _ranges(heights, low)]


def _ranges(heights: list[int], most: int) -> list[tuple[int, int]]:
    """First and end of ranges of following blocks, none higher than `most` (but single blocks)."""
    ranges, start, height = [], 0, 0
    for index, each in enumerate(heights):
        if height + each > most and index > start:
            ranges.append((start, index))
            start, height = index, 0
        height += each
    return [*ranges, (start, len(heights))]


def _luminance(colour: Colour) -> float:
    """Luminance from 0 to 255, by the weights of Rec. 709."""
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def _scale(batches: Sequence[torch.Tensor], size: int) -> float:
    """How much smaller or larger all pictures are drawn; see `comparison_grid`."""
    if size:
        return size / max(side for batch in batches for side in batch.shape[1:3])
    pixels = sum(batch.shape[0] * batch.shape[1] * batch.shape[2] for batch in batches)
    return min(1.0, (_MOST_PIXELS / pixels) ** 0.5)


def _tile(batch: torch.Tensor, scale: float) -> tuple[int, int]:
    """Width and height of a batch's pictures on the sheet."""
    return max(1, round(batch.shape[2] * scale)), max(1, round(batch.shape[1] * scale))


def _rgb_picture(image: torch.Tensor, size: tuple[int, int]) -> Image.Image:
    """An image (height, width, channels) as an RGB picture of a size; one of one or two channels is grey."""
    picture = tensor_to_picture(image[..., :3] if image.shape[-1] >= 3 else image[..., :1]).convert("RGB")
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
