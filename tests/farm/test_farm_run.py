"""The state machine of a job, with engines that render nothing."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from comfyui_sage.farm.render import _locked, _while_room
from comfyui_sage.sage_core.farm.job import make_job, read_job
from comfyui_sage.sage_core.farm.ledger import Ledger, done_prompts, failures, ledger_path, read
from comfyui_sage.sage_core.farm.run import Run, Stopped, TaskError, summary
from comfyui_sage.sage_core.farm.tasks import divided, make_tasks, shrinking_tasks
from comfyui_sage.sage_core.farm.workflow_file import checked_graph
from comfyui_sage.sage_core.prompts.prompt_list import Prompt, PromptList
from embeddings import clustered_directions
from farm_graph import farm_graph
from filelock import FileLock

PARTITION = ((0, 1), (2, 3), (4,), (5, 6, 7))


class Ready:
    """An engine that is there."""

    name = "here"

    def is_ready(self, is_over: Callable[[], bool]) -> bool:
        return True


class Pretended(Ready):
    """An engine that saves empty files, and fails where it is told to.

    Attributes:
        calls: prompts and done prompts of every task; the prompts whose shared steps it has run.
        shared: what it has got with every task that it has rendered.
    """

    def __init__(self, out: Path, fails_at: Callable[[int], bool] = lambda prompt: False) -> None:
        self.out, self.fails_at = out, fails_at
        self.calls: list[tuple[list[int], list[int]]] = []
        self.shared: list[Any] = []

    def share(self, prompts: Sequence[int]) -> Any:
        self.calls.append((list(prompts), []))
        return f"shared by {min(prompts)}"

    def render(
        self, prompts: Sequence[int], done: Sequence[int], on_saved: Callable[..., None], shared: Any = None
    ) -> None:
        self.calls.append((list(prompts), list(done)))
        self.shared.append(shared)
        for prompt in prompts:
            if prompt in done:
                continue
            if self.fails_at(prompt):
                raise TaskError(f"prompt {prompt} is bad")
            (self.out / f"{prompt}.png").touch()
            on_saved(prompt, [(f"{prompt}.png", 0)])


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def run(tmp_path: Path, events: list[str]) -> Run:
    def tell(event: str, **data: Any) -> None:
        events.append(event)

    return Run(PARTITION, Ledger(ledger_path(tmp_path)), 3, tell)


def test_all_prompts_once(run: Run, tmp_path: Path, events: list[str]) -> None:
    engine = Pretended(tmp_path)
    tasks = make_tasks(PARTITION, 4)
    run.render(tasks, [engine])
    assert engine.calls == [([0, 1, 2, 3], []), ([4, 5, 6, 7], [])]
    assert summary(run, tasks) == {"prompts": 8, "done": 8, "failed": 0}
    assert done_prompts([ledger_path(tmp_path)], tmp_path) == set(range(8))
    assert events == ["task", *["saved"] * 4] * 2


def test_a_bad_group_is_tried_and_named_and_the_rest_goes_on(run: Run, tmp_path: Path) -> None:
    """First with its task, then alone; what a try has saved is kept."""
    engine = Pretended(tmp_path, lambda prompt: prompt == 1)
    run.render(make_tasks(PARTITION, 4), [engine])
    assert engine.calls == [
        ([0, 1, 2, 3], []), ([0, 1], [0]), ([2, 3], []), ([0, 1], [0]), ([4, 5, 6, 7], []),
    ]  # fmt: skip
    assert run.failed == {1: "prompt 1 is bad"} == failures([ledger_path(tmp_path)])
    assert run.done == {0, 2, 3, 4, 5, 6, 7}


def test_a_group_that_fails_once_is_done_in_the_end(run: Run, tmp_path: Path) -> None:
    bad = [5]
    run.render(make_tasks(PARTITION, 4), [Pretended(tmp_path, lambda prompt: prompt in bad and bool(bad.pop()))])
    assert run.done == set(range(8)) and not run.failed


def test_an_engine_that_forgets_a_prompt_has_failed(run: Run) -> None:
    class Forgetful(Ready):
        def render(self, *ignored: object) -> None:
            pass

    run.render(make_tasks(PARTITION, 8), [Forgetful()])
    assert len(run.failed) == 8 and "expected files for 2 prompts" in run.failed[0]


def test_a_stop_ends_the_run(run: Run) -> None:
    class Stopping(Ready):
        def render(
            self, prompts: Sequence[int], done: Sequence[int], on_saved: Callable[..., None], shared: Any = None
        ) -> None:
            on_saved(prompts[0], [])
            raise Stopped

    with pytest.raises(Stopped):
        run.render(make_tasks(PARTITION, 4), [Stopping()])
    assert run.done == {0} and not run.failed


def test_a_stop_ends_all_engines(run: Run, tmp_path: Path) -> None:
    """The one that waits for the other's task, too."""
    is_taken = threading.Event()

    class Stopping(Ready):
        def render(self, *ignored: object) -> None:
            is_taken.wait(10)
            raise Stopped

    class Second(Pretended):
        def render(self, *task: Any) -> None:
            super().render(*task)
            is_taken.set()

    with pytest.raises(Stopped):
        run.render(make_tasks(PARTITION, 4), [Stopping(), Second(tmp_path)])
    assert len(run.done) == 4


