"""The farm on workers that Ray starts: the same bytes as in one process, whatever dies."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import psutil
import pytest
from comfyui_sage.farm import ray_engine
from comfyui_sage.farm.command import FINISHED, STOPPED, USAGE
from comfyui_sage.farm.ray_engine import Cluster, RayEngine, ray_engines
from comfyui_sage.farm.ray_worker import RayWorker
from comfyui_sage.sage_core.farm.job import read_job
from comfyui_sage.sage_core.farm.ledger import ledgers, read
from comfyui_server import free_port
from farm_graph import farm_graph
from farm_process import events, farm, finished, pictures, ray_processes, until
from PIL import Image

# ComfyUI starts in up to three processes in a test, and Ray in seven, beside another suite.
pytestmark = pytest.mark.timeout(900)
CPU = ("--gpus", "0", "--workers")


def pid_of(ready: dict[str, Any]) -> int:
    """The process of a worker, from the event that says that it is there."""
    found = re.search(r"process (\d+)$", ready["worker"])
    assert found
    return int(found[1])


def is_running(pid: int) -> bool:
    """Whether a process works; one that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until_gone(pid: int) -> None:
    """Return when a process has ended; Ray ends its workers within a second or two."""
    end = time.monotonic() + 30
    while is_running(pid):
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_worker_is_killed(files: Path, whole: Path) -> None:
    """Two workers render what one process renders. What the killed one has saved stays, and it is replaced."""
    with farm(files, "workers", *CPU, "2") as process:
        victim = pid_of(until(process, "ready"))
        until(process, "saved", 6)
        os.kill(victim, signal.SIGKILL)
        said = list(events(process))
        assert process.wait(60) == FINISHED, said[-1]
    assert said[-1] == {"event": "end", "prompts": 24, "done": 24, "failed": 0}
    [lost] = [event for event in said if event["event"] == "lost"]
    assert str(victim) in lost["worker"]
    out = files / "workers"
    assert pictures(out) == pictures(whole)
    records = [record for path in ledgers(out / ".sage") for record in read(path)]
    assert sorted(record["prompt"] for record in records) == list(range(24))
    assert len({record["worker"] for record in records}) >= 2


def test_the_command_is_killed_then_stopped_then_goes_on_without_ray(files: Path, whole: Path) -> None:
    out = files / "driver"
    with farm(files, "driver", *CPU, "1") as process:
        worker = pid_of(until(process, "ready"))
        until(process, "saved", 6)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    until_gone(worker)
    assert not list(out.rglob("*.part"))
    kept = pictures(out)
    assert 12 <= len(kept) < 48

    with farm(files, "driver", *CPU, "1") as process:
        worker = pid_of(until(process, "ready"))
        assert until(process, "start")["done"] == len(kept) // 2
        until(process, "saved")
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        *_, last = events(process)
        took = time.monotonic() - start
        assert process.wait(60) == STOPPED and last["event"] == "stopped"
    assert took < 20  # 1 to 2 s on an idle machine
    until_gone(worker)
    code, _ = finished(files, "driver")
    assert code == FINISHED and pictures(out) == pictures(whole)


def test_workers_share_a_large_group(files: Path, whole: Path) -> None:
    """Its shared steps run once, on one of them, and its parts on both."""
    code, said = finished(files, "divided", *CPU, "2", "--split", "2")
    assert code == FINISHED
    groups = read_job(files / "divided" / ".sage").groups
    large = [members for members in groups.partition if len({groups.prompts[prompt] for prompt in members}) > 2]
    assert large and [event["event"] for event in said].count("shared steps") == len(large)
    found, expected = pictures(files / "divided"), pictures(whole)
    assert found.keys() == expected.keys()
    for name in found:
        one, other = (np.array(Image.open(BytesIO(data)), dtype=int) for data in (found[name], expected[name]))
        assert np.abs(one - other).max() <= 1, name
    assert not list((files / "divided" / ".sage").glob("shared*"))


