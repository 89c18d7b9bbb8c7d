"""The help pages: one a node, and every picture in them and in the README is there."""

from __future__ import annotations

import re
from pathlib import Path

import host
import pytest
from comfyui_sage.nodes import NODES
from PIL import Image

DOCS = host.REPO / "web" / "docs"
PAGES = [host.REPO / "README.md", *sorted(DOCS.glob("*.md"))]
PICTURE = re.compile(r"!\[[^\]]+\]\((?:<([^>]+)>|([^)]+))\)")


def test_every_node_has_a_page() -> None:
    assert {page.stem for page in DOCS.glob("*.md")} == {node.define_schema().node_id for node in NODES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pictures_are_there(page: Path) -> None:
    for names in PICTURE.findall(page.read_text("utf-8")):
        with Image.open(page.parent / "".join(names)) as picture:
            picture.verify()
