"""Training checkpoints are written completely or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from comfyui_sage.sage_core.training.checkpoint import load_state, save_state

STATE = {
    "done": 3, "rate": 1e-4, "name": "lora/x", "none": None, "flag": True,
    "optimiser": {"state": {0: {"step": torch.tensor(3.0), "exp": torch.randn(2, 3)}}, "groups": [{"params": [0, 1]}]},
    "generator": torch.Generator().manual_seed(1).get_state(), "empty": torch.zeros(0, 4), "half": torch.ones(2).half(),
}  # fmt: skip


def assert_same(one: object, other: object) -> None:
    if isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, dict):
        assert isinstance(other, dict) and list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        assert isinstance(other, list) and len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other and type(one) is type(other)


def test_it_comes_back(tmp_path: Path) -> None:
    save_state(tmp_path / "deep" / "state.safetensors", STATE)
    assert_same(STATE, load_state(tmp_path / "deep" / "state.safetensors"))


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    save_state(tmp_path / "state.safetensors", STATE)
    save_state(tmp_path / "state.safetensors", STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, STATE)

    def full(tensors: object, target: Path, metadata: object) -> None:
        Path(target).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("comfyui_sage.sage_core.serialization.save_file", full)
    with pytest.raises(OSError, match=r"cannot be written to .*state.safetensors: No space left"):
        save_state(path, {"done": 4})
    assert_same(STATE, load_state(path))
    assert [each.name for each in tmp_path.iterdir()] == ["state.safetensors"]


@pytest.mark.parametrize("kept", [0, 20, 300])
def test_a_damaged_one_is_named(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, STATE)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"run_name: the saved state is damaged .*state.safetensors"):
        load_state(path)
