"""Runs the tasks of a job, again where they fail, until all are done, given up or stopped. Knows no engine."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..grouping.partition import Partition
from .ledger import Ledger, SavedFile
from .tasks import Part, Task, prompts_of

# What an engine does at one go.
Work = Task | Part


class TaskError(Exception):
    """A task could not be finished; says why."""


class Stopped(Exception):
    """The user has stopped the run."""


class Engine(Protocol):
    """What renders tasks, one after the other.

    Attributes:
        name: of its worker, for the user.
    """

    name: str

    def is_ready(self, is_over: Callable[[], bool]) -> bool:
        """Wait until it can render, or until nothing is left for it; False where it cannot, and never will."""

    def share(self, prompts: Sequence[int]) -> Any:
        """Run the shared steps of a whole group.

        Returns:
            What `render` needs, with any engine, to render a part of the group; None where only the whole can be
            rendered.

        Raises:
            TaskError, Stopped: as `render`.
        """

    def render(
        self, prompts: Sequence[int], done: Sequence[int], on_saved: Callable[[int, Sequence[SavedFile]], None],
        shared: Any = None,
    ) -> None:  # fmt: skip
        """Render the prompts of whole groups, or of a part of one.

        Args:
            prompts: their numbers in the list.
            done: those of them whose files are there already.
            on_saved: is called with every other prompt and its files, as soon as they are there.
            shared: for a part of a group, what `share` has given for the whole; else None.

        Raises:
            TaskError: it failed; what was saved until then stays.
            Stopped: the user has stopped it.
        """


# Gets the name of an event and what there is to say of it.
Tell = Callable[..., None]
# Gets unfinished prompts of a group, and cuts them into the parts that several engines render.
Divide = Callable[[Sequence[int]], list[tuple[int, ...]]]


class Waiting:
    """The tasks that wait for an engine. Any thread may call it."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks, self._again = iter(tasks), deque[Work]()
        self._next: Work | None = None
        self._running = 0
        self._is_stopped = False
        self._changed = threading.Condition()

    @property
    def is_over(self) -> bool:
        """Whether no task will ever be given any more."""
        with self._changed:
            return self._is_stopped or (self._peek() is None and not self._running)

    def take(self) -> Work | None:
        """The next one; None when all is over. Waits for those that run: they may have to run again."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_over or self._peek() is not None)
            if self._is_stopped or self._next is None:
                return None
            task, self._next = self._next, None
            self._running += 1
            return task

    def give_back(self, again: Iterable[Work]) -> None:
        """A task that was taken is over; some may have to run again, or are parts of it.

        They come first: a large group that comes back last would keep all others waiting at the end.
        """
        with self._changed:
            self._again.extend(again)
            self._running -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Give no task any more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _peek(self) -> Work | None:
        if self._next is None:
            self._next = self._again.popleft() if self._again else next(self._tasks, None)
        return self._next


@dataclass
class Run:
    """One run of a job.

    Attributes:
        partition: groups of prompt numbers.
        done: prompts whose files are there; grows.
        failed: the error of every prompt that was given up; grows.
        divide: cuts large groups; None to render every group at one go.
    """

    partition: Partition
    ledger: Ledger
    tries: int
    tell: Tell
    done: set[int] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)
    divide: Divide | None = None
    _strikes: dict[int, int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def render(self, tasks: Iterable[Task], engines: Sequence[Engine]) -> None:
        """Render what is not done of some tasks. Every engine takes the next task when it is through with its last.

        A task that fails is done again with every unfinished group alone, so that the others do not suffer.

        Raises:
            Stopped: the user has stopped it.
        """
        waiting = Waiting(task for task in tasks if not self.done.issuperset(prompts_of(task, self.partition)))
        if len(engines) == 1:
            self._work(engines[0], waiting)
            return
        errors: list[BaseException] = []
        threads = [
            threading.Thread(target=self._guarded, args=(each, waiting, errors), daemon=True) for each in engines
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # a wait without end would keep Ctrl-C from being noticed
                thread.join(0.2)
        if errors:
            raise errors[0]

    def _guarded(self, engine: Engine, waiting: Waiting, errors: list[BaseException]) -> None:
        """`_work` in a thread: an error ends the work of all."""
        try:
            self._work(engine, waiting)
        except BaseException as error:
            errors.append(error)
            waiting.stop()

    def _work(self, engine: Engine, waiting: Waiting) -> None:
        """Render tasks until there are none, or the engine is lost."""
        while engine.is_ready(lambda: waiting.is_over) and (task := waiting.take()) is not None:
            again: Sequence[Work] = ()
            try:
                again = self._run(task, engine)
            except TaskError as error:
                with self._lock:
                    again = self._again(task, str(error))
            finally:
                waiting.give_back(again)

    def _run(self, work: Work, engine: Engine) -> Sequence[Work]:
        """Render a task or a part; of a large group only its shared steps, to give back its parts."""
        prompts = prompts_of(work, self.partition)
        if isinstance(work, Part):
            self._render(prompts, engine, 1, work.shared)
            return ()
        parts = [] if self.divide is None or len(work) > 1 else self.divide(sorted(set(prompts) - self.done))
        if len(parts) > 1:
            with self._lock:
                self.tell("shared steps", prompts=len(prompts), parts=len(parts), worker=engine.name)
            if (shared := engine.share(prompts)) is not None:
                return [Part(part, shared) for part in parts]
        self._render(prompts, engine, len(work))
        return ()

    def _render(self, prompts: Sequence[int], engine: Engine, groups: int, shared: Any = None) -> None:
        def saved(prompt: int, files: Sequence[SavedFile]) -> None:
            with self._lock:
                self.ledger.saved(prompt, files, engine.name)
                self.done.add(prompt)
                names = [name for name, _ in files]
                self.tell("saved", prompt=prompt, files=names, done=len(self.done), worker=engine.name)

        with self._lock:
            self.tell("task", groups=groups, prompts=len(prompts), worker=engine.name)
        engine.render(prompts, [prompt for prompt in prompts if prompt in self.done], saved, shared)
        missing = set(prompts) - self.done
        if missing:
            raise TaskError(f"expected files for {len(prompts)} prompts, got none for {sorted(missing)[:10]}.")

    def _again(self, work: Work, error: str) -> list[Work]:
        """The unfinished groups of a failed task that are to be tried again; or the part that has failed."""
        again: list[Work] = []
        for each in [work] if isinstance(work, Part) else [(group,) for group in work]:
            prompts = prompts_of(each, self.partition)
            unfinished = sorted(set(prompts) - self.done)
            if not unfinished:
                continue
            first = prompts[0]  # no other part or group has it
            self._strikes[first] = self._strikes.get(first, 0) + 1
            if self._strikes[first] < self.tries:
                again.append(each)
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
