"""Text drawn on images."""

from __future__ import annotations

import numpy as np
import pytest
from comfyui_sage.sage_core.images.text import TextRenderer
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

SIXTEEN = TextRenderer(16)


def inked(text: str) -> int:
    picture = Image.new("L", (600, 40), 255)
    SIXTEEN.draw(ImageDraw.Draw(picture), (4, 4), text, "black")
    return int((np.asarray(picture) < 128).sum())


@settings(max_examples=30)  # slow: no two texts have the same letters
@given(st.text(max_size=80), st.integers(60, 300))
def test_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    lines = SIXTEEN.wrap(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(SIXTEEN.width(line) <= width or len(line) == 1 for line in lines)


def test_words_stay_whole_where_they_fit() -> None:
    assert SIXTEEN.wrap("a red car in the snow", 90) == ["a red car in", "the snow"]


def test_a_word_without_spaces_breaks_anywhere() -> None:
    lines = SIXTEEN.wrap("m" * 40, 100)
    assert len(lines) > 3
    assert "".join(lines) == "m" * 40


def test_too_many_lines_end_in_an_ellipsis() -> None:
    lines = SIXTEEN.wrap("one two three four five six seven", 60, most=2)
    assert len(lines) == 2
    assert lines[-1].endswith("\u2026")
    assert SIXTEEN.width(lines[-1]) <= 60


@pytest.mark.parametrize("text", ["one two " * 20_000, "m" * 40_000, "赤" * 40_000])
def test_the_rest_of_a_long_text_takes_no_time(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    width = TextRenderer.width
    monkeypatch.setattr(TextRenderer, "width", lambda self, part: measured.append(len(part)) or width(self, part))
    lines = SIXTEEN.wrap(text, 200, most=3)
    assert len(lines) == 3 and lines[-1].endswith("\u2026")
    assert sum(measured) < 2 * len(text)


def test_the_last_line_is_full() -> None:
    *_, last = SIXTEEN.wrap("one two three four five six seven", 60, most=2)
    assert SIXTEEN.width(last.replace("\u2026", "i\u2026")) > 60


def test_shortened_keeps_what_fits() -> None:
    assert SIXTEEN.ellipsize("short", 200) == "short"
    cut = SIXTEEN.ellipsize("a long text that does not fit", 80)
    assert cut.endswith("\u2026")
    assert SIXTEEN.width(cut) <= 80


TEXTS = ["plain", "naïve café", "красная машина", "赤い車", "سيارة حمراء", "a\u0301", "🚗", "\x00\x07x"]


@pytest.mark.parametrize("text", TEXTS)
def test_any_script_leaves_ink(text: str) -> None:
    assert inked(text) > 10


def test_a_letter_that_no_font_has_is_a_box_and_the_rest_is_text() -> None:
    cuneiform = "\U00012000"
    assert inked(cuneiform) > 10
    assert SIXTEEN.width(f"a{cuneiform}b") > SIXTEEN.width("ab") + 5


def test_every_size_has_its_line_height() -> None:
    assert TextRenderer(10).line < TextRenderer(20).line
    assert TextRenderer(20).width("text") > TextRenderer(10).width("text")
