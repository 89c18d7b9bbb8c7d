"""The command line of the farm."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sage_core.farm.comfy_arguments import split
from .report import Report, standard_output

if TYPE_CHECKING:
    from .engine import FarmEngine

FINISHED, USAGE, FAILURES, STOPPED = 0, 2, 3, 130


def main(arguments: list[str], pack: Path) -> int:
    """Run a command.

    Args:
        pack: the folder of this pack, inside custom_nodes.

    Returns:
        The exit code: 0 all is there, 2 it cannot begin or go on, 3 some prompts failed, 130 it was stopped.
    """
    options = _parser(pack).parse_args(arguments)
    report = Report(standard_output(), as_json=options.json)
    try:
        return options.run(options, report)
    except (ValueError, OSError) as error:
        report.tell("error", error=str(error))
        return USAGE
    except KeyboardInterrupt:  # while ComfyUI starts
        return STOPPED


def _render(options: argparse.Namespace, report: Report) -> int:
    from ..sage_core.farm.tasks import parse_shard
    from ..sage_core.farm.workflow_file import read_workflow

    workflow, shard = read_workflow(options.workflow), parse_shard(options.shard)
    if options.retries < 1 or (options.split is not None and options.split < 1):
        raise ValueError(f"split, retries: expected at least 1, got {options.split} and {options.retries}.")
    prompts, out = options.prompts.absolute(), options.out.absolute()
    if not prompts.is_file():
        raise ValueError(f"prompts: expected a .txt, .csv, .tsv or .json file, got {prompts}, which is none.")
    with _engines(options, out, workflow, report) as engines:
        from .render import Settings, render  # not before ComfyUI is there: it imports torch

        settings = Settings(prompts, out, shard, options.split, options.retries, options.plan)
        return render(engines, settings, report)


def _check(options: argparse.Namespace, report: Report) -> int:
    from ..sage_core.farm.workflow_file import read_workflow

    workflow = read_workflow(options.workflow)
    with tempfile.TemporaryDirectory(prefix="sage-farm-check-") as folder:
        out = Path(folder)
        with _engines(options, out / "images", workflow, report) as engines:
            from .check import check  # not before ComfyUI is there: it imports torch

            return check(engines, out, report)


@contextmanager
def _engines(
    options: argparse.Namespace, out: Path, workflow: dict[str, Any], report: Report
) -> Iterator[Sequence[FarmEngine]]:
    """Context with what renders: this process, or workers."""
    comfy = options.comfy.absolute()
    if not (comfy / "main.py").is_file():
        raise ValueError(f"comfy: expected the folder of a ComfyUI, with main.py in it, got {options.comfy}.")
    asked = [name for name in ("address", "workers", "gpus") if getattr(options, name) is not None]
    if options.engine == "local" and asked:
        raise ValueError(f"{asked[0]}: expected the engine ray, got local. Leave --engine out, or choose ray.")
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"workers: expected at least 1, got {options.workers}.")
    if options.gpus is not None and not 0 <= options.gpus < float("inf"):
        raise ValueError(f"gpus: expected 0 or more, got {options.gpus}.")
    split(options.comfy_args)  # only a look: workers would say later, and each for itself, what is wrong
    if options.engine == "ray" or asked:
        from .ray_engine import Cluster, ray_engines

        cluster = Cluster(options.pack, comfy, options.comfy_args, workflow, out, options.gpus, report.tell)
        with ray_engines(cluster, options.address or "local", options.workers) as engines:
            yield engines
        return
    from .local_engine import LocalEngine

    engine = LocalEngine(comfy, out, options.comfy_args, workflow)
    try:
        yield [engine]
    finally:
        engine.close()


def _status(options: argparse.Namespace, report: Report) -> int:
    from ..sage_core.farm.job import has_job, read_job
    from ..sage_core.farm.ledger import FOLDER, done_prompts, failures, ledgers, prompts_by_worker

    out = options.out.absolute()
    if not has_job(out / FOLDER):
        raise ValueError(f"out: expected the output folder of a job, got {out}, which has none.")
    groups, paths = read_job(out / FOLDER).groups, ledgers(out / FOLDER)
    done = done_prompts(paths, out)
    failed = {prompt: error for prompt, error in failures(paths).items() if prompt not in done}
    for worker, count in prompts_by_worker(paths).items():
        report.tell("worker", worker=worker, done=count)
    for prompt, error in failed.items():
        report.tell("failed", prompts=[prompt], error=error, texts=[groups.prompts[prompt]])
    report.tell(
        "status", prompts=len(groups.prompts), groups=len(groups.partition), done=len(done), failed=len(failed),
        left=len(groups.prompts) - len(done) - len(failed),
    )  # fmt: skip
    return FINISHED


def _parser(pack: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="farm", description="Renders a long prompt list in parts, and goes on after a stop."
    )
    commands = parser.add_subparsers(required=True)
    render = commands.add_parser("render", help="render a list, or go on with it")
    _add_workflow(render)
    render.add_argument("--prompts", type=Path, required=True, help="the list: a .txt, .csv, .tsv or .json file")
    render.add_argument("--out", type=Path, required=True, help="the folder for the images; the same one to go on")
    render.add_argument("--shard", default="1/1", metavar="I/N", help="render part I of N parts (every N-th task)")
    render.add_argument("--split", type=int,
                        help="most prompts in a task; a larger group is one task, or is rendered in parts by several "
                        "workers if SAGE Branch and Save saves. Left out: 64 or fewer")  # fmt: skip
    render.add_argument("--retries", type=int, default=3, help="how often a group is tried before it is given up")
    render.add_argument("--plan", action="store_true", help="only group the prompts, and tell what they will cost")
    render.add_argument("--json", action="store_true", help="write one line of JSON per event")
    _add_engine(render, pack)
    render.set_defaults(run=_render)
    check = commands.add_parser("check", help="try every worker with a small group of prompts")
    _add_workflow(check)
    _add_engine(check, pack)
    check.add_argument("--json", action="store_true", help="write one line of JSON per event")
    check.set_defaults(run=_check)
    status = commands.add_parser("status", help="tell what is done")
    status.add_argument("out", type=Path, help="the folder that was given as --out")
    status.add_argument("--json", action="store_true", help="write one line of JSON per event")
    status.set_defaults(run=_status)
    return parser


def _add_workflow(command: argparse.ArgumentParser) -> None:
    text = "the workflow: as the page saves or exports it, or a PNG with it"
    command.add_argument("workflow", type=Path, help=text)


def _add_engine(command: argparse.ArgumentParser, pack: Path) -> None:
    """Arguments of every command that starts ComfyUI."""
    command.add_argument("--engine", choices=["local", "ray"],
                         help="in this process, or on workers; ray if one of the next three is given")  # fmt: skip
    command.add_argument("--address", help="local, to start Ray on this machine, or HOST:PORT of a Ray cluster")
    command.add_argument("--workers", type=int, help="how many workers; as many as there are GPUs if left out")
    command.add_argument("--gpus", type=float, help="GPUs of a worker; 1 if left out, 0 for a machine without")
    command.add_argument("--comfy", type=Path, default=pack.parent.parent,
                         help="the folder of ComfyUI; not needed where this pack is in its custom_nodes")  # fmt: skip
    command.add_argument(
        "--comfy-args", default="", help='more arguments for ComfyUI, such as --comfy-args="--lowvram"'
    )
    command.set_defaults(pack=pack)
