"""What is done of a job: a file of JSON lines that only grows, and that one process writes."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# Where the files of a job are in its output folder.
FOLDER = ".sage"
_PREFIX, _SUFFIX = "ledger", ".jsonl"
# A file that was saved: its path below the job's output folder, with "/", and its size in bytes.
SavedFile = tuple[str, int]


class Ledger:
    """Writes a ledger. A line is there whole, or it does not count."""

    def __init__(self, path: Path) -> None:
        """Go on with a ledger, or begin one; what is left of a torn last line is removed."""
        self._file = path.open("ab")
        self._file.truncate(_whole_size(path))

    def saved(self, prompt: int, files: Sequence[SavedFile], worker: str) -> None:
        """Note that all files of a prompt are there, and who made them."""
        self._append({"prompt": prompt, "files": files, "worker": worker})

    def failed(self, prompts: Sequence[int], error: str) -> None:
        """Note that prompts were given up."""
        self._append({"failed": prompts, "error": error})

    def close(self) -> None:
        self._file.close()

    def _append(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def ledger_path(folder: Path, name: str = "") -> Path:
    """The ledger of a job, or of a part of it with a name."""
    return folder / f"{_PREFIX}{name}{_SUFFIX}"


def ledgers(folder: Path) -> list[Path]:
    """All ledgers of a job."""
    return sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}"))


def done_prompts(paths: Iterable[Path], out: Path) -> set[int]:
    """The prompts whose files are all there, with the size that a ledger says.

    Args:
        out: the job's output folder.
    """
    files = {record["prompt"]: record["files"] for path in paths for record in read(path) if "prompt" in record}
    return {prompt for prompt, saved in files.items() if all(_is_there(out / name, size) for name, size in saved)}


def failures(paths: Iterable[Path]) -> dict[int, str]:
    """The last error of every prompt that was given up."""
    found = (record for path in paths for record in read(path) if "failed" in record)
    return {prompt: record["error"] for record in found for prompt in record["failed"]}


def prompts_by_worker(paths: Iterable[Path]) -> Counter[str]:
    """How many prompts every worker has made; those of a run in one process are not counted."""
    makers = {record["prompt"]: record.get("worker") for path in paths for record in read(path) if "prompt" in record}
    return Counter(worker for worker in makers.values() if worker)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a ledger. A torn last line is none, nor is a damaged one: its prompts are rendered again."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                with suppress(ValueError):
                    yield json.loads(line)


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _whole_size(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    data = path.read_bytes()
    return data.rfind(b"\n") + 1
