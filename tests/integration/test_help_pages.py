"""The help pages: one per node, with a picture and an example; every picture and link in the pages exists."""

from __future__ import annotations

import re
from pathlib import Path

import install_comfyui
import pytest
from comfyui_sage.nodes import NODES
from PIL import Image

DOCS = install_comfyui.REPO / "web" / "docs"
HELP = sorted(DOCS.glob("*.md"))
PAGES = [install_comfyui.REPO / "README.md", *sorted((install_comfyui.REPO / "docs").glob("*.md")), *HELP]
PICTURE = re.compile(r"!\[[^\]]+\]\((?:<([^>]+)>|([^)]+))\)")
LINK = re.compile(r"[^!]\[[^\]]+\]\(([^)#:]+)\)")
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
