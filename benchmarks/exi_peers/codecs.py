"""The codecs of the comparison as processes that wait for commands, so that they can take turns on one core.

All read the same messages from a file and take the same words, described in ``cbv2g.c``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Codec", "CodecError", "cbv2g_command", "engine_command", "java_command", "python_command"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
_TABLES = ROOT / "iso15118" / "exi" / "tables"
_PEER_CACHE = Path.home() / ".cache" / "iso15118-interop"
"""Where ``tests.interop`` keeps the environment of the package with the Java codec."""


class CodecError(Exception):
    """A codec cannot be made or does not take a message; the text says which and why."""


class Codec:
    """A codec that waits for commands. Close it, or use it in a ``with`` statement."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._process = subprocess.Popen(  # noqa: S603 - made from the functions below
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )

    def __enter__(self) -> Codec:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=10.0)

    def takes_ns(self, verb: str, index: int, calls: int) -> float:
        """How long one coding takes, averaged over so many. ``verb``: decode or encode."""
        return int(self._ask(f"{verb} {index} {calls}")) / calls

    def same(self, index: int) -> bytes:
        """The message decoded and encoded again."""
        return bytes.fromhex(self._ask(f"same {index}"))

    def _ask(self, command: str) -> str:
        if self._process.stdin is None or self._process.stdout is None:
            raise CodecError(f"{self.name} has no pipes")
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise CodecError(f"{self.name} has ended") from None
        answer = self._process.stdout.readline().strip()
        if not answer or answer.startswith("error"):
            raise CodecError(f"{self.name} does not take it: {answer or 'no answer'}")
        return answer


def engine_command(messages: Path) -> list[str]:
    """The Rust engine alone, built if need be."""
    cargo = ["cargo", "build", "--quiet", "--release", "-p", "iso15118-exi", "--example", "peer"]
    _run(cargo, "the engine")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return [str(target / "release" / "examples" / "peer"), str(_TABLES), str(messages)]


def python_command(messages: Path) -> list[str]:
    """``iso15118.exi``, as a session uses it."""
    return [sys.executable, "-m", "benchmarks.exi_peers.python_objects", str(messages)]


def cbv2g_command(folder: Path, messages: Path, program: Path) -> list[str]:
    """libcbv2g with ``cbv2g.c``, which is compiled to ``program``.

    ``folder`` holds the library's ``include`` and, anywhere below it, the static libraries ``libcbv2g*.a``.
    """
    libraries = sorted(str(found) for found in folder.rglob("libcbv2g*.a"))
    if not (folder / "include" / "cbv2g").is_dir() or not libraries:
        raise CodecError(f"{folder} holds no include/cbv2g or no libcbv2g*.a")
    compiler = os.environ.get("CC", "cc")
    flags = ["-std=c11", "-O2", "-I", str(folder / "include"), str(HERE / "cbv2g.c"), "-o", str(program)]
    _run([compiler, *flags, "-Wl,--start-group", *libraries, "-Wl,--end-group"], "cbv2g.c")
    return [str(program), str(messages)]


def java_command(messages: Path) -> list[str]:
    """The Java codec by the Python API of the PyPI package ``iso15118``, in an environment of its own."""
    from tests.interop.peer import environment

    try:
        python = environment(_PEER_CACHE)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CodecError(f"no Java codec: {error}") from None
    return [str(python), str(HERE / "java_objects.py"), str(messages)]


def _run(command: list[str], what: str) -> None:
    if shutil.which(command[0]) is None:
        raise CodecError(f"{what} needs {command[0]}, which is not here")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - see above
    if done.returncode:
        raise CodecError(f"{what} does not build:\n{done.stderr}")
