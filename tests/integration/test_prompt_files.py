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
from comfyui_sage.nodes.prefix import AddPrompts
from comfyui_sage.nodes.prompt_files import prompt_files
from comfyui_sage.nodes.prompt_inputs import all_prompts
from comfyui_sage.nodes.prompt_list import PromptList
from comfyui_sage.sage_core.prompts.files import read_prompts
from comfyui_sage.sage_core.prompts.notes import list_notes
from comfyui_sage.sage_core.prompts.prompt_list import Prompt
from comfyui_sage.sage_core.prompts.wildcards import wildcard_reader


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


def test_seed_offsets(tmp_path: Path) -> None:
    text = "prompt,Seed_Offset\na car,3\na boat,\na plane,-2\n"
    assert read_prompts(write(tmp_path, "seeds.csv", text)).seed_offsets == (3, 0, -2)
    items = '[{"prompt": "a car", "seed offset": 3}, {"prompt": "a boat", "seed offset": "4"}, "a plane"]'
    assert read_prompts(write(tmp_path, "seeds.json", items)).seed_offsets == (3, 4, 0)
    floats = "prompt,seed offset\na car,3.0\na boat,\na plane,-2.\n"  # as programs write a column with gaps
    assert read_prompts(write(tmp_path, "floats.csv", floats)).seed_offsets == (3, 0, -2)
    items = '[{"prompt": "a car", "seed offset": 1e3}, {"prompt": "a boat", "seed offset": null}]'
    assert read_prompts(write(tmp_path, "floats.json", items)).seed_offsets == (1000, 0)
    assert read_prompts(write(tmp_path, "none.csv", "prompt,seed offset\na car,0\n")).seed_offsets == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("list.csv", "prompt,seed offset\na car,3\na boat,1.5\n", "line 3: expected a whole number .* got '1.5'"),
        ("list.csv", "prompt,seed offset\na car," + "9" * 30, "line 2: expected a whole number"),
        ("list.json", '[{"prompt": "a car", "seed offset": 1.5}]', "item 1: expected a whole number .* got '1.5'"),
        ("list.json", '[{"prompt": "a car", "seed offset": true}]', "item 1: expected a whole number .* got 'True'"),
    ],
)
def test_seed_offsets_that_are_none(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_prompts(write(tmp_path, name, text))


@pytest.mark.parametrize(
    "text",
    [
        '[{"prompt": "a car, {red|blue}", "negative": "blurry", "seed": 1}, {"Positive": "a boat", "name": "sea"}]',
        '{"Prompts": [{"prompt": "a car, {red|blue}", "negative": "blurry"}, {"text": "a boat", "Name": "sea"}]}',
    ],
)
def test_json(tmp_path: Path, text: str) -> None:
    expected = (Prompt("a car, {red|blue}", "blurry"), Prompt("a boat", name="sea"))
    assert read_prompts(write(tmp_path, "list.json", text, "utf-16")).prompts == expected
    path = write(tmp_path, "list.json", '["a  car ", "a\\n  boat", "", " "]')
    assert read_prompts(path).texts == ("a  car", "a\nboat")


def test_lines_of_lyrics_stay_in_json(tmp_path: Path) -> None:
    text = '[{"prompt": "[verse]\\r\\n one  two\\n\\n[chorus]\\n", "negative": "a\\nb", "name": "c\\nd"}]'
    expected = Prompt("[verse]\none two\n\n[chorus]", "a\nb", "c d")
    assert read_prompts(write(tmp_path, "list.json", text)).prompts == (expected,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["a car",\n}', "line 2: expected JSON, got an error at character 1"),
        ("3", "expected a JSON list, .* got int"),
        ('{"3": {}}', "expected a JSON list, .* got dict"),
        ('["a", 3]', 'item 2: expected a text, or an object with the key "prompt", got 3'),
        ('[{"seed": 3}]', "item 1: expected a text, or an object .* got .*seed"),
        ('[{"prompt": ["a"]}]', "item 1: expected a text as 'prompt', got"),
        ('["a \\ud83d"]', "prompt 1: line 1: expected text, got a broken sign"),
        ("[]", "expected at least one prompt"),
        ("[" * 100_000, "expected a JSON list of prompts, got one that is nested too deep"),
    ],
)
def test_json_that_is_no_list(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"prompt_file: a.json: {message}"):
        read_prompts(write(tmp_path, "a.json", text))


