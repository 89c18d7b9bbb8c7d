"""Braces and wildcards: every combination."""

from __future__ import annotations

import itertools
import math

import pytest
from comfyui_sage.sage_core.prompts import limits
from comfyui_sage.sage_core.prompts.braces import Expansion, expand_braces
from hypothesis import given
from hypothesis import strategies as st

PLAIN = st.text(st.sampled_from("abc xyz,.()#:é猫🦊"), max_size=6)
LETTERS = st.text("abcdefgh", min_size=1, max_size=4)


@st.composite
def templates(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text with (nested) braces, and what it expands to by a second, recursive definition."""
    return draw(_sequences(depth=2))


def _sequences(depth: int) -> st.SearchStrategy[tuple[str, list[str]]]:
    parts = LETTERS.map(lambda text: (text, [text]))
    if depth:
        braces = st.lists(_sequences(depth - 1), min_size=2, max_size=3).map(
            lambda options: (
                "{" + "|".join(text for text, _ in options) + "}",
                [found for _, expansions in options for found in expansions],
            )
        )
        parts = parts | braces
    return st.lists(parts, min_size=1, max_size=3).map(
        lambda chosen: (
            "".join(text for text, _ in chosen),
            ["".join(choice) for choice in itertools.product(*(expansions for _, expansions in chosen))],
        )
    )


class TestBraces:
    def test_the_example(self) -> None:
        assert expand_braces("a {red|blue} car in {snow|rain}") == [
            "a red car in snow",
            "a red car in rain",
            "a blue car in snow",
            "a blue car in rain",
        ]

    def test_nested(self) -> None:
        assert expand_braces("{a|b {c|d}} e") == ["a e", "b c e", "b d e"]

    def test_an_empty_alternative_leaves_no_double_space(self) -> None:
        assert expand_braces("a {|big} dog") == ["a dog", "a big dog"]

    @pytest.mark.parametrize("text", ["a {red} car", "{}", '{"subject": "car", "of": {"a": []}}', "a ${b=c} d"])
    def test_without_a_bar_they_stay(self, text: str) -> None:
        assert expand_braces(text) == [text]

    def test_a_choice_inside_braces_that_stay(self) -> None:
        assert expand_braces('{"a": {b|c}}') == ['{"a": b}', '{"a": c}']

    def test_escapes(self) -> None:
        assert expand_braces(r"\{red\|blue\}") == ["{red|blue}"]
        assert expand_braces(r"{a\|b|c\}}") == ["a|b", "c}"]
        assert expand_braces(r"{a\|b}") == ["{a|b}"]

    def test_a_bar_outside_braces_is_a_bar(self) -> None:
        assert expand_braces("a | b") == ["a | b"]
        assert expand_braces("a | {b|c}") == ["a | b", "a | c"]

    def test_other_backslashes_stay(self) -> None:
        assert expand_braces("a \\(b\\) \\") == ["a \\(b\\) \\"]

    @given(st.lists(st.lists(LETTERS, min_size=2, max_size=4), min_size=1, max_size=4))
    def test_count_is_the_product_and_leftmost_is_slowest(self, choices: list[list[str]]) -> None:
        text = " ".join("{" + "|".join(options) + "}" for options in choices)
        expanded = expand_braces(text)
        assert len(expanded) == math.prod(len(options) for options in choices)
        assert expanded == [" ".join(choice) for choice in itertools.product(*choices)]

    @given(templates())
    def test_nested_braces_against_a_second_definition(self, template: tuple[str, list[str]]) -> None:
        text, expected = template
        assert expand_braces(text) == expected

    @given(PLAIN)
    def test_text_without_braces_is_itself(self, text: str) -> None:
        assert expand_braces(text) == [text]

    @given(st.text(st.sampled_from("ab {}|\\"), max_size=12))
    def test_escaping_everything_gives_the_text_back(self, text: str) -> None:
        words = " ".join(text.replace("\\", "").split())
        escaped = "".join(f"\\{character}" if character in "{}|" else character for character in words)
        assert expand_braces(escaped) == [words]

    @given(st.text(st.sampled_from("ab {}|\\"), max_size=14))
    def test_any_text_expands_or_says_why_not(self, text: str) -> None:
        try:
            assert expand_braces(text)
        except ValueError as error:
            assert "at character" in str(error)  # noqa: PT017


class TestPicks:
    """Several of the alternatives at once."""

    @pytest.mark.parametrize(("text", "expected"), [
        ("{2$$a|b|c}", ["a, b", "a, c", "b, c"]),
        ("a {1$$red|blue} car", ["a red car", "a blue car"]),
        ("{ 2$$ and $$a|b|c}", ["a and b", "a and c", "b and c"]),
        ("{1-2$$+$$a|b}", ["a", "b", "a+b"]),
        ("{2$${a|b}|c}", ["a, c", "b, c"]),
        ("{0-1$$a|b} c", ["c", "a c", "b c"]),
        ("{2$$0.5::a|2::b}", ["a, b"]),
    ])  # fmt: skip
    def test_every_combination(self, text: str, expected: list[str]) -> None:
        assert expand_braces(text) == expected

    @pytest.mark.parametrize(("text", "message"), [
        ("a {3$$b|c}", "at character 3: expected a number before .* from 1 to 2 .* got 3"),
        ("{0$$a|b}", "expected a number .* got 0"),
        ("{2-1$$a|b}", "expected a number .* got 1"),
        ("{$$a|b}", "at character 1: expected a number before"),
        ("{~2$$a|b}", "expected a number before"),
        ("{-2$$a|b}", "expected a number before"),
    ])  # fmt: skip
    def test_others_are_refused(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            expand_braces(text)

    def test_too_many(self) -> None:
        with pytest.raises(ValueError, match="at most 100000 prompts"):
            expand_braces("{20$$" + "|".join(map(str, range(40))) + "}")


def test_weights_are_left_out() -> None:
    expansion = Expansion(lambda name: None)
    assert expansion.expand("{0.3::red|.7::blue|2::green|a::b}") == ["red", "blue", "green", "a::b"]
    assert expansion.has_weights
    assert expand_braces("{0.3::red} 1::2") == ["{0.3::red} 1::2"]


class TestWildcards:
    @staticmethod
    def expand(text: str, **files: str) -> list[str]:
        def read(name: str) -> list[tuple[int, str]] | None:
            return list(enumerate(files[name].split("/"), start=1)) if name in files else None

        return expand_braces(text, read)

    @pytest.mark.parametrize(("text", "expected"), [
        ("a __c__ car", ["a red car", "a blue car"]),
        ("__c____c__", ["redred", "redblue", "bluered", "blueblue"]),
        ("{__c__|x} __c__", ["red red", "red blue", "blue red", "blue blue", "x red", "x blue"]),
        ("{2$$__c__}", ["red, blue"]),
        ("a __size__ car", ["a big red car", "a big blue car", "a small car", "a tiny car"]),
        ("__none__ my__init__ ____ __c", ["__none__ my__init__ ____ __c"]),
    ])  # fmt: skip
    def test_every_line_in_turn(self, text: str, expected: list[str]) -> None:
        assert self.expand(text, c="red/blue", size="big __c__/{small|tiny}") == expected

    def test_what_was_found(self) -> None:
        expansion = Expansion(lambda name: [(1, "a"), (2, "b")] if name == "x" else None)
        expansion.expand("__x__ __y__ __z/*__ __y__")
        assert expansion.wildcards == {"x": ["a", "b"]}
        assert expansion.missing == {"y", "z/*"}

    def test_a_circle(self) -> None:
        with pytest.raises(
            ValueError, match="wildcard __a__, line 2: wildcard __b__, line 1: wildcard __a__: .* circle"
        ):
            self.expand("__a__", a="x/__b__", b="__a__")

    def test_a_wrong_line(self) -> None:
        with pytest.raises(ValueError, match="wildcard __a__, line 2: '{' at character 3 is never closed"):
            self.expand("__a__", a="x/y {", b="__a__")

    def test_limits(self) -> None:
        files = {f"w{n}": "/".join([f"__w{n + 1}__"] * 20) for n in range(40)}
        with pytest.raises(ValueError, match="at most 100000 prompts"):
            self.expand("__w0__", **files, w40="a")
        with pytest.raises(ValueError, match="nested"):
            self.expand("__w0__", **{f"w{n}": f"__w{n + 1}__" for n in range(60)}, w60="a")


class TestLimits:
    def test_characters(self) -> None:
        with pytest.raises(ValueError, match="expected at most 50000000 characters in all prompts together, got more"):
            expand_braces("x" * 100_000 + "{a|b}" * 16)

    def test_alternatives_count_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "MAX_PROMPTS", 5)
        with pytest.raises(ValueError, match="at most"):
            expand_braces("{{a|b}{c|d}|{e|f}}")

    def test_thousands_of_nested_braces(self) -> None:
        depth = 5000
        with pytest.raises(ValueError, match="nested"):
            expand_braces("{" * depth + "a" + "}" * depth)
