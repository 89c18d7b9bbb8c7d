"""Prompt lists from tables."""

from __future__ import annotations

import csv
import io

import pytest
from comfyui_sage.sage_core.prompts import limits
from comfyui_sage.sage_core.prompts.lines import single_spaced_lines
from comfyui_sage.sage_core.prompts.prompt_list import Prompt
from comfyui_sage.sage_core.prompts.table import read_table
from hypothesis import given
from hypothesis import strategies as st

CELL = st.text(st.sampled_from("abc ,;\"\t\n'é猫"), max_size=8)
ROWS = [Prompt("a red car, snow", "blurry", "shot 1"), Prompt("a boat; sea", "", "shot 2")]


def whole_lines(text: str) -> tuple[str, ...]:
    """The prompts of a list without columns."""
    listed = read_table(text)
    assert listed.notes == ("no column is called prompt; every line is one prompt",)
    return listed.texts


def as_csv(rows: list[list[str]], separator: str) -> str:
    """What Python's own writer makes of some cells."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator).writerows(rows)
    return out.getvalue()


class TestColumns:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("header", [
        ["id", "prompt", "negative", "name"], ["ID", "Prompts", " Negatives ", "NAME"],
        ["id", "Positive", "negative_prompt", "Name"], ["id", "text", "Negative Prompt", "names"],
        ["text", "prompt", "negative", "name"],
    ])  # fmt: skip
    def test_are_found_by_name(self, header: list[str], separator: str) -> None:
        cells = [["7", row.text, row.negative, row.name] for row in ROWS]
        assert read_table(as_csv([header, *cells], separator)).prompts == tuple(ROWS)

    def test_cells_are_used_as_they_are(self) -> None:
        text = 'id,prompt,seed\n1,"two ""fast"" cars\n at night",6\n3,,7\n4\n\n5,# not a comment {a|b},8\n,,\n'
        listed = read_table(text)
        assert listed.texts == ('two "fast" cars\nat night', "# not a comment {a|b}")
        assert listed.notes == ("columns not used: seed",)

    def test_what_is_not_used_is_told(self) -> None:
        listed = read_table("Nr.,text,prompt,Neg ative,,ID,seed_offset\n1,a,a car,b,,5,0\n2,a,,b,,6,7\n3,a,,b,,,\n")
        assert listed.notes == ("columns not used: text, Neg ative", "1 row without a prompt left out")
        assert read_table("#,id,prompt,name\n1,2,a car,x\n3,4,,\n").notes == ()
        assert read_table("prompt,name\na,\n,x\n,y\n").notes == ("2 rows without a prompt left out",)

    def test_lines_of_lyrics_stay(self) -> None:
        text = 'prompt;negative;name\r\n"[verse]\r\none  two\r\n\r\n[chorus]\r\n";"a\nb";"c\nd"\r\n'
        assert read_table(text).prompts == (Prompt("[verse]\none two\n\n[chorus]", "a\nb", "c d"),)
        assert read_table('prompt\n"a\n\nb"\nc\n').texts == ("a\n\nb", "c")

    def test_spaces_after_the_separators(self) -> None:
        assert read_table('id, prompt\n1, "a red car, snow"\n').texts == ("a red car, snow",)

    @pytest.mark.parametrize("header", ["prompt,negative", "prompt,", "Prompt,note of mine"])
    def test_a_space_that_the_header_has_not_is_in_a_prompt(self, header: str) -> None:
        assert read_table(f'{header}\n"a tree, hill", "so, so"\na boat, \n').texts == ("a tree, hill", "a boat")
        with pytest.raises(ValueError, match="line 4: expected no space after a comma.*, got 'snow' after one. Put"):
            read_table(f'{header}\n\na boat,\na red car, snow\n"a boat", sea\n')

    def test_a_space_after_a_prompt_in_quotes(self) -> None:
        assert read_table('prompt,negative\n"a boat, sea", fog\n').prompts == (Prompt("a boat, sea", "fog"),)

    def test_a_space_where_no_prompt_is_cut(self) -> None:
        assert read_table('"prompt", "negative"\na car, fog\n').prompts == (Prompt("a car", "fog"),)
        assert read_table('name,negative,prompt\n"car, 1", fog,a car\n').prompts == (Prompt("a car", "fog", "car, 1"),)

    def test_a_space_after_a_semicolon(self) -> None:
        assert read_table("prompt;negative\na car; snow\n").prompts == (Prompt("a car", "snow"),)

    def test_names_of_columns_are_short(self) -> None:
        assert whole_lines("text, bold letters on a wall\na boat, sea\n")[0] == "text, bold letters on a wall"
        assert read_table("text, the negative prompt\na boat, sea\n").texts == ("a boat",)
        assert read_table("prompt,negative,how many images to make\na car,fog,3\n").prompts == (Prompt("a car", "fog"),)

    def test_one_column(self) -> None:
        """It needs no separator, so its commas are part of the prompts."""
        listed = read_table('Prompts\na red car, snow\n"a boat, sea"\na tree; hill\n')
        assert (listed.texts, listed.notes) == (("a red car, snow", "a boat, sea", "a tree; hill"), ())

    @given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=4), st.sampled_from(",;\t"))
    def test_what_a_program_wrote_comes_back(self, cells: list[tuple[str, str, str]], separator: str) -> None:
        """But a space after a comma, which says that the comma is part of a prompt."""
        rows = [[cell.lstrip(" ") if separator == "," else cell for cell in row] for row in cells]
        clean = [[*map(single_spaced_lines, row[:2]), " ".join(row[2].split())] for row in cells]
        if any(row[0] for row in clean):
            text = as_csv([["prompt", "negative", "name"], *rows], separator)
            assert read_table(text).prompts == tuple(Prompt(*row) for row in clean if row[0])


class TestSeparators:
    @pytest.mark.parametrize("first", ["sep=;", "SEP=;\r", '"sep=;"'])
    def test_a_first_line_says_it(self, first: str) -> None:
        listed = read_table(f"{first}\nname;prompt\ncar;a red car, snow\n")
        assert listed.prompts == (Prompt("a red car, snow", name="car"),)
        with pytest.raises(ValueError, match="line 3: expected 2 cells"):
            read_table(f"{first}\nname;prompt\ncar;a red car; snow\n")

    def test_the_caller_says_it(self) -> None:
        text = "prompt;x\tname\na;b,c\td\n"
        assert read_table(text).texts == ("a",)
        assert read_table(text, "\t").texts == ("prompt;x", "a;b,c")

    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    def test_a_table_without_names(self, separator: str) -> None:
        listed = read_table(as_csv([["a car, red", "1", ""], ["a boat", "2", "x"]], separator))
        assert listed.texts == ("a car, red", "a boat")
        assert listed.notes == ("no column is called prompt; the first of the 3 columns was used",)

    @pytest.mark.parametrize(("text", "column", "prompts"), [
        ("1,a car,x\n2,a boat,y\n", "second", ("a car", "a boat")),
        ("nr;price;was\n1;-2,50;a car\n;+3.0;a boat\n", "third", ("was", "a car", "a boat")),
        ("1,2,3\n4,5,6\n", "first", ("1", "4")),
    ])  # fmt: skip
    def test_numbers_are_no_prompts(self, text: str, column: str, prompts: tuple[str, ...]) -> None:
        listed = read_table(text)
        assert listed.texts == prompts
        assert listed.notes == (f"no column is called prompt; the {column} of the 3 columns was used",)

    def test_many_columns_of_numbers(self) -> None:
        listed = read_table("\n".join(["1\t" * 10 + "a car"] * 2))
        assert listed.texts == ("a car", "a car")
        assert listed.notes == ("no column is called prompt; column 11 of the 11 columns was used",)

    @pytest.mark.parametrize("name", ["Caption", "descriptions", "image_prompt", "Prompt text"])
    def test_other_names(self, name: str) -> None:
        assert read_table(f"name,{name}\nx,a car\n").prompts == (Prompt("a car", name="x"),)
        assert read_table(f"{name},prompt\nx,a car\n").texts == ("a car",)


class TestListsWithCommas:
    """Nothing is cut: every line is a prompt."""

    def test_lines_of_different_length(self) -> None:
        text = 'a red car,snow\na boat\n"a tree, hill"\na "fast" car, night,rain\n'
        assert whole_lines(text) == ("a red car,snow", "a boat", "a tree, hill", 'a "fast" car, night,rain')

    def test_lines_of_the_same_length(self) -> None:
        assert whole_lines("a red car, snow\na boat, sea\n") == ("a red car, snow", "a boat, sea")

    def test_one_line(self) -> None:
        assert whole_lines("a red car,snow") == ("a red car,snow",)

    def test_lines_without_commas(self) -> None:
        listed = read_table('a car\n"a boat"\n')
        assert (listed.texts, listed.notes) == (("a car", "a boat"), ())


class TestErrors:
    @pytest.mark.parametrize(("text", "line"), [
        ('prompt,seed\na boat,1\n"a red car,5\na tree,6\n', 3),
        ('prompt,seed\n"two\nlines",1\n"a red car,5\na "big" tree,6\n', 4),
        ('a boat\n\n"a red car, snow\na tree\n', 3),
        ('"prompt,seed\na boat,1\n', 1),
        ("prompt,seed\n" + "x" * 200_000, 2),
    ])  # fmt: skip
    def test_an_open_quote_names_the_line(self, text: str, line: int) -> None:
        with pytest.raises(ValueError, match=f'^line {line}: expected a closing quote \\("\\)'):
            read_table(text)

    def test_text_after_a_quote(self) -> None:
        with pytest.raises(ValueError, match="line 2: expected .* with nothing after it in the cell, got: ',' exp"):
            read_table('a boat, sea\n"Neon" sign on a wall\n')
        assert read_table('a boat, sea\n"""Neon"" sign on a wall"\n').texts[1] == '"Neon" sign on a wall'

    def test_a_prompt_that_would_be_cut(self) -> None:
        with pytest.raises(ValueError, match="line 3: expected 2 cells, as in the first row, got 3. Put quotes"):
            read_table("id,prompt\n1,a boat,\n2,a red car, snow\n")

    @pytest.mark.parametrize("text", ["", "\n\n", "sep=;\n", "prompt\n", "prompt,name\n,x\n"])
    def test_no_prompts(self, text: str) -> None:
        with pytest.raises(ValueError, match="expected at least one prompt, got none"):
            read_table(text)

    def test_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "MAX_PROMPTS", 2)
        assert read_table("a\nb\n").texts == ("a", "b")
        with pytest.raises(ValueError, match="expected at most 2 prompts in all, got more"):
            read_table("a\nb\nc\n")

    def test_broken_signs(self) -> None:
        with pytest.raises(ValueError, match=r"prompt 2: line 1: expected text, got a broken sign \(U\+DC00\)"):
            read_table("prompt,name\na,b\nc,d\udc00\n")


def test_bars_are_no_separator_without_names() -> None:
    assert read_table("a car | red\na boat | blue\n").texts == ("a car | red", "a boat | blue")


def test_cells_with_nothing_to_see_are_no_prompts() -> None:
    assert read_table("prompt,seed\n\u200b,1\na car,2\n").texts == ("a car",)
