"""The help pages: one per node, with a picture and an example; every picture and link in the pages exists."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import install_comfyui
import pytest
from comfyui_sage.nodes import NODES
from export_texts import LOCALES
from PIL import Image

DOCS = install_comfyui.REPO / "web" / "docs"
HELP = sorted(DOCS.glob("*.md"))
CHINESE = sorted(DOCS.glob("*/zh.md"))
PAGES = [install_comfyui.REPO / "README.md", *sorted((install_comfyui.REPO / "docs").glob("*.md")), *HELP]
PICTURE = re.compile(r"!\[[^\]]+\]\((?:<([^>]+)>|([^)]+))\)")
LINK = re.compile(r"[^!]\[[^\]]+\]\(([^)#:]+)\)")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
MILLIONS = re.compile(r"\d+ (?:million|megapixels)")  # Chinese has other units, and words for them
BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
EXAMPLE = re.compile(r"^## Example\b.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def test_every_node_has_a_page() -> None:
    assert {page.stem for page in HELP} == {node.define_schema().node_id for node in NODES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pictures_are_there(page: Path) -> None:
    for names in PICTURE.findall(page.read_text("utf-8")):
        with Image.open(page.parent / "".join(names)) as picture:
            picture.verify()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_linked_files_are_there(page: Path) -> None:
    for name in LINK.findall(page.read_text("utf-8")):
        assert (page.parent / name).exists(), name


@pytest.mark.parametrize("page", HELP, ids=lambda page: page.stem)
def test_a_node_is_shown_in_use_and_step_by_step(page: Path) -> None:
    text = page.read_text("utf-8")
    assert PICTURE.search(text), "no picture"
    example = EXAMPLE.search(text)
    assert example, "no section named Example"
    steps = re.findall(r"^(\d)\. ", example[0], re.MULTILINE)
    assert len(steps) > 1 and steps == [str(number) for number in range(1, len(steps) + 1)]


def test_every_picture_is_shown() -> None:
    shown = {name for page in HELP for names in PICTURE.findall(page.read_text("utf-8")) for name in names if name}
    assert shown == {f"images/{picture.name}" for picture in (DOCS / "images").iterdir()}


def test_every_page_is_there_in_chinese() -> None:
    assert [page.parent.name for page in CHINESE] == [page.stem for page in HELP]


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.parent.name)
def test_a_chinese_page_has_the_pictures_and_figures_of_the_english_one(page: Path) -> None:
    english, chinese = page.parent.with_suffix(".md").read_text("utf-8"), page.read_text("utf-8")
    # ComfyUI looks for them beside the English page.
    assert PICTURE.findall(chinese) == PICTURE.findall(english)
    without_ids = re.sub("（[a-z][a-z_0-9]*", "", chinese)  # of inputs, after their Chinese names
    assert Counter(NUMBER.findall(without_ids)) == Counter(NUMBER.findall(MILLIONS.sub("", english)))
    assert len(re.findall(r"^#+ ", chinese, re.MULTILINE)) == len(re.findall(r"^#+ ", english, re.MULTILINE))


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.parent.name)
def test_a_chinese_page_names_inputs_and_outputs_as_the_node_does(page: Path) -> None:
    english, chinese = (texts_of_node(language, page.parent.name) for language in ("en", "zh"))
    text = page.read_text("utf-8")
    assert text.startswith(f"# {chinese['display_name']}\n")
    bold = set(BOLD.findall(page.parent.with_suffix(".md").read_text("utf-8")))
    for sockets in ("inputs", "outputs"):
        for key, socket in english[sockets].items():
            if socket["name"] in bold:
                assert chinese[sockets][key]["name"] in BOLD.findall(text), socket["name"]
                assert socket["name"] in text


def texts_of_node(language: str, node: str) -> dict[str, Any]:
    return json.loads((LOCALES / language / "nodeDefs.json").read_text("utf-8"))[node]
