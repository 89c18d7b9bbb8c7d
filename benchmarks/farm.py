"""How well the farm uses workers: measured with two, simulated with up to a thousand.

    python benchmarks/farm.py --out DIR [--prompts 48] [--steps 60]     one worker against two, on idle cores
    python benchmarks/farm.py --simulate                                no ComfyUI, seconds

The measurement renders a list with the demo model, by the farm's own command, one thread per process: with workers of
Ray, and without Ray as shards, which says what the machine allows. What counts is the rate of finished prompts while
all processes render, in turns, as a ratio.

The simulation pulls the farm's own tasks (`shrinking_tasks`) in a model of a cluster. It assumes 10 s an image, 80 s
until a worker is there, group sizes by a Pareto law (shape 1.5, at most 64), 1 s until a death is noticed, 5 ms of the
driver per task and 2 ms per image. GPUs that differ take 1 to 1.6 times
as long. What is lost with a worker is rendered again.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

import numpy as np
from comfyui_sage.sage_core.farm.tasks import Task, make_tasks, prompts_of, shrinking_tasks

IMAGE, START, NOTICE = 10.0, 80.0, 1.0
DRIVER_TASK, DRIVER_IMAGE = 0.005, 0.002
SPLIT = 64
# prompts, workers, how much slower the slowest GPU is, hours between two deaths of a worker (0: none)
CASES = [
    (1_000, 8, 0.0, 0.0), (1_000, 8, 0.6, 0.0), (10_000, 64, 0.0, 0.0), (10_000, 64, 0.6, 5.0),
    (100_000, 100, 0.0, 0.0), (100_000, 1_000, 0.0, 0.0), (100_000, 1_000, 0.6, 5.0),
]  # fmt: skip


def groups_of(prompts: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """A partition with many small groups and some large ones."""
    rng = np.random.default_rng(seed)
    ends, total = [0], 0
    while total < prompts:
        total = min(prompts, total + min(SPLIT, 1 + int(rng.pareto(1.5) * 2)))
        ends.append(total)
    return tuple(tuple(range(start, end)) for start, end in itertools.pairwise(ends))


def simulate(prompts: int, workers: int, spread: float, hours: float, way: str, seed: int = 0) -> dict[str, float]:
    """Render a list in a model of a cluster.

    Args:
        way: shrinking (the farm's), fixed (pulled tasks of one size) or dealt (shards).
    """
    rng = np.random.default_rng([seed, prompts, workers])
    partition = groups_of(prompts, seed)
    slowness = 1 + spread * rng.random(workers)
    fixed = make_tasks(partition, SPLIT)
    tasks = iter(fixed) if way != "shrinking" else shrinking_tasks(range(len(partition)), partition, SPLIT, workers)
    dealt = [deque(fixed[worker::workers]) for worker in range(workers)] if way == "dealt" else None
    again: deque[Task] = deque()
    free = [(START, worker) for worker in range(workers)]
    heapq.heapify(free)
    driver, count, end, left = 0.0, 0, 0.0, len(partition)
    deaths = np.full(workers, np.inf) if not hours else START + rng.exponential(hours * 3600, workers)
    while left:
        now, worker = heapq.heappop(free)
        if dealt:
            task = dealt[worker].popleft() if dealt[worker] else None
        else:
            task = again.popleft() if again else next(tasks, None)
        if task is None:
            if not dealt and free:  # what runs elsewhere may come back
                heapq.heappush(free, (free[0][0] + 1e-6, worker))
            continue
        count += 1
        size = len(prompts_of(task, partition))
        driver += DRIVER_TASK + size * DRIVER_IMAGE
        done_at = now + size * IMAGE * slowness[worker]
        if deaths[worker] < done_at:
            again.extend((group,) for group in task)
            done_at = deaths[worker] + NOTICE + START
            deaths[worker] = done_at + rng.exponential(hours * 3600)
        else:
            left -= len(task)
            end = max(end, done_at)
        heapq.heappush(free, (done_at, worker))
    possible = START + prompts * IMAGE / float((1 / slowness).sum())
    return {"tasks": count, "hours": end / 3600, "of possible": possible / end, "driver": driver / end}


def table() -> str:
    """All cases, as Markdown."""
    lines = ["| prompts | workers | GPUs differ by | a death every | tasks | hours | of possible | driver busy |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for case in CASES:
        for way in ("shrinking", "fixed", "dealt"):
            if way == "dealt" and case[3]:
                continue  # nobody takes over a shard
            found = simulate(*case, way)
            prompts, workers, spread, hours = case
            lines.append(
                f"| {prompts:,} | {workers:,} | {spread:.0%} | {f'{hours:g} h a worker' if hours else 'never'} | "
                f"{found['tasks']:,.0f} {way} | {found['hours']:.2f} | {found['of possible']:.0%} | "
                f"{found['driver']:.1%} |"
            )
    return "\n".join(lines)


def rate(out: Path, processes: int, prompts: int, steps: int, *, ray: bool) -> float:
    """Prompts per second, from the moment at which all processes are there to the moment at which the first one ends.

    Args:
        out: a new folder.
        ray: one command with so many workers; else so many commands, each with a shard.
    """
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))
    from farm_graph import farm_graph

    out.mkdir(parents=True)
    (out / "graph.json").write_text(json.dumps(farm_graph(steps=steps)), encoding="utf-8")
    colours, things = ("red", "blue", "green", "white"), ("car", "boat", "house", "tree", "star", "fish")
    numbers = range(prompts // 24 + 1)
    texts = [f"a {colour} {thing} {number}" for number, thing, colour in itertools.product(numbers, things, colours)]
    (out / "list.txt").write_text("\n".join(texts[:prompts]), encoding="utf-8")
    parts = range(1, processes + 1)
    own = [["--gpus", "0", "--workers", processes]] if ray else [["--shard", f"{part}/{processes}"] for part in parts]
    with ThreadPoolExecutor(len(own)) as pool:
        events = list(pool.map(lambda arguments: _events(out, arguments), own))
    start = max(moment for each in events for moment, event in each if event in ("ready", "start"))
    saved = [[moment for moment, event in each if event == "saved"] for each in events]
    end = min(moments[-1] for moments in saved)
    count = sum(start < moment <= end for moments in saved for moment in moments)
    return count / (end - start)


def _events(out: Path, arguments: Sequence[Any]) -> list[tuple[float, str]]:
    """Run the command; when it has told what."""
    root = Path(os.environ.get("COMFYUI_PATH", comfyui.REPO / ".hosts" / "0.30.0" / "ComfyUI"))
    given = ["--prompts", out / "list.txt", "--out", out / "images", "--split", "4", "--json", "--comfy", root,
             "--comfy-args", "--cpu --disable-api-nodes", *arguments]  # fmt: skip
    command = map(str, [sys.executable, comfyui.REPO / "farm", "render", out / "graph.json", *given])
    quiet: dict[str, Any] = {"stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(list(command), stdout=subprocess.PIPE, **quiet) as process:
        assert process.stdout
        return [(time.monotonic(), json.loads(line)["event"]) for line in process.stdout]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--simulate", action="store_true", help="the model of a cluster only")
    parser.add_argument("--out", type=Path, help="a folder for the images")
    parser.add_argument("--prompts", type=int, default=48)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()
    if options.simulate:
        print(table())
        return
    if options.out is None:
        parser.error("--out: expected a folder")
    for turn in range(options.turns):
        for ray, name in ((True, "workers of Ray"), (False, "shards without Ray")):
            one, two = (
                rate(options.out / f"{turn}-{name}-{count}", count, options.prompts, options.steps, ray=ray)
                for count in (1, 2)
            )
            print(f"{name}: one {one:.3f} prompts/s, two {two:.3f}: {two / one:.2f} times as many", flush=True)


if __name__ == "__main__":
    main()
