"""Files are there whole or not at all, whoever else writes there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from comfyui_sage.sage_core import atomic_file
from comfyui_sage.sage_core.atomic_file import replacing, write_new

REPO = Path(__file__).resolve().parent.parent
WRITE_AND_WAIT = """
import importlib.util, pathlib, sys, time
spec = importlib.util.spec_from_file_location("atomic_file", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.replacing(pathlib.Path(sys.argv[2])) as part:
    part.write_text("half")
    print("written", flush=True)
    time.sleep(60)
"""


def numbered(folder: Path) -> Iterator[Path]:
    return (folder / f"image_{number:05}.png" for number in range(1, 100))


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """What is left of a process that was killed while it wrote."""
    command = [sys.executable, "-P", "-c", WRITE_AND_WAIT, str(REPO / "sage_core/atomic_file.py"), str(tmp_path / "a")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"written\n"
    (part,) = tmp_path.iterdir()
    with replacing(tmp_path / "b") as mine:
        mine.write_text("b")
    assert part.exists(), "a process that still runs keeps its part"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    atomic_file._remove_leftovers.cache_clear()  # as in a new process
    return part


def test_what_a_kill_left_is_removed(killed: Path) -> None:
    with replacing(killed.with_name("a")) as part:
        part.write_text("whole")
        assert part != killed
    assert sorted(path.name for path in killed.parent.iterdir()) == ["a", "b"]
    assert killed.with_name("a").read_text() == "whole"


def test_a_part_of_another_computer_is_left_for_a_day(tmp_path: Path) -> None:
    old, new = (tmp_path / f".sage-00000000-1-{name}.part" for name in ("old", "new"))
    for part in (old, new, other := tmp_path / ".sage-of-somebody-else-entirely.part"):
        part.touch()
        os.utime(part, (0, 0))
    os.utime(new)
    write_new([tmp_path / "a"], Path.touch)
    assert sorted(tmp_path.iterdir()) == sorted([new, other, tmp_path / "a"])


def test_two_that_write_one_file_do_not_meet(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as first, replacing(tmp_path / "a") as second:
        first.write_text("first")
        second.write_text("second")
    assert first != second
    assert (tmp_path / "a").read_text() == "first", "whoever ends last"


@pytest.mark.parametrize("has_links", [True, False])
def test_no_number_is_taken_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    if not has_links:
        monkeypatch.setattr("os.link", lambda *paths: (_ for _ in ()).throw(OSError("not on this file system")))
    with ThreadPoolExecutor(8) as pool:
        texts = [str(number) for number in range(40)]
        paths = list(pool.map(lambda text: write_new(numbered(tmp_path), lambda part: part.write_text(text)), texts))
    assert sorted(paths) == sorted(tmp_path.iterdir()) == list(numbered(tmp_path))[:40]
    assert [path.read_text() for path in paths] == texts


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def half(part: Path) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_new(numbered(tmp_path), half)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["replace", "link"])
def test_the_disk_has_a_file_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Else a power cut leaves an empty file under the name."""
    steps: list[str] = []
    for each in ("fsync", name):
        real = getattr(os, each)
        monkeypatch.setattr(os, each, lambda *args, each=each, real=real: (steps.append(each), real(*args)))
    if name == "replace":
        with replacing(tmp_path / "a") as part:
            part.write_text("a")
    else:
        write_new(numbered(tmp_path), lambda part: part.write_text("a"))
    assert steps == ["fsync", name]
