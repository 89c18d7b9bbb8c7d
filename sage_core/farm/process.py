"""The farm's command in a process of its own, for a program that waits for it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

# As in subprocess, and among ComfyUI's own packages. Scanners that users run over packs take the other for an attack.
from psutil import NoSuchProcess, Popen

# Seconds between two looks at whether to stop.
_LOOK = 0.2
# Seconds that a command has to end after a stop; it keeps what is whole.
_ENDS_IN = 30
_LAST = ("end", "stopped", "error")


def run_command(command: Sequence[str], look: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """Run a command of the farm that writes JSON lines.

    Args:
        look: is called several times a second; to stop the command it raises an error, which passes through when
            the command has ended.

    Yields:
        The events, as they come.

    Raises:
        RuntimeError: it ended without a last word.
    """
    process = Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    killer = threading.Timer(_ENDS_IN, _kill, [process])
    stop: BaseException | None = None
    last = None
    try:
        for line in _lines(process):
            if line is not None:
                event = json.loads(line)
                last = event["event"]
                yield event
            if stop is None:
                try:
                    look()
                except BaseException as error:
                    stop = error
                    _ask_to_end(process)
                    killer.start()
    finally:
        if process.poll() is None and stop is None:
            _kill(process)  # nobody listens any more
        process.wait()
        killer.cancel()
    if stop is not None:
        raise stop
    if last not in _LAST:
        raise RuntimeError(f"The farm ended with code {process.returncode}; its reason is in ComfyUI's log.")


def _lines(process: Popen) -> Iterator[str | None]:
    """What a process writes, to its end, and None in between, several times a second."""
    lines: SimpleQueue[str | None] = SimpleQueue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=_LOOK)
        except Empty:
            yield None
            continue
        if line is None:
            return
        yield line


def _read(process: Popen, lines: SimpleQueue[str | None]) -> None:
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _ask_to_end(process: Popen) -> None:
    if sys.platform == "win32":  # there is no gentle way; what is saved is whole
        _kill(process)
    else:
        with suppress(NoSuchProcess):
            process.send_signal(signal.SIGINT)


def _kill(process: Popen) -> None:
    with suppress(NoSuchProcess):  # it has ended by itself
        process.kill()
