"""Starts a ComfyUI server and lets tests/browser/screenshots.mjs take pictures of its page.

Run by scripts/screenshots.sh with ComfyUI's Python.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from comfyui_server import serve
from install_comfyui import REPO

IMAGES = REPO / "web" / "docs" / "images"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="the folder of ComfyUI")
    parser.add_argument("names", nargs="*", help="pictures to take, without .jpg; none for all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(options.root, Path(sys.executable), Path(folder)) as server:
        command = ["node", REPO / "tests" / "browser" / "screenshots.mjs", server.url, IMAGES, *options.names]
        return subprocess.run([str(part) for part in command]).returncode


if __name__ == "__main__":
    raise SystemExit(main())
