"""The command line of the farm."""

from __future__ import annotations

import argparse
from pathlib import Path

from .report import Report, standard_output

FINISHED, USAGE, FAILURES, STOPPED = 0, 2, 3, 130


def main(arguments: list[str], pack: Path) -> int:
    """Run a command.

    Args:
        pack: the folder of this pack, inside custom_nodes.

    Returns:
        The exit code: 0 all is there, 2 it cannot begin, 3 some prompts failed, 130 it was stopped.
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
    from ..sage_core.farm.graphs import read_graph
    from ..sage_core.farm.tasks import parse_shard

    graph, shard = read_graph(options.workflow), parse_shard(options.shard)
    if options.split < 1 or options.retries < 1:
        raise ValueError(f"split, retries: expected at least 1, got {options.split} and {options.retries}.")
    prompts, out = options.prompts.absolute(), options.out.absolute()
    if not prompts.is_file():
        raise ValueError(f"prompts: expected a .txt, .csv, .tsv or .json file, got {prompts}, which is none.")
    if not (options.comfy / "main.py").is_file():
        raise ValueError(f"comfy: expected the folder of a ComfyUI, with main.py in it, got {options.comfy}.")

    from .host import Host

    host = Host(options.comfy.absolute(), out, options.comfy_args)
    from .render import Settings, render  # not before: it imports torch

    settings = Settings(prompts, out, shard, options.split, options.retries, options.plan)
    return render(host, graph, settings, report)


def _status(options: argparse.Namespace, report: Report) -> int:
    from ..sage_core.farm.job import FOLDER, has_job, read_job
    from ..sage_core.farm.ledger import done_prompts, failures, ledgers

    out = options.out.absolute()
    if not has_job(out / FOLDER):
        raise ValueError(f"out: expected the output folder of a job, got {out}, which has none.")
    groups, paths = read_job(out / FOLDER).groups, ledgers(out / FOLDER)
    done = done_prompts(paths, out)
    failed = {prompt: error for prompt, error in failures(paths).items() if prompt not in done}
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
    render.add_argument(
        "workflow", type=Path, help="the workflow: an API export of ComfyUI, or a PNG that it has saved"
    )
    render.add_argument("--prompts", type=Path, required=True, help="the list: a .txt, .csv, .tsv or .json file")
    render.add_argument("--out", type=Path, required=True, help="the folder for the images; the same one to go on")
    render.add_argument("--shard", default="1/1", metavar="I/N", help="render part I of N parts (every N-th task)")
    render.add_argument("--split", type=int, default=64, help="most prompts in a task; a larger group is one task")
    render.add_argument("--retries", type=int, default=3, help="how often a group is tried before it is given up")
    render.add_argument("--plan", action="store_true", help="only group the prompts, and tell what they will cost")
    render.add_argument("--json", action="store_true", help="write one line of JSON per event")
    render.add_argument("--comfy", type=Path, default=pack.parent.parent, 
                        help="the folder of ComfyUI; not needed where this pack is in its custom_nodes")  # fmt: skip
    render.add_argument("--comfy-args", default="", help='more arguments for ComfyUI, such as "--lowvram"')
    render.set_defaults(run=_render)
    status = commands.add_parser("status", help="tell what is done")
    status.add_argument("out", type=Path, help="the folder that was given as --out")
    status.add_argument("--json", action="store_true", help="write one line of JSON per event")
    status.set_defaults(run=_status)
    return parser
