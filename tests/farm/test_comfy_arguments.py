"""ComfyUI's arguments on their way to the farm's workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_sage.sage_core.farm.comfy_arguments import joined, split


def test_those_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker starts in another folder."""
    (tmp_path / "my paths.yaml").touch()
    monkeypatch.chdir(tmp_path)
    given = ["--lowvram", "--extra-model-paths-config", "my paths.yaml", "--front-end-version", "a\\b 'c'", ""]
    assert split(joined(given)) == [*given[:2], str(tmp_path / "my paths.yaml"), *given[3:]]


def test_as_they_are_typed() -> None:
    assert split('--lowvram --input-directory "my files"', is_windows=False) == [
        "--lowvram", "--input-directory", "my files",
    ]  # fmt: skip
    assert split(r'--extra-model-paths-config C:\models\paths.yaml --base "C:\my files"', is_windows=True) == [
        "--extra-model-paths-config", r"C:\models\paths.yaml", "--base", r"C:\my files",
    ]  # fmt: skip
    assert split("") == []