def test_two_engines_share_the_tasks(run: Run, tmp_path: Path) -> None:
    """Each waits until the other has taken a task; the ledger says who made which."""
    barrier = threading.Barrier(2, timeout=10)

    class Both(Pretended):
        def render(self, *task: Any) -> None:
            if not self.calls:
                barrier.wait()
            super().render(*task)

    engines = [Both(tmp_path), Both(tmp_path)]
    engines[1].name = "there"
    run.render(shrinking_tasks(range(4), PARTITION, 4, 2), engines)
    assert all(engine.calls for engine in engines) and run.done == set(range(8))
    assert {record["worker"] for record in read(ledger_path(tmp_path))} == {"here", "there"}


def test_what_a_lost_engine_leaves_is_done_by_another(run: Run, tmp_path: Path, events: list[str]) -> None:
    """Also when the other has had nothing to do for a while."""
    is_lost = threading.Event()

    class Lost(Pretended):
        def is_ready(self, is_over: Callable[[], bool]) -> bool:
            return not is_lost.is_set()

        def render(
            self, prompts: Sequence[int], done: Sequence[int], on_saved: Callable[..., None], shared: Any = None
        ) -> None:
            on_saved(prompts[0], [])
            is_lost.wait(10)
            raise TaskError("lost")

    class Other(Pretended):
        def render(self, *task: Any) -> None:
            super().render(*task)
            is_lost.set()

    run.render(make_tasks(PARTITION, 4), [Lost(tmp_path), Other(tmp_path)])
    assert run.done == set(range(8)) and not run.failed and "retry" in events


def test_an_engine_that_comes_too_late_is_not_waited_for(run: Run, tmp_path: Path) -> None:
    class Late(Ready):
        def is_ready(self, is_over: Callable[[], bool]) -> bool:
            while not is_over():
                time.sleep(0.01)
            return False

    run.render(make_tasks(PARTITION, 4), [Pretended(tmp_path), Late()])
    assert run.done == set(range(8))


def test_without_any_engine_the_prompts_are_left(run: Run) -> None:
    class Never(Ready):
        def is_ready(self, is_over: Callable[[], bool]) -> bool:
            return False

    tasks = make_tasks(PARTITION, 4)
    run.render(tasks, [Never(), Never()])
    assert summary(run, tasks) == {"prompts": 8, "done": 0, "failed": 0}


def test_an_error_of_one_engine_is_raised(run: Run, tmp_path: Path) -> None:
    """A full disk, say."""

    class Full(Ready):
        def render(self, *ignored: object) -> None:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run.render(make_tasks(PARTITION, 4), [Full(), Pretended(tmp_path)])


