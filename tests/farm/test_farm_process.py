"""A command in a process of its own, with programs that write what the farm writes."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest
from comfyui_sage.sage_core.farm.process import run_command


def program(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "program.py").write_text("import sys, time\n" + text, encoding="utf-8")
    return [sys.executable, str(tmp_path / "program.py")]


def test_events_come_as_they_are_told(tmp_path: Path) -> None:
    """The command goes on only when its first event has come."""
    command = program(tmp_path, f"""
import pathlib
print('{{"event": "start"}}', flush=True)
while not pathlib.Path({str(tmp_path / "come")!r}).exists():
    time.sleep(0.01)
print('{{"event": "end", "files": "ä"}}'.encode().decode(), flush=True)
""")  # fmt: skip
    looks: list[float] = []

    def look() -> None:
        looks.append(time.monotonic())
        if len(looks) > 5:
            (tmp_path / "come").touch()

    events = run_command(command, look)
    assert next(events) == {"event": "start"} and not (tmp_path / "come").exists()
    assert [event["event"] for event in events] == ["end"]
    assert len(looks) > 5


class Stop(Exception):
    pass


@pytest.mark.skipif(sys.platform == "win32", reason="there a stop is a kill")
def test_a_stop_lets_the_command_end_by_itself(tmp_path: Path) -> None:
    command = program(tmp_path, """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in the background without it
try:
    print('{"event": "start"}', flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    print('{"event": "stopped"}', flush=True)
""")  # fmt: skip
    seen: list[str] = []

    def look() -> None:
        if seen:
            raise Stop

    with pytest.raises(Stop):
        for event in run_command(command, look):
            seen.append(event["event"])
    assert seen == ["start", "stopped"]
    assert not [each for each in psutil.Process().children() if str(tmp_path) in " ".join(each.cmdline())]


def test_a_command_that_dies_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="The farm ended with code 7"):
        list(run_command(program(tmp_path, "sys.exit(7)"), lambda: None))
