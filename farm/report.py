"""What the farm tells: lines to read, or lines of JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

_TEXTS = {
    "start": "{prompts} prompts in {groups} groups; {done} are done. Workers: {workers}.",
    "embedding": "Comparing {prompts} prompts.",
    "task": "Task: {prompts} prompts in {groups} groups. {worker}",
    "shared steps": "Shared steps of {prompts} prompts, which are then rendered in {parts} parts. {worker}",
    "ready": "Ready: {worker}",
    "refused": "Not used, {worker}: {error}",
    "not started": "Did not start, {worker}: {error}",
    "lost": "Lost, {worker}: {error}",
    "good": "Good: {images} images in {seconds} s. {made_of} {worker}",
    "bad": "Not good: {error} {worker}",
    "saved": "{done}: {files}",
    "retry": "Failed, {groups} groups are tried again: {error}",
    "failed": "Given up, prompts {prompts}: {error}",
    "plan": "{tasks} tasks, {prompts} prompts in {groups} groups: {evaluations} evaluations, {alone} without sharing. "
    "{saving}.",
    "note": "Note: {note}",
    "end": "{done} of {prompts} prompts are done, {failed} failed.",
    "stopped": "Stopped: {done} of {prompts} prompts are done. The same command goes on.",
    "status": "{done} of {prompts} prompts are done, {failed} failed, {left} are left.",
    "worker": "{worker}: {done} prompts",
    "error": "Error: {error}",
}


class Report:
    """Writes events."""

    def __init__(self, output: TextIO, *, as_json: bool) -> None:
        self._output, self._as_json = output, as_json

    def tell(self, event: str, **data: Any) -> None:
        """Write one line. The numbers of prompts count from 0 in JSON, and from 1 in lines to read."""
        if self._as_json:
            line = json.dumps({"event": event, **data}, ensure_ascii=False)
        else:
            if isinstance(data.get("prompts"), list):
                data["prompts"] = ", ".join(str(prompt + 1) for prompt in data["prompts"])
            if "files" in data:
                data["files"] = ", ".join(data["files"])
            if "made_of" in data:
                data["made_of"] = ", ".join(f"{name} {value[:12]}" for name, value in data["made_of"].items())
            line = _TEXTS[event].format(**data)
        print(line, file=self._output, flush=True)


def standard_output() -> TextIO:
    """The standard output for the farm alone: what ComfyUI and its nodes print goes to the standard error."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.stdout.flush()
    os.dup2(2, 1)
    return output
