"""Prompt lists: lines, comments, braces."""

from __future__ import annotations

import re
import time

import pytest
from comfyui_sage.sage_core.prompts import limits
from comfyui_sage.sage_core.prompts.escaping import as_line
from comfyui_sage.sage_core.prompts.lines import is_blank, prompt_lines, single_spaced_lines
from comfyui_sage.sage_core.prompts.parser import parse_items, parse_prompts, parse_text
from hypothesis import example, given
from hypothesis import strategies as st

ANY_FILE = {"a": ((1, "x"), (2, "y"))}


class TestLines:
    @given(st.text("/*\n ab", max_size=12))
    def test_comments_are_those_of_comfyui_s_page(self, text: str) -> None:
        kept = re.sub(r"/\*[\s\S]*?\*/|//[^\n]*", lambda found: "\n" * found[0].count("\n"), text)
        words = " ".join(line for _, line in prompt_lines(text).numbered)
        assert words.split() == [word for word in kept.split() if word]

    def test_many_that_are_never_closed(self) -> None:
        """A second is 100 times what it takes."""
        text = "a cat /* one\n" * 20_000
        start = time.process_time()
        assert len(prompt_lines(text).numbered) == 20_000
        assert time.process_time() - start < 5

    def test_one_prompt_per_line_in_order(self) -> None:
        assert parse_prompts("a dog\na cat\na dog") == ("a dog", "a cat", "a dog")

    def test_blank_lines_comments_and_outer_spaces_are_skipped(self) -> None:
        assert parse_prompts("\n  # not this\n\t a dog  \r\n\r\n#\tnor this\n#\na cat # but this\n") == (
            "a dog",
            "a cat # but this",
        )

    def test_a_prompt_that_the_panel_has_switched_off_is_left_out(self) -> None:
        assert parse_prompts("a dog\n# off: a {red|blue} cat\n/* old */ # off: a cow\na horse") == ("a dog", "a horse")

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
        with pytest.raises(ValueError, match=r"^expected at least one prompt .* got none"):
            parse_prompts(text)


class TestItems:
    def test_one_text_is_parsed(self) -> None:
        assert parse_items(["# cars\na {red|blue} car"]).texts == ("a red car", "a blue car")

    def test_one_item_of_a_list_is_a_prompt(self) -> None:
        assert parse_items(["a {red|blue} car // 1\n# 2"], as_they_are=True).texts == ("a {red|blue} car // 1\n# 2",)
        assert parse_items([" "], as_they_are=True, required=False).texts == ()

    def test_several_texts_are_a_prompt_each(self) -> None:
        texts = ["a {red|blue} car", "# 1\n of  2 ", "", " \n", "{", "a car", "a car"]
        assert parse_items(texts).texts == ("a {red|blue} car", "# 1\nof 2", "{", "a car", "a car")

    def test_lines_of_lyrics_stay(self) -> None:
        assert parse_items(["\n[verse]\r\n one  two\r\r# three \n\n", "a\u2028b"]).texts == (
            "[verse]\none two\n\n# three",
            "a b",
        )

    @pytest.mark.parametrize("items", [[], ["", " "], ["# nothing"]])
    def test_none(self, items: list[str]) -> None:
        assert parse_items(items, required=False).texts == ()
        with pytest.raises(ValueError, match="prompts: expected .* got none"):
            parse_items(items)

    def test_no_texts(self) -> None:
        with pytest.raises(ValueError, match="prompts: expected a list of texts, got int as item 2"):
            parse_items(["a car", 5])  # type: ignore[list-item]

    def test_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "MAX_PROMPTS", 2)
        assert parse_items(["a", "b"]).texts == ("a", "b")
        with pytest.raises(ValueError, match="prompts: expected at most 2 prompts in all, got more"):
            parse_items(["a", "b", "c"])


