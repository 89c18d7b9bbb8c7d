"""The layout: which package may import which, and where ComfyUI is touched."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
CORE = REPO / "sage_core"
# A package or leaf module of sage_core imports lower floors only.
FLOOR = {
    "conditioning": 1, "demo": 1, "atomic_file": 1, "file_names": 1, "name_tokens": 1, "output_space": 1,
    "serialization": 2, "validation": 1, "vectors": 1, "phrases": 1, "graph": 0, "prompts": 2, "grouping": 3,
    "sharing": 4, "images": 4, "farm": 4, "sampling": 5, "metrics": 5, "prefix": 6, "training": 6,
    "explorer": 6, "split": 6, "panels": 7, "socket_values": 2, "tensor_shelf": 0,
}  # fmt: skip
COMFY = {"comfy", "comfy_extras", "latent_preview"}
# The only files of sage_core that touch ComfyUI's internals.
COMFY_FILES = {
    "sampling/latents", "sampling/replay_guider", "sampling/level_runner", "sampling/predicted_calls",
    "sampling/model_patches",
    "sampling/divergence", "sampling/prefix", "sampling/guiders", "sampling/ksampler", "sampling/reference_memory",
    "sampling/planner", "sampling/own_seeds", "sampling/out_of_memory", "sampling/shared_sampling",
    "sampling/share_patch", "prefix/file", "panels/sampling", "demo/model", "demo/video", "training/adapters",
    "training/trainable_model", "training/existing_lora", "training/objective", "training/trainer",
    "training/lora_file", "training/session", "training/input_digests", "split",
}  # fmt: skip
SERVER = {"comfy_api", "folder_paths", "aiohttp", "server", "nodes"}
WITHOUT_COMFYUI = (
    "prompts", "conditioning", "grouping", "sharing", "images", "metrics", "vectors", "validation", "phrases",
    "serialization", "atomic_file", "file_names", "name_tokens", "output_space", "graph", "socket_values",
    "farm", "tensor_shelf",
)  # fmt: skip

Import = tuple[Path, int, str]
"""A file, a line, and what is imported there: `sage_core.grouping.pins` for our own modules, else its name."""


def imports(folder: Path) -> Iterator[Import]:
    """Every import of the Python files under a folder, inside functions too; relative ones as absolute ones."""
    for file in sorted(folder.rglob("*.py")):
        package = file.relative_to(REPO).with_suffix("").parts[:-1]
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file, node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
                for alias in node.names:
                    names = [base, node.module or "", alias.name]
                    yield file, node.lineno, ".".join(filter(None, names))


def module(file: Path) -> str:
    return file.relative_to(CORE).with_suffix("").as_posix()


def test_every_package_has_a_floor() -> None:
    found = {path.stem for path in CORE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found - {"__init__"} == set(FLOOR)


def test_a_package_imports_lower_floors_only() -> None:
    wrong = []
    for file, line, name in imports(CORE):
        parts = name.split(".")
        if parts[0] != "sage_core":
            continue
        own, other = file.relative_to(CORE).parts[0].removesuffix(".py"), parts[1]
        if own != other and FLOOR[other] >= FLOOR[own]:
            wrong.append(f"{file.relative_to(REPO)}:{line}: {own} (floor {FLOOR[own]}) imports {name}")
    assert wrong == []


def test_comfyui_is_touched_in_named_files_only() -> None:
    touching = {module(file) for file, _, name in imports(CORE) if name.split(".")[0] in COMFY}
    assert touching == COMFY_FILES


def test_the_core_knows_no_server_no_nodes_and_no_routes() -> None:
    wrong = [
        f"{file.relative_to(REPO)}:{line}: {name}"
        for file, line, name in imports(CORE)
        if name.split(".")[0] in SERVER | {"routes"}
    ]
    assert wrong == []


def test_routes_know_no_nodes() -> None:
    assert [(file.name, line) for file, line, name in imports(REPO / "routes") if name.split(".")[0] == "nodes"] == []


def test_nothing_knows_the_command_line() -> None:
    folders = (CORE, REPO / "nodes", REPO / "routes")
    found = [(file.name, name) for folder in folders for file, _, name in imports(folder)]
    assert [each for each in found if each[1].split(".")[0] == "farm"] == []  # nodes/farm is another one


def test_the_command_line_starts_without_torch() -> None:
    """ComfyUI sets up the memory of the GPU before torch is there."""
    code = f"""
import sys, types
sys.modules["pack"] = pack = types.ModuleType("pack")
pack.__path__ = [{str(REPO)!r}]
import pack.farm.command, pack.farm.local_engine, pack.farm.ray_worker
assert not {{"torch", *{COMFY | SERVER!r}}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True, cwd="/")


@pytest.mark.parametrize("file", sorted(CORE.rglob("__init__.py")), ids=lambda file: file.parent.name)
def test_init_files_hold_a_docstring_only(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    assert ast.get_docstring(tree) and len(tree.body) == 1


def test_pure_packages_import_without_comfyui() -> None:
    modules = [
        "pack.sage_core." + module(file).replace("/", ".")
        for name in WITHOUT_COMFYUI
        for file in ([CORE / f"{name}.py"] if (CORE / f"{name}.py").exists() else sorted((CORE / name).rglob("*.py")))
        if file.stem != "__init__"
    ]
    code = f"""
import importlib, sys, types
pack = types.ModuleType("pack")
pack.__path__ = [{str(REPO)!r}]
sys.modules["pack"] = pack
for name in {modules!r}:
    importlib.import_module(name)
assert not {COMFY | SERVER!r} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True, cwd="/")
