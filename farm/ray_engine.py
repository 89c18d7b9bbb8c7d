"""Renders on workers that Ray starts: on this machine, or on all machines of a cluster. Ray is optional."""

from __future__ import annotations

import functools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..sage_core.atomic_file import replacing
from ..sage_core.farm.graphs import JobGraph
from ..sage_core.farm.job import read_files
from ..sage_core.farm.ledger import FOLDER, SavedFile
from ..sage_core.farm.run import Stopped, TaskError, Tell
from ..sage_core.farm.workflow_file import checked_graph
from ..sage_core.prompts.braces import ReadWildcard
from ..sage_core.prompts.prompt_list import Prompt
from . import remote
from .host import Refused
from .ray_worker import STOPPED

HOW_TO_INSTALL = (
    'engine: Ray is not installed. Install it for the Python that runs ComfyUI: python -m pip install "ray==2.60.*". '
    "Without it, --engine local renders in one process, and --shard in several."
)
# Seconds between two looks at whether a worker is there.
_LOOK = 0.5
# Seconds in which the first machine of a cluster has to answer.
_REACHED_IN = 10
# How often in a row a worker may fail to start.
_STARTS = 3
# Seconds that a worker has to end its task after a stop; one that hangs never does.
_ENDS_IN = 30
# Files on their way from a worker.
_BACKLOG = 16
# Bytes of memory that Ray may keep for files on their way and for the job.
_OBJECT_STORE = 1 << 30


@dataclass
class Cluster:
    """The workers of one run, and what they share.

    Attributes:
        workflow: see `read_workflow`.
        gpus: of a worker; a part of one is possible. None: 1 where there are any.
        out: the job's output folder.
    """

    pack: Path
    comfy: Path
    arguments: str
    workflow: dict[str, Any]
    out: Path
    gpus: float | None
    tell: Tell
    is_stopped: bool = False
    _hello: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @functools.cached_property
    def actor_class(self) -> Any:
        ray = _ray()
        ray.cloudpickle.register_pickle_by_value(remote)
        gpus = self.gpus if self.gpus is not None else min(1, ray.cluster_resources().get("GPU", 0))
        options = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": 0, "max_task_retries": 0}
        return ray.remote(concurrency_groups={"control": 1}, **options)(remote.Remote)

    def new_worker(self) -> Any:
        """Ask Ray for a worker; it may have to wait for a place."""
        return self.actor_class.remote(str(self.pack), str(self.comfy), self.arguments, self.workflow)

    def job(self) -> list[Any]:
        """A reference to the files of the job, for `RayWorker`."""
        with self._lock:
            return [self._job_reference]

    def check_same(self, hello: dict[str, str]) -> None:
        """Compare a worker with the first one.

        Raises:
            ValueError: its pictures could differ; names by what.
        """
        with self._lock:
            self._hello = self._hello or hello
            differs = [name for name in {**self._hello, **hello} if self._hello.get(name) != hello.get(name)]
        if differs:
            raise ValueError(f"expected what the first worker has, got another {' and another '.join(differs)}")

    @functools.cached_property
    def _job_reference(self) -> Any:
        return _ray().put(read_files(self.out / FOLDER))