class TestErrors:
    def test_an_open_brace_names_line_and_character(self) -> None:
        with pytest.raises(ValueError, match=r"^line 3: '\{' at character 3 is never closed"):
            parse_prompts("a dog\n\na {red|blue car")

    def test_a_closing_brace_too_many(self) -> None:
        with pytest.raises(ValueError, match=r"^line 1: '\}' at character 8 closes nothing; write \\\}"):
            parse_prompts("{a|b} c}")

    def test_the_outer_of_two_open_braces(self) -> None:
        with pytest.raises(ValueError, match="never closed"):
            parse_prompts("{a|{b|c}")

    def test_too_many_combinations_are_refused_before_they_are_built(self) -> None:
        with pytest.raises(ValueError, match=f"line 1: .*at most {limits.MAX_PROMPTS}"):
            parse_prompts("{a|b|c|d|e|f|g|h|i|j}" * 12)

    def test_the_limit_counts_all_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "MAX_PROMPTS", 5)
        assert len(parse_prompts("a\n{b|c}\n{d|e}")) == 5
        with pytest.raises(ValueError, match="line 3: .*at most 5 "):
            parse_prompts("a\n{b|c}\n{d|e|f}")
        with pytest.raises(ValueError, match="line 6: .*at most 5 "):
            parse_prompts("a\nb\nc\nd\ne\nf")


class TestComments:
    """A hash and a space, and what ComfyUI's own text box takes out."""

    def test_a_hash_before_a_word_is_a_prompt(self) -> None:
        assert parse_prompts("#ff0000 car\n# ff0000 boat\n## Cars\n\\# 1 of 2\na \\# sign") == (
            "#ff0000 car",
            "# 1 of 2",
            "a \\# sign",
        )

    def test_slashes_and_blocks(self) -> None:
        text = "a car // red\n// a boat\na /* big */ tree\n/* a\nb */a house /*"
        assert parse_prompts(text) == ("a car", "a  tree", "a house /*")

    def test_lines_keep_their_numbers_and_blocks_join_them(self) -> None:
        assert parse_prompts("a car /* 1\n2 */ in the snow\nx") == ("a car  in the snow", "x")
        with pytest.raises(ValueError, match="^line 4: '{' at character 1 "):
            parse_prompts("/*\n\n*/\n{a")

    def test_the_notes_count_them(self) -> None:
        assert parse_text("# 1\na // 2\n/* 3 */ b\n#c\n{|}\n{d|}").notes == (
            "3 comments skipped",
            "1 line with # directly before a word: used as a prompt; for a comment, write # and a space",
            "3 empty prompts left out",
        )
        assert parse_text("a\n\nb").notes == ()


class TestSigns:
    def test_only_line_ends_end_a_line(self) -> None:
        assert parse_prompts("a\vb\fc\x85d\u2028e\u2029f\rg\r\nh\ni") == ("a b c d e f", "g", "h", "i")

    def test_what_cannot_be_seen_is_no_prompt(self) -> None:
        assert parse_prompts("\ufeffa car\n\u200b\n \u2060\u200d \n\ufeff\n{\u200b|a boat}") == ("a car", "a boat")
        assert parse_items(["\u200b", "a car", "\ufeff"]).texts == ("a car",)

    @pytest.mark.parametrize("sign", ["\0", "\ud83d", "\udc00"])
    def test_broken_signs_name_their_place(self, sign: str) -> None:
        message = f"line 2: expected text, got a broken sign \\(U\\+{ord(sign):04X}\\)"
        with pytest.raises(ValueError, match=message):
            parse_prompts(f"a car\nb {sign}")
        with pytest.raises(ValueError, match="prompts: prompt 2: line 1: expected text"):
            parse_items(["a car", f"b {sign}"])


@given(st.text("/*#\\_{}|$1ab \n", max_size=14) | st.text(max_size=20))
@example("see http://example.com, red")
@example("# hashtag art")
@example(r"\# a hash")
@example("a __a__ car")
@example("[verse]\none \\\n\n# two\n/\n/")
@example("a cat /* soft */ sleeping")
def test_any_prompt_can_be_a_line(text: str) -> None:
    prompt = single_spaced_lines(text.encode(errors="ignore").decode())
    if is_blank(prompt) or "\0" in prompt or "\ufdd0" in prompt:
        return
    assert parse_text(as_line(prompt), ANY_FILE.get).texts == (prompt,)
