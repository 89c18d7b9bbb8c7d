"""The command `render`: make or find the job, then run its tasks."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..sage_core.farm.graphs import JobGraph
from ..sage_core.farm.job import Job, check_same, has_job, made_of, make_job, read_job
from ..sage_core.farm.ledger import FOLDER, Ledger, done_prompts, ledger_path, ledgers
from ..sage_core.farm.run import Run, Stopped, TaskError, summary
from ..sage_core.farm.tasks import Shard, Task, default_split, divided, make_tasks, prompts_of, shrinking_tasks
from ..sage_core.name_tokens import replace_tokens
from ..sage_core.output_space import check_room
from ..sage_core.phrases import saved_fraction
from ..sage_core.prompts.files import read_prompts
from ..sage_core.prompts.prompt_list import PromptList
from .command import FAILURES, FINISHED, STOPPED
from .engine import FarmEngine
from .report import Report

# Seconds between two looks at whether to stop.
_LOOK = 0.5


@dataclass(frozen=True)
class Settings:
    """What the user has typed.

    Attributes:
        prompts: the file with the list.
        split: most prompts in a task; with several workers a larger group is rendered in parts. None: see
            `default_split`.
        tries: how often a group is tried.
        only_plan: whether nothing is to be rendered.
    """

    prompts: Path
    out: Path
    shard: Shard
    split: int | None
    tries: int
    only_plan: bool


def render(engines: Sequence[FarmEngine], settings: Settings, report: Report) -> int:
    """Render a list, or what is missing of it.

    Args:
        engines: one in this process, or some elsewhere. The first one also compares the prompts.

    Returns:
        The exit code.

    Raises:
        ValueError: an input is wrong, or the folder has another job.
        OSError: a file cannot be read or written.
    """
    with stops(engines):
        try:
            first = ready(engines[0])
            first.check()
            job = open_job(first, settings, report)
            texts, workers = job.groups.prompts, len(engines)
            split = settings.split or default_split(len(texts), workers)
            tasks = settings.shard.of(make_tasks(job.groups.partition, split))
            if settings.only_plan:
                return _plan(job, tasks, first, report)
        except Stopped:
            return STOPPED
        except TaskError as error:
            raise ValueError(f"workflow: {error}") from error
        with _ledger(job.folder, settings.shard) as ledger:
            run = Run(job.groups.partition, ledger, settings.tries, report.tell)
            if workers > 1 and job.graph.prefix_node is not None:
                run.divide = lambda prompts: divided(prompts, texts, split, workers)
            run.done |= done_prompts(ledgers(job.folder), settings.out)
            return _run(run, tasks, engines, split, job.folder, report)


def ready(engine: FarmEngine) -> FarmEngine:
    """An engine, when it has started.

    Raises:
        Stopped: the user has stopped it before.
        ValueError: it cannot start.
    """
    if not engine.is_ready(lambda: False):
        raise ValueError(f"workers: expected one that starts, got an error from {engine.name}; it is written above.")
    return engine


def open_job(engine: FarmEngine, settings: Settings, report: Report) -> Job:
    """The job of the output folder; a new one is made where there is none.

    Several shards may begin at once: one of them groups the list, and the others wait for it.

    Raises:
        Stopped: the user has stopped it.
        ValueError, OSError: as `render`.
    """
    graph, listed = engine.graph, read_prompts(settings.prompts, engine.read_wildcard)
    key, folder = made_of(graph, listed, engine.hello()), settings.out / FOLDER
    check_room(folder)
    with _locked(folder / "job.lock", engine):
        if not has_job(folder):
            _check_empty(settings.out)
            for note in _notes(graph, listed):
                report.tell("note", note=note)
            report.tell("embedding", prompts=len(listed.prompts))
            prefix = replace_tokens(graph.filename_prefix, datetime.now(), graph.graph)
            make_job(folder, graph, listed, engine.embed, prefix, key)
    job = read_job(folder)
    check_same(job.made_of, key, settings.out)
    return job


@contextmanager
def _locked(path: Path, engine: FarmEngine) -> Iterator[None]:
    """Context with a lock. A stop ends the wait for it."""
    lock = FileLock(path, timeout=_LOOK)
    while not engine.is_stopped:
        with suppress(Timeout):
            lock.acquire()
            break
    else:
        raise Stopped
    try:
        yield
    finally:
        lock.release()


def _run(
    run: Run, tasks: Sequence[Task], engines: Sequence[FarmEngine], split: int, folder: Path, report: Report
) -> int:
    groups = [group for task in tasks for group in task]
    report.tell("start", **summary(run, tasks), groups=len(groups), workers=len(engines))
    several = len(engines) > 1
    waiting = shrinking_tasks(groups, run.partition, split, len(engines)) if several else tasks
    try:
        run.render(_while_room(waiting, folder), engines)
    except Stopped:
        report.tell("stopped", **summary(run, tasks))
        return STOPPED
    report.tell("end", **(numbers := summary(run, tasks)))
    return FINISHED if numbers["done"] == numbers["prompts"] else FAILURES


def _while_room(tasks: Iterable[Task], folder: Path) -> Iterator[Task]:
    """The tasks, as long as their images can be saved; else all would be paid for, and lost."""
    for task in tasks:
        check_room(folder)
        yield task


def _plan(job: Job, tasks: Sequence[Task], engine: FarmEngine, report: Report) -> int:
    """Tell what tasks will cost."""
    costs = [engine.plan(prompts_of(task, job.groups.partition)) for task in tasks]
    numbers: dict[str, Any] = {
        "tasks": len(tasks), "groups": sum(map(len, tasks)),
        "prompts": sum(len(prompts_of(task, job.groups.partition)) for task in tasks),
    }  # fmt: skip
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        report.tell("plan", **numbers, evaluations=None, alone=None, saving="known when it has run")
        return FINISHED
    evaluations, alone = sum(cost[0] for cost in known), sum(cost[1] for cost in known)
    most = "at least " if any(cost[2] for cost in known) else ""
    saving = f"{most}{saved_fraction(evaluations, alone):.1%} saved"
    report.tell("plan", **numbers, evaluations=evaluations, alone=alone, saving=saving)
    return FINISHED


@contextmanager
def stops(engines: Sequence[FarmEngine]) -> Iterator[None]:
    """Context in which Ctrl-C and SIGTERM stop the run and keep what is whole; a second one ends the process."""

    def stop(number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        for engine in engines:
            engine.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _ledger(folder: Path, shard: Shard) -> Iterator[Ledger]:
    """Context with the ledger of a shard, for this process alone."""
    path = ledger_path(folder, "" if shard.total == 1 else f"-{shard.number}-of-{shard.total}")
    try:
        with FileLock(path.with_suffix(".lock"), timeout=0):
            ledger = Ledger(path)
            try:
                yield ledger
            finally:
                ledger.close()
    except Timeout as error:
        raise ValueError(
            f"out: expected a folder that no other process renders in, got {folder.parent}, where shard "
            f"{shard.number}/{shard.total} is running already."
        ) from error


def _check_empty(out: Path) -> None:
    found = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    if found:
        raise ValueError(f"out: expected an empty folder, or one with a job, got {out}, which has {found[0]!r}.")


def _notes(graph: JobGraph, listed: PromptList) -> Iterator[str]:
    yield from listed.notes
    for field in ("negative", "name") if graph.list_node is None else ():
        if any(getattr(prompt, field) for prompt in listed.prompts):
            yield f"the column {field} of the list is not used, as in Semantic Group Prompts"
