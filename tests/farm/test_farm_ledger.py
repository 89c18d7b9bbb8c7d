"""The ledger: whatever is cut off at its end, what is whole counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_sage.sage_core.farm.ledger import Ledger, done_prompts, failures, ledger_path, ledgers, read


def written(path: Path) -> bytes:
    ledger = Ledger(path)
    for prompt in range(3):
        ledger.saved(prompt, [(f"SAGE/ü_{prompt}.png", prompt + 1)], "here")
    ledger.failed([7, 8], "node 3: no")
    ledger.close()
    return path.read_bytes()


def test_cut_at_every_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any cut the whole lines count, and the ledger goes on behind them."""
    monkeypatch.setattr("os.fsync", lambda file: None)
    (tmp_path / "SAGE").mkdir()
    for prompt in range(3):
        (tmp_path / f"SAGE/ü_{prompt}.png").write_bytes(b"x" * (prompt + 1))
    path = ledger_path(tmp_path)
    data = written(path)
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        whole = data[:size].count(b"\n")
        done = set(range(min(whole, 3)))
        assert done_prompts([path], tmp_path) == done
        ledger = Ledger(path)
        ledger.failed([9], "later")
        ledger.close()
        assert len(list(read(path))) == whole + 1
        assert done_prompts([path], tmp_path) == done and failures([path])[9] == "later"


def test_only_files_that_are_there_whole_count(tmp_path: Path) -> None:
    ledger = Ledger(ledger_path(tmp_path))
    ledger.saved(0, [("a.png", 3), ("b.png", 3)], "here")
    ledger.saved(1, [("c.png", 3)], "here")
    ledger.close()
    for name, size in (("a", 3), ("b", 2), ("c", 3)):
        (tmp_path / f"{name}.png").write_bytes(b"x" * size)
    assert done_prompts(ledgers(tmp_path), tmp_path) == {1}
    (tmp_path / "c.png").unlink()
    assert done_prompts(ledgers(tmp_path), tmp_path) == set()


def test_every_shard_has_its_own(tmp_path: Path) -> None:
    for number in (1, 2):
        ledger = Ledger(ledger_path(tmp_path, f"-{number}-of-2"))
        ledger.saved(number, [], "here")
        ledger.close()
    assert done_prompts(ledgers(tmp_path), tmp_path) == {1, 2}


def test_a_damaged_line_is_none(tmp_path: Path) -> None:
    path = ledger_path(tmp_path)
    first, *others = written(path).splitlines(keepends=True)
    path.write_bytes(first + bytes(40) + b"\n" + b"".join(others[1:]))
    assert [record.get("prompt") for record in read(path)] == [0, 2, None]
