"""Many tensors, in memory and on the disk."""

from __future__ import annotations

import logging
import resource
import signal
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from comfyui_sage.sage_core import tensor_shelf
from comfyui_sage.sage_core.tensor_shelf import OnDisk, TensorShelf


def made(seed: int) -> torch.Tensor:
    return torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(seed))


SIZE = made(0).nbytes


def test_only_what_is_too_much_goes_to_the_disk() -> None:
    given, shelf = [made(seed) for seed in range(4)], TensorShelf(2 * SIZE, "numbers")
    kept = [shelf.keep(tensor) for tensor in given]
    assert kept[0] is given[0] and kept[1] is given[1] and shelf.is_full
    for tensor, on_disk in zip(given[2:], kept[2:], strict=True):
        assert isinstance(on_disk, OnDisk) and (on_disk.shape, on_disk.nbytes) == (tensor.shape, SIZE)
        assert torch.equal(on_disk.read(), tensor)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_a_part_comes_back_with_its_bits(dtype: torch.dtype) -> None:
    part = torch.randn(4, 6, 8).to(dtype)[:, ::2]
    on_disk = TensorShelf(0, "numbers").keep(part)
    assert isinstance(on_disk, OnDisk)
    back = on_disk.read()
    assert back.dtype == dtype and torch.equal(back.view(torch.uint8), part.contiguous().view(torch.uint8))


def test_the_file_is_gone_with_the_last_tensor() -> None:
    on_disk = TensorShelf(0, "numbers").keep(made(1))
    assert isinstance(on_disk, OnDisk) and torch.equal(on_disk.read(), made(1))
    file = weakref.ref(on_disk.file)
    del on_disk
    assert file() is None


def test_a_disk_that_gets_full_still_gives_what_it_has() -> None:
    """The third tensor has room in part."""
    given, shelf = [made(seed) for seed in range(4)], TensorShelf(0, "numbers")
    kept = [shelf.keep(tensor) for tensor in given[:2]]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * SIZE + SIZE // 2, limits[1]))
        kept += [shelf.keep(tensor) for tensor in given[2:]]
        back = [each.read() if isinstance(each, OnDisk) else each for each in kept]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert [isinstance(each, OnDisk) for each in kept] == [True, True, False, False]
    assert all(torch.equal(a, b) for a, b in zip(back, given, strict=True))


def test_room_for_pictures_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    free = tensor_shelf._LEAST_FREE + SIZE
    for each, is_there in ((free, True), (free - 1, False)):
        monkeypatch.setattr(tensor_shelf.shutil, "disk_usage", lambda folder, each=each: SimpleNamespace(free=each))
        assert isinstance(TensorShelf(0, "numbers").keep(made(1)), OnDisk) == is_there


def test_the_file_is_in_the_folder_that_the_user_has_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tensor_shelf, "_ON_DISK", str(tmp_path))
    assert tensor_shelf._folder() == str(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "chosen"))
    monkeypatch.setattr(tensor_shelf.tempfile, "tempdir", str(tmp_path / "chosen"))
    assert tensor_shelf._folder() == str(tmp_path / "chosen")


def test_a_full_disk_keeps_them_in_memory(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def full(**more: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(tensor_shelf.tempfile, "TemporaryFile", full)
    given, shelf = [made(seed) for seed in range(3)], TensorShelf(0, "numbers")
    with caplog.at_level(logging.WARNING):
        kept = [shelf.keep(tensor) for tensor in given]
    assert all(back is tensor for back, tensor in zip(kept, given, strict=True))
    assert caplog.text.count("numbers stay in memory") == caplog.text.count("No space left") == 1
