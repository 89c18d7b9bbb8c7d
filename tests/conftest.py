"""Runs the tests inside a real ComfyUI: the one in COMFYUI_PATH, by the Python that runs pytest."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import torch

REPO = Path(__file__).resolve().parent.parent
if "COMFYUI_PATH" not in os.environ:
    raise pytest.UsageError("COMFYUI_PATH: expected the folder of a ComfyUI; scripts/test.sh sets it")
HOST = Path(os.environ["COMFYUI_PATH"]).resolve()
os.environ["HF_HUB_OFFLINE"] = "1"

# First, so that `nodes` and `server` are the host's. The repository's root must never be on the path.
sys.path.insert(0, str(HOST))
sys.path.append(str(REPO / "scripts"))

from comfy.cli_args import args  # noqa: E402

# Before anything else of comfy is imported: it looks for devices at import.
args.cpu = not torch.cuda.is_available()

if TYPE_CHECKING:
    from live import Server

hypothesis.settings.register_profile("sage", deadline=None, database=None, derandomize=True)
hypothesis.settings.load_profile("sage")


def import_pack() -> None:
    """Imports the pack from the repository as the package `comfyui_sage`."""
    spec = importlib.util.spec_from_file_location(
        "comfyui_sage", REPO / "__init__.py", submodule_search_locations=[str(REPO)]
    )
    assert spec and spec.loader
    sys.modules["comfyui_sage"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


import_pack()


@pytest.fixture(scope="session")
def host_version() -> tuple[int, ...]:
    """The version of the ComfyUI under test, as numbers."""
    import comfyui_version

    return tuple(int(part) for part in comfyui_version.__version__.split("."))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A live server of the host with the pack as its only custom node."""
    from live import serve

    with serve(HOST, Path(sys.executable), tmp_path_factory.mktemp("server")) as running:
        yield running
