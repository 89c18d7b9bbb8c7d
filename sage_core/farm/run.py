"""Runs the tasks of a job, again where they fail, until all are done, given up or stopped. Knows no engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..grouping.partition import Partition
from .ledger import Ledger, SavedFile
from .tasks import Task, prompts_of


class TaskError(Exception):
    """A task could not be finished; says why."""


class Stopped(Exception):
    """The user has stopped the run."""


class Engine(Protocol):
    """What renders tasks."""

    def render(
        self, prompts: Sequence[int], done: Sequence[int], on_saved: Callable[[int, Sequence[SavedFile]], None]
    ) -> None:
        """Render the prompts of whole groups.

        Args:
            prompts: their numbers in the list.
            done: those of them whose files are there already.
            on_saved: is called with every other prompt and its files, as soon as they are there.

        Raises:
            TaskError: it failed; what was saved until then stays.
            Stopped: the user has stopped it.
        """


# Gets the name of an event and what there is to say of it.
Tell = Callable[..., None]


@dataclass
class Run:
    """One run of a job.

    Attributes:
        partition: groups of prompt numbers.
        done: prompts whose files are there; grows.
        failed: the error of every prompt that was given up; grows.
    """

    partition: Partition
    ledger: Ledger
    tries: int
    tell: Tell
    done: set[int] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)
    _strikes: dict[int, int] = field(default_factory=dict)

    def render(self, tasks: Iterable[Task], engine: Engine) -> None:
        """Render what is not done of some tasks.

        A task that fails is done again with every unfinished group alone, so that the others do not suffer.

        Raises:
            Stopped: the user has stopped it.
        """
        waiting = deque(tasks)
        while waiting:
            task = waiting.popleft()
            prompts = prompts_of(task, self.partition)
            if self.done.issuperset(prompts):
                continue
            self.tell("task", groups=len(task), prompts=len(prompts), waiting=len(waiting))
            try:
                engine.render(prompts, [prompt for prompt in prompts if prompt in self.done], self._saved)
                missing = set(prompts) - self.done
                if missing:
                    raise TaskError(f"expected files for {len(prompts)} prompts, got none for {sorted(missing)[:10]}.")
            except TaskError as error:
                waiting.extend(self._again(task, str(error)))

    def _saved(self, prompt: int, files: Sequence[SavedFile]) -> None:
        self.ledger.saved(prompt, files)
        self.done.add(prompt)
        self.tell("saved", prompt=prompt, files=[name for name, _ in files], done=len(self.done))

    def _again(self, task: Task, error: str) -> list[Task]:
        """The unfinished groups of a failed task that are to be tried again."""
        again: list[Task] = []
        for group in task:
            unfinished = sorted(set(self.partition[group]) - self.done)
            if not unfinished:
                continue
            self._strikes[group] = self._strikes.get(group, 0) + 1
            if self._strikes[group] < self.tries:
                again.append((group,))
                continue
            self.ledger.failed(unfinished, error)
            self.failed |= dict.fromkeys(unfinished, error)
            self.tell("failed", prompts=unfinished, error=error)
        if again:
            self.tell("retry", groups=len(again), error=error)
        return again


def summary(run: Run, tasks: Sequence[Task]) -> dict[str, Any]:
    """Numbers of prompts of some tasks: all, done and failed."""
    prompts = {prompt for task in tasks for prompt in prompts_of(task, run.partition)}
    return {"prompts": len(prompts), "done": len(prompts & run.done), "failed": len(prompts & run.failed.keys())}
