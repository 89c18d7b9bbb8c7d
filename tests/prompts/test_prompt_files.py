"""Prompt lists from files."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths
import pytest
from comfyui_sage.nodes import group_prompts
from comfyui_sage.sage_core.prompts import files
from comfyui_sage.sage_core.prompts.files import read_prompts


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_a_text_file_is_what_people_type(tmp_path: Path) -> None:
    path = write(tmp_path, "list.txt", "# cars\r\na {red|blue} car\r\n\r\nein Käfer\n", "utf-8-sig")
    assert read_prompts(path) == ("a red car", "a blue car", "ein Käfer")


def test_the_column_prompt_of_a_csv_file(tmp_path: Path) -> None:
    text = 'id,Prompt,seed\n1,"a red car, snow",5\n2,"two ""fast"" cars\n at night",6\n3,,7\n4\n\n'
    text += "5,# not a comment {a|b},8\n"
    expected = ("a red car, snow", 'two "fast" cars at night', "# not a comment {a|b}")
    assert read_prompts(write(tmp_path, "list.CSV", text)) == expected


def test_the_first_column_if_none_has_the_name(tmp_path: Path) -> None:
    assert read_prompts(write(tmp_path, "list.csv", "a car,1\na boat,2\n")) == ("a car", "a boat")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "# nothing\n", "prompt_file: a.txt: prompts: expected at least one prompt"),
        ("a.txt", "a {red car", r"prompt_file: a.txt: prompts, line 1: '{'"),
        ("a.csv", "", "expected 1 to 100000 prompts in a.csv, got 0"),
        ("a.csv", "prompt,seed\n,1\n", "expected 1 to 100000 prompts in a.csv, got 0"),
    ],
)
def test_files_without_a_prompt(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_prompts(write(tmp_path, name, text))


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="prompt_file: expected a text file in UTF-8"):
        read_prompts(write(tmp_path, "a.txt", "naïve", "utf-16"))
    with pytest.raises(ValueError, match="prompt_file: expected a text file"):
        read_prompts(tmp_path / "missing.txt")
    with pytest.raises(ValueError, match="comma-separated"):
        read_prompts(write(tmp_path, "a.csv", "x" * 200_000))


def test_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_PROMPTS", 2)
    with pytest.raises(ValueError, match="expected 1 to 2 prompts in a.csv, got 3"):
        read_prompts(write(tmp_path, "a.csv", "a\nb\nc\n"))


class TestNode:
    @pytest.fixture(autouse=True)
    def input_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path))

    def test_files_of_the_input_folder_are_offered(self, tmp_path: Path) -> None:
        for name in ("b.csv", "a.txt", "c.png"):
            write(tmp_path, name, "x")
        inputs = {each.id: each for each in group_prompts.SemanticGroupPrompts.define_schema().inputs}
        assert inputs["prompt_file"].options == ["none", "a.txt", "b.csv"]

    def test_typed_prompts_come_first_and_need_not_be(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", "from a file")
        assert group_prompts.all_prompts("typed", "a.csv") == ("typed", "from a file")
        assert group_prompts.all_prompts("# nothing", "a.csv") == ("from a file",)
        assert group_prompts.all_prompts("typed", "none") == ("typed",)
        with pytest.raises(ValueError, match="prompts: expected at least one prompt"):
            group_prompts.all_prompts("# nothing", "none")

    def test_no_way_out_of_the_input_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=f"got {tmp_path}/passwd"):
            group_prompts.all_prompts("", "../../etc/passwd")

    def test_a_changed_file_is_another_input(self, tmp_path: Path) -> None:
        fingerprint = group_prompts.SemanticGroupPrompts.fingerprint_inputs
        path = write(tmp_path, "a.txt", "a car")
        before = fingerprint(prompt_file="a.txt", prompts="x")
        os.utime(path, ns=(1, 1))
        assert fingerprint(prompt_file="a.txt", prompts="x") != before
        assert fingerprint(prompt_file="none") == fingerprint(prompt_file="missing.txt")
