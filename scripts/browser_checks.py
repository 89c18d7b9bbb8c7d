"""Starts a server of each ComfyUI version, lets tests/browser/check.mjs drive its page, and adds up the results.

Run by scripts/browser.sh with the Python of one of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from comfyui_server import serve
from install_comfyui import HOSTS, REPO, Host

BROWSER = REPO / "tests" / "browser"
RENDERERS = {"0.30.0": ("classic", "vue")}  # Nodes 2.0 of the older page still moves nodes about
# In the older page, one case of each kind is enough: what differs are the page's own parts.
CASES = {
    "0.3.75": "lists|node sizes|panel|prompt editor|pictures|saved graphs|blueprint|share here|Try SAGE|Two nodes|"
    "second pass",
}


def check(version: str) -> tuple[int, int]:
    """Cases passed and failed in the page of that version."""
    host = Host(HOSTS / version / "ComfyUI", HOSTS / version / "venv" / "bin" / "python")
    artifacts = BROWSER / "artifacts" / version
    shutil.rmtree(artifacts, ignore_errors=True)
    artifacts.mkdir(parents=True)
    print(f"== ComfyUI {version}", flush=True)
    with tempfile.TemporaryDirectory() as folder, serve(host.root, host.python, Path(folder)) as server:
        command = ["node", BROWSER / "check.mjs", server.url, artifacts, *RENDERERS.get(version, ("classic",))]
        results = {"ok": 0, "FAIL": 0}
        cases = {"SAGE_CASES": CASES.get(version, ""), **os.environ}
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=cases) as process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                result = line.partition(" ")[0]
                if result in results:
                    results[result] += 1
        shutil.copy(server.log, artifacts)
    # A check that dies without a word is a failure too.
    return results["ok"], results["FAIL"] or int(process.returncode != 0)


def main() -> int:
    """The command line: ComfyUI versions that are set up."""
    results = [check(version) for version in sys.argv[1:]]
    passed, failed = (sum(column) for column in zip(*results, strict=True))
    print(f"Screenshots: {(BROWSER / 'artifacts').relative_to(REPO)}")
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
