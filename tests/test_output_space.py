"""Room for files, before the work that they keep."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from comfyui_sage.sage_core.output_space import check_room


def test_a_folder_is_made(tmp_path: Path) -> None:
    check_room(tmp_path / "a" / "b", 1000)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_more_than_the_disk_has(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(OSError, match=r"disk of .* is too full: expected [\d,]+ MiB of room, got [\d,]+ MiB"):
        check_room(tmp_path, 2 * free)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"folder .*file/a cannot be written to .*Choose another one"):
        check_room(tmp_path / "file" / "a")
