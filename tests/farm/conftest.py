"""A job that the tests of the farm's engines share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from comfyui_sage.farm.command import FINISHED
from farm_graph import farm_graph
from farm_process import LIST, finished


@pytest.fixture(scope="package")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with graph.json and list.txt."""
    folder = tmp_path_factory.mktemp("farm")
    (folder / "graph.json").write_text(json.dumps(farm_graph()), encoding="utf-8")
    (folder / "list.txt").write_text(LIST, encoding="utf-8")
    return folder


@pytest.fixture(scope="package")
def whole(files: Path) -> Path:
    """The output folder of a run in one process that nothing has stopped."""
    code, said = finished(files, "whole")
    assert code == FINISHED, said
    assert said[-1] == {"event": "end", "prompts": 24, "done": 24, "failed": 0}
    return files / "whole"