class RayEngine:
    """One worker at a time; a new one when it dies. See `FarmEngine`."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        """Begin to start the worker.

        Args:
            number: of the worker, from 1.
        """
        self.name = f"worker {number}"
        self._cluster = cluster
        self._worker: Any = cluster.new_worker()
        self._is_greeted = False

    def is_ready(self, is_over: Callable[[], bool]) -> bool:
        if self._is_greeted:
            return True
        for start in range(_STARTS):
            try:
                return self._greet(is_over)
            except ValueError as error:
                self._cluster.tell("refused", worker=self.name, error=str(error))
                return False
            except Exception as error:  # Ray has many classes for a worker that did not come to life
                self._cluster.tell("not started", worker=self.name, error=_short(error))
                time.sleep(min(2**start, 10))
                self._worker = self._cluster.new_worker()
        return False

    @functools.cached_property
    def graph(self) -> JobGraph:
        found = self._call("graph")
        if isinstance(found, str):
            raise Refused(found)
        return checked_graph(found)

    def hello(self) -> dict[str, str]:
        _, hello = self._call("hello")
        found: dict[str, str] = hello
        return found

    @property
    def read_wildcard(self) -> ReadWildcard:
        return lambda name: self._call("wildcard", name)

    def check(self) -> None:
        if error := self._call("check"):
            raise Refused(error)

    def embed(self, prompts: Sequence[Prompt]) -> np.ndarray:
        return np.array(self._call("embed", list(map(astuple, prompts))))

    def plan(self, prompts: Sequence[int]) -> tuple[int, int, bool] | None:
        cost: tuple[int, int, bool] | None = self._call("plan", self._cluster.job(), list(prompts))
        return cost

    def share(self, prompts: Sequence[int]) -> Any:
        try:
            shared = self._result("share", self._cluster.job(), list(prompts))
        except _ray().exceptions.RayError as lost:
            raise self._lost(lost) from lost
        if isinstance(shared, str):
            raise TaskError(shared)
        # From here on it is kept by this process, whatever becomes of the worker.
        return None if shared is None else [_ray().put(shared)]

    def render(
        self, prompts: Sequence[int], done: Sequence[int], on_saved: Callable[[int, Sequence[SavedFile]], None],
        shared: Any = None,
    ) -> None:  # fmt: skip
        ray = _ray()
        options = {"num_returns": "streaming", "_generator_backpressure_num_objects": _BACKLOG}
        task = ("render", self._cluster.job(), list(prompts), list(done), shared or [])
        stream = self._worker.stream.options(**options).remote(*task)
        error = ""
        try:
            for reference in stream:
                item = ray.get(reference)
                if isinstance(item, str):
                    error = item
                    break
                prompt, files = item
                on_saved(prompt, [self._write(name, data) for name, data in files])
        except ray.exceptions.RayError as lost:
            raise self._lost(lost) from lost
        if error == STOPPED:
            raise Stopped
        if error:
            raise TaskError(error)

    @property
    def is_stopped(self) -> bool:
        return self._cluster.is_stopped

    def stop(self) -> None:
        self._cluster.is_stopped = True
        self._worker.stop.options(concurrency_group="control").remote()
        killer = threading.Timer(_ENDS_IN, _ray().kill, [self._worker])
        killer.daemon = True
        killer.start()

    def close(self) -> None:
        _ray().kill(self._worker)

    def _greet(self, is_over: Callable[[], bool]) -> bool:
        """Wait for the worker's hello. Ray can say that a worker is there whose start has failed.

        Raises:
            ValueError: it is another one than the first.
        """
        ray = _ray()
        reference = self._worker.call.remote("hello")
        while not ray.wait([reference], timeout=_LOOK)[0]:
            if is_over() or self._cluster.is_stopped:
                return False
        name, hello = ray.get(reference)
        self._cluster.check_same(hello)
        self.name = f"{self.name.split(':')[0]}: {name}"
        self._is_greeted = True
        self._cluster.tell("ready", worker=self.name)
        return True

    def _lost(self, error: Exception) -> Stopped | TaskError:
        """What to raise where the worker did not live to the end of a task; another one begins to start."""
        self._is_greeted = False
        if self._cluster.is_stopped:
            return Stopped()
        self._cluster.tell("lost", worker=self.name, error=_short(error))
        self._worker = self._cluster.new_worker()
        return TaskError(f"{self.name} was lost: {_short(error)}")

    def _call(self, method: str, *arguments: Any) -> Any:
        """The result of a method of the worker, before it renders.

        Raises:
            Stopped: the user has stopped the run.
            ValueError: the worker is lost, or failed.
        """
        try:
            return self._result(method, *arguments)
        except _ray().exceptions.RayError as error:
            if self._cluster.is_stopped:
                raise Stopped from error
            raise ValueError(f"{self.name}: {_short(error)}") from error

    def _result(self, method: str, *arguments: Any) -> Any:
        """As `_call`; errors of Ray pass through."""
        ray = _ray()
        reference = self._worker.call.remote(method, *arguments)
        while not ray.wait([reference], timeout=_LOOK)[0]:
            if self._cluster.is_stopped:
                raise Stopped
        return ray.get(reference)

    def _write(self, name: str, data: bytes) -> SavedFile:
        path = self._cluster.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_bytes(data)
        return name, len(data)


@contextmanager
def ray_engines(cluster: Cluster, address: str, workers: int | None) -> Iterator[list[RayEngine]]:
    """Context with the workers of a cluster.

    Args:
        address: local, or HOST:PORT of a cluster that runs.
        workers: how many; None: as many as have room.

    Raises:
        ValueError: Ray is not there, or the cluster cannot be reached.
    """
    ray = _ray()
    try:
        _connect(address)
    except Exception as error:  # of many classes, with the reason in the last line
        raise ValueError(
            f"address: expected local, or HOST:PORT of a Ray cluster, got {address}: {_short(error)}"
        ) from error
    try:
        if workers is None:
            workers = _room(cluster.gpus)
        engines = [RayEngine(cluster, 1 + number) for number in range(workers)]
        try:
            yield engines
        finally:
            for engine in engines:
                engine.close()
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    """Start Ray here, or join a cluster. Never Ray's own choice: that joins whatever was started last."""
    ray = _ray()
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address != "local":
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), _REACHED_IN).close()  # Ray alone would try for minutes
        # Ray reads the file with the token only when it is told to.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        ray.init(address=address, **quiet)
        return
    os.environ.setdefault("RAY_worker_niceness", "0")
    for is_last in (False, False, True):  # Ray gives itself half a minute, which is too short on a busy machine
        try:
            ray.init(address="local", include_dashboard=False, object_store_memory=_OBJECT_STORE, **quiet)
            return
        except Exception:
            ray.shutdown()
            if is_last:
                raise


def _room(gpus: float | None) -> int:
    """How many workers have room: by GPUs, or one per machine without."""
    ray = _ray()
    total = ray.cluster_resources().get("GPU", 0)
    if gpus:
        return max(1, int(total // gpus))
    return int(total) if gpus is None and total else len(ray.nodes())


def _short(error: BaseException) -> str:
    """The last line of an error: Ray puts whole stories before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ValueError(HOW_TO_INSTALL) from error
    return ray
