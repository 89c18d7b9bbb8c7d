"""A worker on Ray: a whole ComfyUI in a process that Ray starts, on this machine or on another one."""

from __future__ import annotations

import os
import platform
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..sage_core.farm.ledger import FOLDER, SavedFile
from ..sage_core.farm.run import Stopped, TaskError
from ..sage_core.graph import Graph
from ..sage_core.prompts.prompt_list import Prompt
from .host import Refused
from .identity import versions
from .local_engine import LocalEngine

# A prompt whose files are there, with their names and contents; or, at the end of a task, what went wrong, if anything.
Streamed = tuple[int, list[tuple[str, bytes]]] | str
STOPPED = "stopped"


class RayWorker:
    """A `LocalEngine` that renders into a folder of its own and hands out the files.

    What can go wrong for the user's sake comes back as text: Ray wraps errors, and their classes get lost.
    """

    def __init__(self, comfy: Path, arguments: str, workflow: dict[str, Any]) -> None:
        """See `LocalEngine`."""
        self._folder = tempfile.TemporaryDirectory(prefix="sage-farm-")
        self._out = Path(self._folder.name)
        self._engine = LocalEngine(comfy, self._out, arguments, workflow)

    def hello(self) -> tuple[str, dict[str, str]]:
        """Its name for the user, and what decides its pictures."""
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        name = f"{platform.node()} {f'GPU {gpus}' if gpus else f'process {os.getpid()}'}"
        return name, versions() if isinstance(self.graph(), str) else self._engine.hello()

    def graph(self) -> Graph | str:
        """The artist's graph in the API format; a text says why it is none that can be rendered."""
        try:
            return self._engine.graph.graph
        except ValueError as error:
            return str(error)

    def wildcard(self, name: str) -> Any:
        return self._engine.read_wildcard(name)

    def check(self) -> str:
        """What is wrong with the artist's graph; empty where it is right."""
        try:
            self._engine.check()
        except Refused as error:
            return str(error)
        return ""

    def embed(self, prompts: Sequence[tuple[Any, ...]]) -> Any:
        """See `FarmEngine`; of every prompt its values."""
        return self._engine.embed([Prompt(*each) for each in prompts])

    def plan(self, job: Sequence[Any], prompts: Sequence[int]) -> tuple[int, int, bool] | None:
        self._take(job)
        return self._engine.plan(prompts)

    def share(self, job: Sequence[Any], prompts: Sequence[int]) -> bytes | str | None:
        """See `Engine.share`; a text says what went wrong."""
        self._take(job)
        try:
            return self._engine.share(prompts)
        except (TaskError, Refused) as error:
            return str(error)

    def render(
        self, job: Sequence[Any], prompts: Sequence[int], done: Sequence[int], shared: Sequence[Any]
    ) -> Iterator[Streamed]:
        """Render, and give every prompt's files as soon as they are there.

        Args:
            shared: for a part of a group a reference to what `share` has given, in a list.
        """
        import ray

        self._take(job)
        steps = ray.get(shared[0]) if shared else None
        saved: SimpleQueue[tuple[int, Sequence[SavedFile]] | str] = SimpleQueue()

        def render() -> None:
            try:
                self._engine.render(prompts, done, lambda prompt, files: saved.put((prompt, files)), steps)
                saved.put("")
            except Stopped:
                saved.put(STOPPED)
            except (TaskError, Refused) as error:
                saved.put(str(error))
            except Exception as error:  # whatever it is: without a last word the run would wait for ever
                saved.put(f"{type(error).__name__}: {error}")

        thread = threading.Thread(target=render)
        thread.start()
        while not isinstance(item := saved.get(), str):
            prompt, files = item
            yield prompt, [(name, self._handed_out(name)) for name, _ in files]
        thread.join()
        yield item

    def stop(self) -> None:
        self._engine.stop()

    def _take(self, job: Sequence[Any]) -> None:
        """Write the files of the job, once.

        Args:
            job: a reference to them, in a list: else Ray would fetch them for every call.
        """
        import ray

        from ..sage_core.farm.job import has_job, write_files  # not before ComfyUI is there: it imports torch

        if not has_job(self._out / FOLDER):
            write_files(self._out / FOLDER, ray.get(job[0]))

    def _handed_out(self, name: str) -> bytes:
        path = self._out / name
        data = path.read_bytes()
        path.unlink()
        return data
