"""Where the workers of a node are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from comfyui_sage.sage_core.farm.settings import worker_options


def test_left_out_it_is_ray_on_this_machine(tmp_path: Path) -> None:
    assert worker_options(tmp_path / "none.json", {}) == ["--engine", "ray"]


def test_the_environment_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "sage_farm.json"
    path.write_text(json.dumps({"gpus": 0.5, "workers": 3, "address": "a:1"}), encoding="utf-8")
    options = ["--engine", "ray", "--address", "a:1", "--workers", "3", "--gpus", "0.5"]
    assert worker_options(path, {}) == options
    options[3] = "b:2"
    assert worker_options(path, {"SAGE_FARM_ADDRESS": "b:2"}) == options


@pytest.mark.parametrize("wrong", [{"workers": "3"}, {"gpus": True}, {"other": 1}, ["local"]])
def test_what_is_wrong_is_named(tmp_path: Path, wrong: Any) -> None:
    path = tmp_path / "sage_farm.json"
    path.write_text(json.dumps(wrong), encoding="utf-8")
    with pytest.raises(ValueError, match=r"sage_farm\.json: expected"):
        worker_options(path, {})


def test_what_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sage_farm.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"sage_farm\.json: expected JSON"):
        worker_options(path, {})
