"""Runs the tests inside a real ComfyUI: the one in COMFYUI_PATH, by the Python that runs pytest."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

REPO = Path(__file__).resolve().parent.parent
if "COMFYUI_PATH" not in os.environ:
    raise pytest.UsageError("COMFYUI_PATH: expected the folder of a ComfyUI; scripts/test.sh sets it")
HOST = Path(os.environ["COMFYUI_PATH"]).resolve()
os.environ["HF_HUB_OFFLINE"] = "1"
sys.path += [str(REPO / "scripts"), str(REPO / "tests" / "support")]

from pack import load_pack  # noqa: E402

if TYPE_CHECKING:
    from comfyui_sage.sage_core.prompts.embedding_models import Embed
    from comfyui_server import Server

hypothesis.settings.register_profile("sage", deadline=None, database=None, derandomize=True)
hypothesis.settings.load_profile("sage")
load_pack(HOST)


@pytest.fixture(scope="session")
def host_version() -> tuple[int, ...]:
    """The version of the ComfyUI under test, as numbers."""
    import comfyui_version

    return tuple(int(part) for part in comfyui_version.__version__.split("."))


@pytest.fixture(scope="session")
def minilm() -> Embed:
    """A sentence encoder with real weights."""
    from comfyui_sage.sage_core.prompts.embedding_models import sentence_encoder
    from encoders import minilm_folder

    return sentence_encoder(minilm_folder())


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A live server of ComfyUI with the pack as its only custom node."""
    from comfyui_server import serve

    with serve(HOST, Path(sys.executable), tmp_path_factory.mktemp("server")) as running:
        yield running
