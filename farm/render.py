"""The command `render`: make or find the job, then run its tasks."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..sage_core.farm.graphs import SAVE, JobGraph
from ..sage_core.farm.job import FOLDER, Job, check_same, has_job, made_of, make_job, read_job
from ..sage_core.farm.ledger import Ledger, done_prompts, ledger_path, ledgers
from ..sage_core.farm.run import Run, Stopped, summary
from ..sage_core.farm.tasks import Shard, Task, make_tasks, prompts_of
from ..sage_core.name_tokens import replace_tokens
from ..sage_core.output_space import check_room
from ..sage_core.phrases import saved_fraction
from ..sage_core.prompts.files import read_prompts
from ..sage_core.prompts.prompt_list import PromptList
from .command import FAILURES, FINISHED, STOPPED
from .host import Host
from .local_engine import LocalEngine
from .report import Report

_PROJECT = Path(__file__).parent.parent / "pyproject.toml"


@dataclass(frozen=True)
class Settings:
    """What the user has typed.

    Attributes:
        prompts: the file with the list.
        split: most prompts in a task.
        tries: how often a group is tried.
        only_plan: whether nothing is to be rendered.
    """

    prompts: Path
    out: Path
    shard: Shard
    split: int
    tries: int
    only_plan: bool


def render(host: Host, graph: JobGraph, settings: Settings, report: Report) -> int:
    """Render a list, or what is missing of it.

    Returns:
        The exit code.

    Raises:
        ValueError: an input is wrong, or the folder has another job.
        OSError: a file cannot be read or written.
    """
    with _stops(host):
        listed = read_prompts(settings.prompts, host.pack(SAVE, "prompt_inputs").wildcards())
        folder = settings.out / FOLDER
        engine = LocalEngine(host, graph, folder)
        engine.check()
        try:
            job = _job(folder, graph, listed, engine, settings, report)
        except Stopped:
            return STOPPED
        tasks = settings.shard.of(make_tasks(job.groups.partition, settings.split))
        if settings.only_plan:
            return _plan(job, tasks, engine, report)
        with _ledger(folder, settings.shard) as ledger:
            run = Run(job.groups.partition, ledger, settings.tries, report.tell)
            run.done |= done_prompts(ledgers(folder), settings.out)
            return _run(run, tasks, engine, report)


def _job(
    folder: Path, graph: JobGraph, listed: PromptList, engine: LocalEngine, settings: Settings, report: Report
) -> Job:
    """The job of the output folder; a new one is made where there is none.

    Several shards may begin at once: one of them groups the list, and the others wait for it.
    """
    key = made_of(graph, listed, **{"ComfyUI version": _comfyui_version(), "SAGE version": _sage_version()})
    check_room(folder)
    with FileLock(folder / "job.lock"):
        if not has_job(folder):
            _check_empty(settings.out)
            for note in _notes(listed):
                report.tell("note", note=note)
            report.tell("embedding", prompts=len(listed.prompts))
            prefix = replace_tokens(graph.inputs(graph.save)["filename_prefix"], datetime.now(), graph.graph)
            make_job(folder, graph, listed, engine.embed, prefix, key)
    job = read_job(folder)
    check_same(job.made_of, key, settings.out)
    return job


def _run(run: Run, tasks: Sequence[Task], engine: LocalEngine, report: Report) -> int:
    partition = run.partition
    left = sum(not run.done.issuperset(prompts_of(task, partition)) for task in tasks)
    report.tell("start", **summary(run, tasks), groups=sum(map(len, tasks)), tasks=left)
    try:
        run.render(tasks, engine)
    except Stopped:
        report.tell("stopped", **summary(run, tasks))
        return STOPPED
    report.tell("end", **summary(run, tasks))
    return FAILURES if run.failed else FINISHED


def _plan(job: Job, tasks: Sequence[Task], engine: LocalEngine, report: Report) -> int:
    """Tell what tasks will cost."""
    costs = [engine.plan(prompts_of(task, job.groups.partition)) for task in tasks]
    numbers: dict[str, Any] = {
        "tasks": len(tasks), "groups": sum(map(len, tasks)),
        "prompts": sum(len(prompts_of(task, job.groups.partition)) for task in tasks),
    }  # fmt: skip
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        report.tell("plan", **numbers, evaluations=None, alone=None, saving="it depends on the pictures")
        return FINISHED
    evaluations, alone = sum(cost[0] for cost in known), sum(cost[1] for cost in known)
    most = "at least " if any(cost[2] for cost in known) else ""
    saving = f"{most}{saved_fraction(evaluations, alone):.1%} saved"
    report.tell("plan", **numbers, evaluations=evaluations, alone=alone, saving=saving)
    return FINISHED


@contextmanager
def _stops(host: Host) -> Iterator[None]:
    """Context in which Ctrl-C and SIGTERM stop the run and keep what is whole; a second one ends the process."""

    def stop(number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        host.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        host.close()


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


def _notes(listed: PromptList) -> Iterator[str]:
    yield from listed.notes
    for field in ("negative", "name"):
        if any(getattr(prompt, field) for prompt in listed.prompts):
            yield f"the column {field} of the list is not used, as in Semantic Group Prompts"


def _comfyui_version() -> str:
    import comfyui_version

    return comfyui_version.__version__


def _sage_version() -> str:
    found = re.search(r'^version = "(.+)"$', _PROJECT.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else ""