def test_notes_name_the_file(tmp_path: Path) -> None:
    notes = read_prompts(write(tmp_path, "list.csv", "a car, red\na boat\n")).notes
    assert notes == ("prompt_file: list.csv: no column is called prompt; every line is one prompt",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "# nothing\n", "prompt_file: a.txt: expected at least one prompt"),
        ("a.txt", "a {red car", r"prompt_file: a.txt: line 1: '{'"),
        ("a.csv", "", "prompt_file: a.csv: expected at least one prompt, got none"),
        ("a.csv", "prompt,seed\n,1\n", "prompt_file: a.csv: expected at least one prompt, got none"),
        ("a.csv", 'prompt,seed\n"a car,1\n', "prompt_file: a.csv: line 2: expected a closing quote"),
    ],
)
def test_files_without_a_prompt(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_prompts(write(tmp_path, name, text))


def test_null_is_an_empty_cell(tmp_path: Path) -> None:
    items = (
        '[{"prompt": "a car", "negative": null, "name": "car"}, {"prompt": null}, {"prompt": "a boat", "name": null}]'
    )
    found = read_prompts(write(tmp_path, "list.json", items)).prompts
    assert found == (Prompt("a car", name="car"), Prompt("a boat"))


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
        (tmp_path / "sub").mkdir()
        for name in ("b.csv", "a.txt", "c.png", "d.TSV", "sub/a.json"):
            write(tmp_path, name, "x")
        os.mkfifo(tmp_path / "pipe.txt")
        (tmp_path / "out.txt").symlink_to("/etc/passwd")
        inputs = {each.id: each for each in node.define_schema().inputs}
        assert inputs["prompt_file"].options == ["none", "a.txt", "b.csv", "d.TSV", "sub/a.json"]

    def test_typed_prompts_come_first_and_need_not_be(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", "from a file")
        assert all_prompts(["typed"], "a.csv").texts == ("typed", "from a file")
        assert all_prompts(["# nothing"], "a.csv").texts == ("from a file",)
        assert all_prompts(["# one", "two"], "a.csv").texts == ("# one", "two", "from a file")
        assert all_prompts(["", " "], "a.csv").texts == ("from a file",)
        assert all_prompts(["typed"], "none").texts == ("typed",)
        with pytest.raises(ValueError, match="prompts: expected at least one prompt"):
            all_prompts(["# nothing"], "none")

    def test_subfolders(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        write(tmp_path, "sub/a.txt", "a car")
        assert all_prompts([""], "sub/a.txt").texts == ("a car",)

    def test_no_way_out_of_the_input_folder(self, tmp_path: Path) -> None:
        (tmp_path / "out.txt").symlink_to("/etc/passwd")
        for name in ("../../etc/passwd", "/etc/passwd", "out.txt", ".."):
            with pytest.raises(ValueError, match=f"prompt_file: expected a file inside the input folder, got '{name}'"):
                all_prompts([""], name)
        for name in ("a\0.txt", "a\ud83d.txt"):
            with pytest.raises(ValueError, match="prompt_file: line 1: expected text, got a broken sign"):
                all_prompts([""], name)

    def test_a_large_folder_is_read_again_only_after_a_change(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "sub").mkdir()
        write(tmp_path, "a.txt", "x")
        assert prompt_files() == ["a.txt"]
        with monkeypatch.context() as patch:
            patch.delattr(os, "walk")
            assert prompt_files() == ["a.txt"]
        write(tmp_path / "sub", "b.csv", "x")
        assert prompt_files() == ["a.txt", "sub/b.csv"]
        (tmp_path / "a.txt").unlink()
        assert prompt_files() == ["sub/b.csv"]

    @pytest.mark.parametrize("node", [SemanticGroupPrompts, PromptList])
    def test_a_changed_text_is_another_input(self, node: Any, tmp_path: Path) -> None:
        def fingerprint(prompts: Any, prompt_file: str) -> Any:
            # as ComfyUI gives a text, and what another node will give
            return node.fingerprint_inputs(prompts=prompts, prompt_file=[prompt_file], other=(None,))

        path = write(tmp_path, "a.txt", "a car")
        before, later = fingerprint(["x"], "a.txt"), fingerprint((None,), "a.txt")
        assert fingerprint(["x"], "a.txt") == before
        path.write_text("a bus")
        assert fingerprint(["x"], "a.txt") != before
        assert fingerprint((None,), "a.txt") != later
        assert fingerprint(["x"], "none") == fingerprint(["x"], "none")
        inside = tmp_path / "wildcards"
        inside.mkdir()
        for unknown in ({"prompts": (None,)}, {"prompts": ["x"], "shared_prompts": (None,)}):
            states = []
            for text in ("red", "green", "green"):
                if not states or text != "green" or len(states) == 1:
                    write(inside, "c.txt", text)
                states.append(node.fingerprint_inputs(**unknown))
            is_read = node is SemanticGroupPrompts or "shared_prompts" not in unknown
            assert (states[0] != states[1]) == is_read and states[1] == states[2]
        assert math.isnan(node.fingerprint_inputs(prompt_file=(None,))), "a name that comes later: run again"


class TestWildcards:
    @pytest.fixture(autouse=True)
    def folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path / "input"))
        monkeypatch.setattr(folder_paths, "base_path", str(tmp_path))
        places = {"wildcards": ["models/wildcards"], "custom_nodes": ["custom_nodes"]}
        monkeypatch.setattr(
            folder_paths, "get_folder_paths", lambda name: [str(tmp_path / place) for place in places[name]]
        )

    @pytest.mark.parametrize(
        "folder", ["models/wildcards", "input/wildcards", "wildcards", "custom_nodes/a/wildcards",
                   "custom_nodes/b/custom_wildcards"]
    )  # fmt: skip
    def test_are_found_in_the_usual_folders(self, tmp_path: Path, folder: str) -> None:
        (tmp_path / folder / "sub").mkdir(parents=True)
        write(tmp_path / folder, "sub/color.txt", "# colors\nred\n\n{dark|light} blue // sea\n", "utf-8-sig")
        listed = all_prompts(["a __sub/color__ car"], "none")
        assert listed.texts == ("a red car", "a dark blue car", "a light blue car")
        assert listed.notes == ("prompts: wildcard __sub/color__: 3 texts",)
        before = PromptList.fingerprint_inputs(prompts=["a __sub/color__ car"])
        write(tmp_path / folder, "sub/color.txt", "green")
        assert PromptList.fingerprint_inputs(prompts=["a __sub/color__ car"]) != before

    def test_added_prompts_read_them_anew(self, tmp_path: Path) -> None:
        (tmp_path / "wildcards").mkdir()
        prompts = {"prompts": ["a __color__ car"], "prefix": (None,), "clip": (None,)}
        states = []
        for text in ("red", "green"):
            write(tmp_path / "wildcards", "color.txt", text)
            states.append(AddPrompts.fingerprint_inputs(**prompts))
        assert states[0] != states[1] == AddPrompts.fingerprint_inputs(**prompts)

    def test_names_that_no_file_can_have(self, tmp_path: Path) -> None:
        """A letter can take three bytes."""
        (tmp_path / "wildcards").mkdir()
        name = "雪" * 95
        assert all_prompts([f"__{name}__"], "none").texts == (f"__{name}__",)

    def test_the_notes_name_what_is_missing(self, tmp_path: Path) -> None:
        (tmp_path / "wildcards").mkdir()
        write(tmp_path, "secret.txt", "x")
        listed = all_prompts(["__a__ __a/../../secret__ __b__"], "none")
        assert listed.texts == ("__a__ __a/../../secret__ __b__",)
        assert "no wildcard file was found for __a__, __a/../../secret__, __b__, so" in listed.notes[0]

    def test_no_way_out_of_the_folders(self, tmp_path: Path) -> None:
        write(tmp_path, "secret.txt", "x")
        read = wildcard_reader([tmp_path / "wildcards"])
        assert [read(name) for name in ("../secret", str(tmp_path / "secret"), "a/../../secret")] == [None] * 3

    def test_what_is_no_list(self, tmp_path: Path) -> None:
        folder = tmp_path / "wildcards"
        folder.mkdir()
        os.mkfifo(folder / "pipe.txt")
        write(folder, "empty.txt", "# nothing\n")
        write(folder, "latin.txt", "a\nKäfer", "cp1252")
        for name, message in {"pipe": "expected a text file", "empty": "expected at least one line in ",
                              "latin": "line 2: expected text in UTF-8"}.items():  # fmt: skip
            with pytest.raises(ValueError, match=f"prompts: line 1: wildcard __{name}__: {message}"):
                all_prompts([f"__{name}__"], "none")

    def test_not_in_lists_and_tables(self, tmp_path: Path) -> None:
        for folder in ("wildcards", "input"):
            (tmp_path / folder).mkdir()
        write(tmp_path / "wildcards", "a.txt", "red")
        write(tmp_path / "input", "b.csv", "prompt\n__a__ car\n")
        write(tmp_path / "input", "b.txt", "__a__ car\n")
        assert all_prompts(["__a__", "x"], "b.csv").texts == ("__a__", "x", "__a__ car")
        assert all_prompts(["__a__"], "b.txt").texts == ("red", "red car")


def test_notes_on_lists() -> None:
    again, lora = list_notes(["a car", "a <lora:x:1> car", "a car", "a car"])
    assert again.startswith("2 prompts written again.") and "batch_size" in again
    assert lora.startswith("1 prompt with <lora:x:1> or the like: in ComfyUI this is text")
    assert list_notes(["a car", "a boat <3"]) == []
