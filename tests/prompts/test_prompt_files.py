"""Prompt lists from files."""

from __future__ import annotations

import codecs
import math
import os
from pathlib import Path
from typing import Any

import folder_paths
import pytest
from comfyui_sage.nodes.group_prompts import SemanticGroupPrompts
from comfyui_sage.nodes.prompt_inputs import all_prompts
from comfyui_sage.nodes.prompt_list import PromptList
from comfyui_sage.sage_core.prompts.files import read_prompts
from comfyui_sage.sage_core.prompts.prompt_list import Prompt


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_a_text_file_is_what_people_type(tmp_path: Path) -> None:
    path = write(tmp_path, "list.txt", "# cars\r\na {red|blue} car\r\n\r\nein Käfer\n", "utf-8-sig")
    assert read_prompts(path).texts == ("a red car", "a blue car", "ein Käfer")


def test_a_table(tmp_path: Path) -> None:
    text = "id;Prompt;negative\n1;a red car, snow;blurry\n"
    assert read_prompts(write(tmp_path, "list.CSV", text)).prompts == (Prompt("a red car, snow", "blurry"),)
    text = "prompt\tname\na red car; snow\tcar\n"
    assert read_prompts(write(tmp_path, "list.tsv", text)).prompts == (Prompt("a red car; snow", name="car"),)


def test_notes_name_the_file(tmp_path: Path) -> None:
    notes = read_prompts(write(tmp_path, "list.csv", "a car, red\na boat\n")).notes
    assert notes == ("prompt_file: list.csv: no column is called prompt; every line is one prompt",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "# nothing\n", "prompt_file: a.txt: prompts: expected at least one prompt"),
        ("a.txt", "a {red car", r"prompt_file: a.txt: prompts, line 1: '{'"),
        ("a.csv", "", "prompt_file: a.csv: expected 1 to 100000 prompts, got 0"),
        ("a.csv", "prompt,seed\n,1\n", "prompt_file: a.csv: expected 1 to 100000 prompts, got 0"),
        ("a.csv", 'prompt,seed\n"a car,1\n', "prompt_file: a.csv: line 2: expected a closing quote"),
    ],
)
def test_files_without_a_prompt(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_prompts(write(tmp_path, name, text))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    texts = ("ein Käfer", "雪の中の猫", "🦊")
    assert read_prompts(write(tmp_path, "a.txt", "\n".join(texts), encoding)).texts == texts
    path = write(tmp_path, "a.csv", "prompt\n" + "\n".join(texts), encoding)
    assert read_prompts(path).texts == texts
    big_endian = tmp_path / "b.txt"
    big_endian.write_bytes(codecs.BOM_UTF16_BE + "ein Käfer".encode("utf-16-be"))
    assert read_prompts(big_endian).texts == ("ein Käfer",)


@pytest.mark.parametrize(
    ("text", "encoding", "line"),
    [("a car\nein Käfer", "cp1252", 2), ("猫", "shift-jis", 1), ("a car\na boat", "utf-16-le", 1)],
)
def test_other_encodings_name_the_line(tmp_path: Path, text: str, encoding: str, line: int) -> None:
    for name in ("a.txt", "a.csv"):
        message = f"prompt_file: {name}: line {line}: expected text in UTF-8, .* save as UTF-8"
        with pytest.raises(ValueError, match=message):
            read_prompts(write(tmp_path, name, text, encoding))


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    for name in ("missing.txt", "pipe.txt", "folder.txt"):
        with pytest.raises(ValueError, match=f"prompt_file: {name}: expected a text file, got .*{name}"):
            read_prompts(tmp_path / name)


class TestNode:
    @pytest.fixture(autouse=True)
    def input_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path))

    @pytest.mark.parametrize("node", [SemanticGroupPrompts, PromptList])
    def test_files_of_the_input_folder_are_offered(self, node: Any, tmp_path: Path) -> None:
        for name in ("b.csv", "a.txt", "c.png", "d.TSV"):
            write(tmp_path, name, "x")
        inputs = {each.id: each for each in node.define_schema().inputs}
        assert inputs["prompt_file"].options == ["none", "a.txt", "b.csv", "d.TSV"]

    def test_typed_prompts_come_first_and_need_not_be(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", "from a file")
        assert all_prompts(["typed"], "a.csv").texts == ("typed", "from a file")
        assert all_prompts(["# nothing"], "a.csv").texts == ("from a file",)
        assert all_prompts(["# one", "two"], "a.csv").texts == ("# one", "two", "from a file")
        assert all_prompts(["", " "], "a.csv").texts == ("from a file",)
        assert all_prompts(["typed"], "none").texts == ("typed",)
        with pytest.raises(ValueError, match="prompts: expected at least one prompt"):
            all_prompts(["# nothing"], "none")

    def test_no_way_out_of_the_input_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=f"got {tmp_path}/passwd"):
            all_prompts([""], "../../etc/passwd")

    @pytest.mark.parametrize("node", [SemanticGroupPrompts, PromptList])
    def test_a_changed_file_is_another_input(self, node: Any, tmp_path: Path) -> None:
        path = write(tmp_path, "a.txt", "a car")
        inputs = {"prompts": ["x"], "other": (None,)}  # as ComfyUI gives a text, and what another node will give
        before = node.fingerprint_inputs(prompt_file=["a.txt"], **inputs)
        assert node.fingerprint_inputs(prompt_file=["a.txt"], **inputs) == before
        os.utime(path, ns=(1, 1))
        assert node.fingerprint_inputs(prompt_file=["a.txt"], **inputs) != before
        assert node.fingerprint_inputs(prompt_file=["none"]) == node.fingerprint_inputs(prompt_file=["missing.txt"])
        assert node.fingerprint_inputs(prompt_file=["none"]) == node.fingerprint_inputs()
        assert math.isnan(node.fingerprint_inputs(prompt_file=(None,))), "a name that comes later: run again"
