"""The command `check`: whether every worker can render a workflow, and how long a small group takes it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ..sage_core.farm.run import Stopped, TaskError
from ..sage_core.farm.tasks import Shard
from .command import FAILURES, FINISHED, STOPPED
from .engine import FarmEngine
from .host import Refused
from .render import Settings, open_job, stops
from .report import Report

# A group of two, so that steps are shared.
_PROMPTS = ("a red apple on a wooden table", "a green apple on a wooden table")


def check(engines: Sequence[FarmEngine], out: Path, report: Report) -> int:
    """Try every engine, and tell which are good.

    Args:
        out: a folder that may be filled; the images of the last engine are left in it.

    Returns:
        The exit code.
    """
    (out / "list.txt").write_text("\n".join(_PROMPTS), encoding="utf-8")
    settings = Settings(out / "list.txt", out / "images", Shard(1, 1), len(_PROMPTS), 1, only_plan=False)
    settings.out.mkdir(exist_ok=True)
    with stops(engines):
        try:
            good = [_is_good(engine, settings, report) for engine in engines]
        except Stopped:
            return STOPPED
    return FINISHED if all(good) else FAILURES


def _is_good(engine: FarmEngine, settings: Settings, report: Report) -> bool:
    if not engine.is_ready(lambda: False):
        return False
    saved: list[str] = []
    try:
        engine.check()
        job = open_job(engine, settings, report)
        start = time.monotonic()
        prompts = list(range(len(job.groups.prompts)))
        engine.render(prompts, [], lambda prompt, files: saved.extend(name for name, _ in files))
    except (Refused, TaskError) as error:
        report.tell("bad", worker=engine.name, error=str(error))
        return False
    seconds, versions = round(time.monotonic() - start, 1), engine.hello()
    report.tell("good", worker=engine.name, images=len(saved), seconds=seconds, made_of=versions)
    return True
