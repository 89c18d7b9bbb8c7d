"""A disk that is full, a folder that cannot be written to, a killed process and a second server."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from comfyui_sage.sage_core.training.checkpoint import load_state, save_state
from comfyui_sage.sage_core.training.run_lock import locked_run
from comfyui_sage.sage_core.training.session import run_training
from models import conditioning, flux, latent

OPTIONS = {"steps": 3, "batch_size": 1, "rank": 1, "layers": "attention", "save_every": 1, "seed": 0}


def run(path: Path, **given: Any) -> Any:
    with torch.inference_mode(False):
        latents = [latent("flux", h=4, w=4, seed=seed) for seed in range(2)]
        return run_training(flux(), latents, [conditioning("flux", seed=1)], path, OPTIONS, **given)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file can get larger than `size` bytes: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def in_another_process(work: Callable[[], None]) -> int:
    """Starts a process that does some work again and again, until it is killed. Returns its id."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    return child


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_disk_that_is_full_at_every_save_loses_no_lora(tmp_path: Path) -> None:
    with full_disk(100):
        result = run(tmp_path / "x.safetensors")
    assert result.steps == 3 and result.lora
    assert "cannot be written to" in result.report and "x.safetensors" in result.report
    assert "No state is saved. The LoRA has all 3 steps" in result.report
    assert not (tmp_path / "x.safetensors").exists()


def test_a_disk_that_gets_full_keeps_the_last_state(tmp_path: Path) -> None:
    limits: list[Any] = []

    def full_from_the_second_step_on() -> bool:
        if (tmp_path / "x.safetensors").exists() and not limits:
            limits.append(full_disk(100))
            limits[0].__enter__()
        return False

    try:
        result = run(tmp_path / "x.safetensors", should_stop=full_from_the_second_step_on)
    finally:
        limits[0].__exit__(None, None, None)
    assert "The state after step 1 is saved. The LoRA has all 3 steps" in result.report
    assert load_state(tmp_path / "x.safetensors")["done"] == 1
    assert "continued from step 1" in run(tmp_path / "x.safetensors").report


def test_a_stop_on_a_full_disk_is_still_a_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def stop() -> bool:
        raise KeyboardInterrupt

    with full_disk(100), pytest.raises(KeyboardInterrupt):
        run(tmp_path / "x.safetensors", should_stop=stop)
    assert "cannot be written to" in caplog.text and "No state is saved." in caplog.text


def test_a_folder_that_cannot_be_written_to_is_found_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="folder .*file/sage cannot be written to"):
        run(tmp_path / "file" / "sage" / "x.safetensors", make_listener=lambda trainer: pytest.fail("it has begun"))


def test_too_little_room_is_found_before_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = "comfyui_sage.sage_core.training.trainer.Trainer.bytes_to_write"
    monkeypatch.setattr(huge, lambda trainer, again: 2**60)
    with pytest.raises(OSError, match="disk of .* is too full: expected .* MiB of room"):
        run(tmp_path / "x.safetensors", should_stop=lambda: pytest.fail("it has begun"))


def test_room_for_what_is_written(tmp_path: Path) -> None:
    path, sizes = tmp_path / "x.safetensors", []

    class Look:
        def __init__(self, trainer: Any) -> None:
            sizes.append((trainer.bytes_to_write(again=False), trainer.bytes_to_write(again=True)))

        def start(self) -> None: ...
        def step(self) -> None: ...
        def end(self) -> None: ...

    result = run(path, make_listener=Look)
    lora = sum(tensor.nbytes for tensor in result.lora.values())
    state = sum(t.nbytes for t in _tensors(load_state(path))) - 5056  # the generator's
    ((first, again),) = sizes
    assert first == pytest.approx(2 * state + lora, rel=0.01)
    assert again == pytest.approx(state + lora, rel=0.01)


def _tensors(data: Any) -> list[torch.Tensor]:
    if isinstance(data, torch.Tensor):
        return [data]
    parts = data.values() if isinstance(data, dict) else data if isinstance(data, (list, tuple)) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def test_killed_while_it_writes(tmp_path: Path) -> None:
    path, last = tmp_path / "x.safetensors", 0
    save_state(path, {"done": 0})

    def write() -> None:
        for done in range(last, 10**9):
            save_state(path, {"done": done, "weights": torch.full((200_000,), float(done))})

    for pause in random.Random(1).choices(range(5, 40), k=15):
        before, child = path.stat().st_ino, in_another_process(write)
        deadline = time.monotonic() + 30
        while path.stat().st_ino == before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(pause / 1000)
        kill(child)
        state = load_state(path)
        assert state["done"] >= last
        assert state["done"] == 0 or (state["weights"] == state["done"]).all()
        last = state["done"]
    assert last > 0, "the child has never written"


def test_two_servers(tmp_path: Path) -> None:
    path, other = tmp_path / "my_lora.safetensors", tmp_path / "b.safetensors"
    taken, tell = os.pipe()

    def hold() -> None:
        with locked_run(path):
            os.write(tell, b"x")
            time.sleep(60)

    child = in_another_process(hold)
    try:
        os.read(taken, 1)
        with pytest.raises(
            ValueError, match="^run_name: the training 'my_lora' is running already, here or in another"
        ):
            run(path)
        with locked_run(other):
            pass
    finally:
        kill(child)
    with locked_run(path), pytest.raises(ValueError, match="^run_name: "), locked_run(path):
        pass
    with locked_run(path):
        pass
