"""A ComfyUI server: started on a free loopback port, watched, and always stopped."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from install_comfyui import REPO, linked_as

Graph = dict[str, dict[str, Any]]
"""A workflow in API format: inputs and class of each node, by node id."""
OnEvent = Callable[[str, dict[str, Any]], None]
"""Gets the type and data of each websocket message about a prompt, or about none."""

READY_SECONDS = 300
# No proxy: the server is on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServerError(RuntimeError):
    """The server died, refused a workflow, or a node in it failed."""


@dataclass(frozen=True)
class Server:
    """A running server; what it writes is under `folder`."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def get(self, path: str, body: Any = None) -> Any:
        """JSON from the server; with a body, the answer to a POST."""
        status, text = self.ask(path, None if body is None else json.dumps(body).encode())
        if status >= 400:
            raise ServerError(_refusal(text))
        return json.loads(text)

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, str]:
        """Status and text of an answer, also of a refusal; with a body, to a POST of JSON."""
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        try:
            with _OPENER.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def queue(
        self, graph: Graph, on_event: OnEvent | None = None, workflow: dict[str, Any] | None = None,
        client: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Runs a workflow to its end and returns what its nodes showed, by node id.

        Args:
            workflow: what a page would send along: the graph as it saves it.
            client: id of the page that queues it; None for a new one.

        Raises:
            ServerError: it was refused, a node failed, or the server died.
        """
        return asyncio.run(self._queue(graph, on_event, workflow, client or uuid.uuid4().hex))

    async def _queue(
        self, graph: Graph, on_event: OnEvent | None, workflow: dict[str, Any] | None, client: str
    ) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.url}/ws?clientId={client}", max_msg_size=0) as socket_,
        ):
            extra = {} if workflow is None else {"extra_pnginfo": {"workflow": workflow}}
            answer = self.get("/prompt", {"prompt": graph, "client_id": client, "extra_data": extra})
            if answer["node_errors"]:  # it runs only what does not depend on these
                raise ServerError(_refusal(json.dumps({"error": {"message": "refused in part"}, **answer})))
            prompt = answer["prompt_id"]
            failure = ""
            async for message in socket_:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue  # a preview image
                event = message.json()
                kind, data = event["type"], event["data"]
                if data.get("prompt_id", prompt) != prompt:
                    continue
                if on_event:
                    on_event(kind, data)
                if kind == "execution_error":
                    failure = f"{data['node_type']} (node {data['node_id']}): {data['exception_message']}"
                elif kind == "execution_interrupted":
                    failure = "the run was interrupted"
                elif kind == "executing" and data["node"] is None:  # the history is written by now
                    break
            else:
                raise ServerError(f"the server went away:\n{self.log_tail()}")
        if failure:
            raise ServerError(failure.strip())
        return self.get(f"/history/{prompt}")[prompt]["outputs"]

    def files(self, output: dict[str, Any]) -> list[Path]:
        """The saved images among what one node showed."""
        saved = [image for image in output.get("images", []) if image["type"] == "output"]
        return [self.images / image["subfolder"] / image["filename"] for image in saved]

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def serve(root: Path, python: Path, folder: Path) -> Iterator[Server]:
    """Starts ComfyUI with this pack as its only custom node, writing nothing outside `folder`.

    Raises:
        ServerError: it did not come up, or does not have this pack.
    """
    if not (pack := linked_as(root)):
        raise ServerError(f"{root / 'custom_nodes'}: expected a link to {REPO}, got none.")
    folder = folder.resolve()
    for name in ("images", "input", "user"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        python, "main.py", "--listen", "127.0.0.1", "--port", port, "--disable-auto-launch",
        "--output-directory", folder / "images", "--input-directory", folder / "input",
        "--temp-directory", folder, "--user-directory", folder / "user", "--database-url", "sqlite:///:memory:",
        "--disable-api-nodes", "--disable-all-custom-nodes", "--whitelist-custom-nodes", pack,
    ]  # fmt: skip
    if not has_cuda():
        command.append("--cpu")
    env = os.environ | {"PYTHONUNBUFFERED": "1"}
    if not root.is_relative_to(REPO):
        env["PYTHONDONTWRITEBYTECODE"] = "1"  # the user's own ComfyUI stays as it is
    with (folder / "server.log").open("wb") as log:
        # A session of its own: Ctrl-C reaches only us, and we stop it.
        process = subprocess.Popen(
            [str(part) for part in command], cwd=root, env=env, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=end_with_parent,
        )  # fmt: skip
        server = Server(f"http://127.0.0.1:{port}", folder, process)
        try:
            wait_until_ready(server)
            yield server
        finally:
            stop(process)


def wait_until_ready(server: Server) -> None:
    """Returns once the server answers."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise ServerError(f"ComfyUI ended with {server.process.returncode}:\n{server.log_tail()}")
        with contextlib.suppress(OSError):
            server.get("/system_stats")
            return
        time.sleep(0.1)
    raise ServerError(f"ComfyUI did not answer for {READY_SECONDS} seconds:\n{server.log_tail()}")


def end_with_parent() -> None:
    """Asks Linux to end the server when we are killed before we can stop it."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the server: asks first, and kills it if it does not end."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _refusal(text: str) -> str:
    """The server's answer to a workflow it does not accept, as one text."""
    try:
        answer = json.loads(text)
        lines = [answer["error"]["message"]]
        for node_id, node in answer.get("node_errors", {}).items():
            for error in node["errors"]:
                lines.append(f"{node['class_type']} (node {node_id}): {error['message']}: {error['details']}")
    except (ValueError, KeyError, TypeError):
        return text
    return "\n".join(lines)
