"""Prompt lists: lines, comments, braces."""

from __future__ import annotations

import itertools
import math

import pytest
from comfyui_sage.sage_core.prompts import parser
from comfyui_sage.sage_core.prompts.parser import expand_braces, parse_items, parse_prompts
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
        braces = st.lists(_sequences(depth - 1), min_size=1, max_size=3).map(
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


class TestLines:
    def test_one_prompt_per_line_in_order(self) -> None:
        assert parse_prompts("a dog\na cat\na dog") == ("a dog", "a cat", "a dog")

    def test_blank_lines_comments_and_outer_spaces_are_skipped(self) -> None:
        assert parse_prompts("\n  # not this\n\t a dog  \r\n\r\n#nor this\na cat #but this\n") == (
            "a dog",
            "a cat #but this",
        )

    @pytest.mark.parametrize(
        "text", ["a 🦊 in the snow ❄️", "كلب في الثلج", "کتاب {قرمز|آبی}", "雪の中の猫", "e\u0301té \u200f\u200eabc"]
    )
    def test_any_script(self, text: str) -> None:
        parsed = parse_prompts(text)
        assert len(parsed) == (2 if "{" in text else 1)
        if "{" not in text:
            assert parsed == (text,)

    def test_weights_and_other_punctuation_are_left_alone(self) -> None:
        text = r"a (red:1.2) car, \(film\), [x|y], <lora:a:1>  C:\temp 50%"
        assert parse_prompts(text) == (text,)

    def test_a_long_prompt(self) -> None:
        text = "a very long story, " * 1100
        assert len(text) > 20_000
        assert parse_prompts(text) == (text.strip(),)

    def test_500_lines(self) -> None:
        assert parse_prompts("\n".join(f"prompt {index}" for index in range(500)))[499] == "prompt 499"

    @pytest.mark.parametrize("text", ["", "   \n\t\n", "# only\n  # comments", "\n"])
    def test_nothing_left(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"prompts: expected at least one prompt .* got none"):
            parse_prompts(text)


class TestBraces:
    def test_the_example(self) -> None:
        assert parse_prompts("a {red|blue} car in {snow|rain}") == (
            "a red car in snow",
            "a red car in rain",
            "a blue car in snow",
            "a blue car in rain",
        )

    def test_nested(self) -> None:
        assert expand_braces("{a|b {c|d}} e") == ["a e", "b c e", "b d e"]

    def test_an_empty_alternative_leaves_no_double_space(self) -> None:
        assert expand_braces("a {|big} dog") == ["a dog", "a big dog"]

    def test_one_alternative(self) -> None:
        assert expand_braces("a {red} car") == ["a red car"]

    def test_escapes(self) -> None:
        assert expand_braces(r"\{red\|blue\}") == ["{red|blue}"]
        assert expand_braces(r"{a\|b|c\}}") == ["a|b", "c}"]

    def test_a_bar_outside_braces_is_a_bar(self) -> None:
        assert expand_braces("a | b") == ["a | b"]
        assert expand_braces("a | {b|c}") == ["a | b", "a | c"]

    def test_other_backslashes_stay(self) -> None:
        assert expand_braces("a \\(b\\) \\") == ["a \\(b\\) \\"]

    @given(st.lists(st.lists(LETTERS, min_size=1, max_size=4), min_size=1, max_size=4))
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


class TestItems:
    def test_one_text_is_parsed(self) -> None:
        assert parse_items(["# cars\na {red|blue} car"]) == ("a red car", "a blue car")

    def test_several_texts_are_a_prompt_each(self) -> None:
        texts = ["a {red|blue} car", "# 1\n of  2 ", "", " \n", "{", "a car", "a car"]
        assert parse_items(texts) == ("a {red|blue} car", "# 1 of 2", "{", "a car", "a car")

    @pytest.mark.parametrize("items", [[], ["", " "], ["# nothing"]])
    def test_none(self, items: list[str]) -> None:
        assert parse_items(items, required=False) == ()
        with pytest.raises(ValueError, match="prompts: expected .* got (0|none)"):
            parse_items(items)

    def test_no_texts(self) -> None:
        with pytest.raises(ValueError, match="prompts: expected a list of texts, got int as item 2"):
            parse_items(["a car", 5])  # type: ignore[list-item]

    def test_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parser, "MAX_PROMPTS", 2)
        assert parse_items(["a", "b"]) == ("a", "b")
        with pytest.raises(ValueError, match="prompts: expected a list with 1 to 2 prompts, got 3"):
            parse_items(["a", "b", "c"])


class TestErrors:
    def test_an_open_brace_names_line_and_character(self) -> None:
        with pytest.raises(ValueError, match=r"prompts, line 3: '\{' at character 3 is never closed"):
            parse_prompts("a dog\n\na {red|blue car")

    def test_a_closing_brace_too_many(self) -> None:
        with pytest.raises(ValueError, match=r"prompts, line 1: '\}' at character 8 closes nothing; write \\\}"):
            parse_prompts("{a|b} c}")

    def test_the_outer_of_two_open_braces(self) -> None:
        with pytest.raises(ValueError, match="never closed"):
            parse_prompts("{a|{b|c}")

    def test_too_many_combinations_are_refused_before_they_are_built(self) -> None:
        with pytest.raises(ValueError, match=f"line 1: .*at most {parser.MAX_PROMPTS}"):
            parse_prompts("{a|b|c|d|e|f|g|h|i|j}" * 12)

    def test_the_limit_counts_all_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parser, "MAX_PROMPTS", 5)
        assert len(parse_prompts("a\n{b|c}\n{d|e}")) == 5
        with pytest.raises(ValueError, match="line 3: .*at most 5 "):
            parse_prompts("a\n{b|c}\n{d|e|f}")
        with pytest.raises(ValueError, match="line 6: .*at most 5 "):
            parse_prompts("a\nb\nc\nd\ne\nf")

    def test_alternatives_count_together(self) -> None:
        with pytest.raises(ValueError, match="at most"):
            expand_braces("{{a|b}{c|d}|{e|f}}", limit=5)

    def test_thousands_of_nested_braces(self) -> None:
        depth = 5000
        with pytest.raises(ValueError, match="nested"):
            expand_braces("{" * depth + "a" + "}" * depth)


def test_a_prompt_that_starts_with_a_hash() -> None:
    assert parse_prompts("\\#ff0000 car\n#ff0000 boat\na \\# sign") == ("#ff0000 car", "a \\# sign")
