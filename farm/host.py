"""A ComfyUI without a page or a port, in this process. It runs graphs one after the other."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Collection
from pathlib import Path
from types import ModuleType
from typing import Any

from ..sage_core.farm.comfy_arguments import split
from ..sage_core.farm.run import Stopped, TaskError
from ..sage_core.farm.workflow_file import EXPORT
from ..sage_core.graph import Graph
from .saved_workflow import check_subgraphs, classes, to_api

# Gets the name and the data of what a node sends to the page.
OnEvent = Callable[[str, dict[str, Any]], None]


class Refused(ValueError):
    """ComfyUI does not take a graph: a model, a node or an input is missing."""


class Host:
    """ComfyUI. Only one in a process; start it before anything imports torch.

    Attributes:
        on_event: gets what nodes send to the page.
    """

    def __init__(self, comfy: Path, out: Path, arguments: str) -> None:
        """Start ComfyUI with its custom nodes.

        Args:
            comfy: its folder.
            out: its output folder.
            arguments: more of its own arguments, see `comfy_arguments`.
        """
        self.is_stopped = False
        self.on_event: OnEvent = lambda event, data: None
        # A folder of its own: ComfyUI empties it when it starts, and the page's ComfyUI may be running.
        self._temporary = tempfile.TemporaryDirectory(prefix="sage-farm-")
        own = ["--output-directory", str(out), "--temp-directory", self._temporary.name,
               "--database-url", "sqlite:///:memory:", "--disable-auto-launch"]  # fmt: skip
        sys.argv = [str(comfy / "main.py"), *split(arguments), *own]  # the last one counts
        sys.path.insert(0, str(comfy))
        os.chdir(comfy)
        main = _import_main()
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        _, self._server, _ = main.start_comfyui(loop)
        self._server.send_sync = self._send
        threading.Thread(target=loop.run_forever, daemon=True).start()
        import execution

        self._execution = execution
        self._executor = self._execution.PromptExecutor(
            self._server, cache_type=self._execution.CacheType.CLASSIC,
            cache_args={"lru": 0, "ram": 0.0, "ram_inactive": 0.0},
        )  # fmt: skip

    def pack(self, node: str, module: str) -> ModuleType:
        """A module of the pack's nodes, as ComfyUI has loaded it.

        Args:
            node: a node of the pack.
            module: its name.

        Raises:
            Refused: ComfyUI has not loaded the pack.
        """
        found = self._nodes().NODE_CLASS_MAPPINGS.get(node)
        if found is None:
            raise Refused(
                f"comfy: expected a ComfyUI with this pack in custom_nodes, got {os.getcwd()}, without {node}."
            )
        folder, _ = found.__module__.rsplit(".", 1)
        return sys.modules[f"{folder}.{module}"]

    def add_node(self, node: type[Any]) -> None:
        """Make a node known to graphs, though not to the page."""
        self._nodes().NODE_CLASS_MAPPINGS[node.define_schema().node_id] = node

    def as_api(self, workflow: dict[str, Any]) -> Graph:
        """A workflow as the page saves it in the API format.

        Raises:
            Refused: that is not possible; says why.
        """
        try:
            check_subgraphs(workflow)
            return to_api(workflow, self._info(classes(workflow)))
        except ValueError as error:
            raise Refused(f"workflow: {error} {EXPORT}") from error
        except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise Refused(
                f"workflow: expected one as the page saves it, got other data ({error!r}). {EXPORT}"
            ) from error

    def check(self, graph: Graph) -> list[str]:
        """Check a graph as ComfyUI does before it runs it.

        Returns:
            The ids of its output nodes.

        Raises:
            Refused: says what is wrong with which node.
        """
        is_good, error, outputs, node_errors = asyncio.run(self._execution.validate_prompt("", graph, None))[:4]
        if is_good and not node_errors:
            return list(outputs)
        lines = [error["message"]] if error else []
        for key, found in node_errors.items():
            lines += [
                f"{found['class_type']} (node {key}): {each['message']}: {each['details']}" for each in found["errors"]
            ]
        raise Refused(f"workflow: ComfyUI does not take it: {' '.join(lines)}")

    def listing(self, graph: Graph) -> list[str]:
        """The nodes of a graph that give lists, and so make ComfyUI run others several times."""
        known = self._nodes().NODE_CLASS_MAPPINGS
        return [key for key, node in graph.items() if any(getattr(known[node["class_type"]], "OUTPUT_IS_LIST", ()))]

    def run(self, graph: Graph) -> dict[str, Any]:
        """Run a graph; nodes that are as in the last one are not run again.

        Returns:
            What its nodes show, by their ids.

        Raises:
            Refused: ComfyUI does not take it.
            TaskError: a node failed; names it.
            Stopped: it was stopped.
        """
        outputs = self.check(graph)
        if self.is_stopped:
            raise Stopped
        self._executor.execute(graph, uuid.uuid4().hex, {}, outputs)
        gc.collect()
        for event, data in self._executor.status_messages:
            if event == "execution_interrupted":
                raise Stopped
            if event == "execution_error":
                where = f"{data['node_type']} (node {data['node_id']})"
                raise TaskError(f"{where}: {data['exception_message'].strip()}")
        return self._executor.history_result["outputs"]

    def stop(self) -> None:
        """End the graph that runs, as Interrupt on the page does, and refuse all others. Any thread may call it."""
        self.is_stopped = True
        self._nodes().interrupt_processing()

    def close(self) -> None:
        """Remove what ComfyUI has left behind."""
        self._temporary.cleanup()

    def _send(self, event: str, data: Any, sid: str | None = None) -> None:
        if self.is_stopped:  # ComfyUI forgets an interrupt that comes before a run begins
            self._nodes().interrupt_processing()
        if isinstance(data, dict):
            self.on_event(event, data)

    def _info(self, kinds: Collection[str]) -> dict[str, Any]:
        """What the page knows of classes of nodes, as /object_info of the server."""
        known = self._nodes()
        found = {kind: known.NODE_CLASS_MAPPINGS[kind] for kind in kinds if kind in known.NODE_CLASS_MAPPINGS}
        info = {
            kind: node.GET_NODE_INFO_V1() if hasattr(node, "GET_NODE_INFO_V1") else {
                "input": node.INPUT_TYPES(), "display_name": known.NODE_DISPLAY_NAME_MAPPINGS.get(kind, kind),
            }
            for kind, node in found.items()
        }  # fmt: skip
        told: dict[str, Any] = json.loads(json.dumps(info, default=str))  # as the page gets it: lists, no tuples
        return told

    def _nodes(self) -> Any:
        import nodes

        return nodes


def _import_main() -> Any:
    """ComfyUI's main.py as a module. What it does only as a program comes before: the memory of the GPU."""
    import comfy.options

    comfy.options.enable_args_parsing()
    import cuda_malloc  # noqa: F401
    import main

    return main