def test_a_worker_that_fails_in_a_way_of_its_own_says_so() -> None:
    """The run waits for its last word."""

    class Full:
        def render(self, *task: Any) -> None:
            raise OSError("no space left")

    worker = RayWorker.__new__(RayWorker)
    worker._engine = Full()  # type: ignore[assignment]
    worker._take = lambda job: None  # type: ignore[method-assign]
    assert list(worker.render([], [0], [], [])) == ["OSError: no space left"]


def test_a_stop_kills_a_worker_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: SimpleQueue[Any] = SimpleQueue()
    monkeypatch.setattr(ray_engine, "_ENDS_IN", 0.1)
    monkeypatch.setattr(ray_engine, "_ray", lambda: SimpleNamespace(kill=killed.put))
    engine = RayEngine(MagicMock(), 1)
    engine.stop()
    assert engine.is_stopped and killed.get(timeout=10) is engine._worker


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of two machines, with a token, for one worker each. Here both are this machine."""
    for name, value in {"HOME": str(tmp_path), "RAY_AUTH_MODE": "token", "RAY_worker_niceness": "0"}.items():
        monkeypatch.setenv(name, value)
    port, folder = free_port(), tempfile.mkdtemp(prefix="ray-")  # the names of sockets must be short
    own = ["--num-cpus", "1", "--num-gpus", "0", "--object-store-memory", str(200 << 20), "--disable-usage-stats"]
    head = ["--head", "--port", str(port), "--include-dashboard", "false", "--temp-dir", folder]
    start = [["start", *place, *own] for place in (head, ["--address", f"127.0.0.1:{port}"])]
    try:
        for command in (["get-auth-token", "--generate"], *start):
            program = [Path(sys.executable).parent / "ray", *command]
            subprocess.run(program, check=True, capture_output=True, cwd="/", timeout=120)
        yield f"127.0.0.1:{port}"
    finally:
        for process in ray_processes("raylet", "gcs_server"):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_machine_of_a_cluster_is_lost(files: Path, whole: Path, cluster: str) -> None:
    """What its worker has not saved goes to the other one."""
    with farm(files, "cluster", "--address", cluster, *CPU, "2") as process:
        for _ in range(2):
            until(process, "ready")
        until(process, "saved", 4)
        ray_processes("raylet")[-1].kill()
        said = list(events(process))
        assert process.wait(60) == FINISHED, said[-1]
    assert said[-1] == {"event": "end", "prompts": 24, "done": 24, "failed": 0}
    assert "lost" in {event["event"] for event in said}
    assert pictures(files / "cluster") == pictures(whole)


def test_a_machine_without_the_pack_is_named(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray says that a worker is there although its start has failed: only its answer counts."""
    monkeypatch.setenv("SAGE_FARM_PACK", "/nowhere")
    code, said = finished(files, "nowhere", *CPU, "1")
    assert code == USAGE
    assert {event["event"] for event in said[:-1]} == {"not started"}
    assert "SAGE_FARM_PACK: expected this pack in /nowhere" in said[0]["error"]
    assert "workers: expected one that starts" in said[-1]["error"]


def test_another_model_or_version_is_refused(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, tmp_path, "", farm_graph(), tmp_path, 0, lambda event, **data: None)
    cluster.check_same({"SAGE version": "1", "file a.safetensors": "x"})
    cluster.check_same({"SAGE version": "1", "file a.safetensors": "x"})
    for other in ({"SAGE version": "1", "file a.safetensors": "y"}, {"SAGE version": "1"}):
        with pytest.raises(ValueError, match=r"expected what the first worker has, got another file a\.safetensors"):
            cluster.check_same(other)


def test_without_ray_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    cluster = Cluster(tmp_path, tmp_path, "", farm_graph(), tmp_path, 0, lambda event, **data: None)
    with pytest.raises(ValueError, match="python -m pip install"), ray_engines(cluster, "local", 1):
        pass


def test_an_address_without_a_cluster_is_named(files: Path) -> None:
    code, said = finished(files, "unreachable", "--address", "127.0.0.1:9")
    assert code == USAGE and "address: expected local, or HOST:PORT of a Ray cluster" in said[-1]["error"]