def test_a_full_disk_ends_the_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be saved is not rendered."""
    engine = Pretended(tmp_path)
    room = iter([1 << 30, 1 << 30, 0])
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=next(room)))
    with pytest.raises(OSError, match="too full"):
        run.render(_while_room(make_tasks(PARTITION, 2), tmp_path), [engine])
    assert run.done == {0, 1, 2, 3} and len(engine.calls) == 2 and not run.failed


def test_a_stop_ends_the_wait_for_another_shard(tmp_path: Path) -> None:
    engine: Any = SimpleNamespace(is_stopped=False)
    path, held, over = tmp_path / "job.lock", threading.Event(), threading.Event()

    def other() -> None:
        with FileLock(path):
            held.set()
            over.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    held.wait(60)
    threading.Timer(0.2, lambda: setattr(engine, "is_stopped", True)).start()
    with pytest.raises(Stopped), _locked(path, engine):
        pass
    over.set()
    thread.join()
    engine.is_stopped = False
    with _locked(path, engine):
        pass


def test_going_on_renders_whole_tasks_with_what_is_missing(run: Run, tmp_path: Path) -> None:
    """The same rows together give the same bits; tasks that are done are left out."""
    run.done |= {0, 4, 5, 6, 7}
    engine = Pretended(tmp_path)
    run.render(make_tasks(PARTITION, 4), [engine])
    assert engine.calls == [([0, 1, 2, 3], [0])]


def test_a_large_group_is_rendered_in_parts(run: Run, tmp_path: Path, events: list[str]) -> None:
    """Its shared steps come first, then its parts, and then the other tasks."""
    run.divide = lambda prompts: divided(prompts, "abcdefgh", 2, 2)
    run.done.add(6)
    engine = Pretended(tmp_path)
    run.render(shrinking_tasks(range(4), PARTITION, 4, 2), [engine])
    assert engine.calls == [([5, 6, 7], [6]), ([0, 1], []), ([2, 3], []), ([4], [])], "two are left: no parts"
    assert "shared steps" not in events

    run.done.clear()
    engine = Pretended(tmp_path)
    run.render(shrinking_tasks(range(4), PARTITION, 4, 2), [engine])
    assert engine.calls[:3] == [([5, 6, 7], []), ([5, 6], []), ([7], [])]
    assert engine.shared == ["shared by 5"] * 2 + [None] * 3
    assert events.count("shared steps") == 1 and run.done == set(range(8))


def test_a_part_that_fails_is_tried_again_alone(run: Run, tmp_path: Path) -> None:
    """From the same shared steps; the other parts do not suffer."""
    run.divide = lambda prompts: divided(prompts, "abcdefgh", 2, 2)
    engine = Pretended(tmp_path, lambda prompt: prompt == 6)
    run.render([(3,)], [engine])
    assert engine.calls == [([5, 6, 7], []), ([5, 6], []), ([7], []), ([5, 6], [5]), ([5, 6], [5])]
    assert run.failed == {6: "prompt 6 is bad"} and run.done == {5, 7}


def test_shared_steps_that_fail_are_run_again(run: Run, tmp_path: Path) -> None:
    class Failing(Pretended):
        def share(self, prompts: Sequence[int]) -> Any:
            super().share(prompts)
            if len(self.calls) == 1:
                raise TaskError("lost")
            return "shared"

    run.divide = lambda prompts: divided(prompts, "abcdefgh", 2, 2)
    engine = Failing(tmp_path)
    run.render([(3,)], [engine])
    assert engine.calls == [([5, 6, 7], [])] * 2 + [([5, 6], []), ([7], [])]
    assert engine.shared == ["shared"] * 2 and run.done == {5, 6, 7}


def test_a_group_that_cannot_be_divided_is_rendered_whole(run: Run, tmp_path: Path) -> None:
    class Alone(Pretended):
        def share(self, prompts: Sequence[int]) -> Any:
            return None

    run.divide = lambda prompts: divided(prompts, "abcdefgh", 2, 2)
    engine = Alone(tmp_path)
    run.render([(3,)], [engine])
    assert engine.calls == [([5, 6, 7], [])] and engine.shared == [None]


def test_memory_for_a_long_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 10,000 prompts the driver and its job take less than 300 MB, beside the libraries."""
    monkeypatch.setattr("os.fsync", lambda file: None)
    prompts = tuple(Prompt(f"picture {index % 100} of thing {index} " * 3) for index in range(10_000))
    directions = clustered_directions(0, [20] * 500)
    rows = iter([*(directions[start : start + 64] for start in range(0, 10_000, 64)), directions[:24]])
    graph = farm_graph()
    graph["2"]["inputs"] |= {"threshold_mode": "fixed", "threshold": 0.7, "compare": "whole prompts"}

    class Engine(Ready):
        def render(
            self, prompts: Sequence[int], done: Sequence[int], on_saved: Callable[..., None], shared: Any = None
        ) -> None:
            job.groups.only(prompts)
            for prompt in prompts:
                on_saved(prompt, [(f"SAGE/image_{prompt:05}.png", 0)])

    make_job(tmp_path, checked_graph(graph), PromptList(prompts), lambda texts: next(rows), "SAGE/image", {})
    tracemalloc.start()
    try:
        job = read_job(tmp_path)
        run = Run(job.groups.partition, Ledger(ledger_path(tmp_path)), 3, lambda event, **data: None)
        run.render(make_tasks(job.groups.partition, 64), [Engine()])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(run.done) == sum(1 for _ in read(ledger_path(tmp_path))) == 10_000
    assert len(job.groups.partition) < 1000 and peak < 300 * 2**20
