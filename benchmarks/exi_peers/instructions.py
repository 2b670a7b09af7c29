"""Instructions of one coding, counted by callgrind: they do not depend on what else the machine does, so
that a change can be judged.

They are no times: the engine looks up in tables what generated code has in its branches,
and waits for it now and then.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from .codecs import CodecError
from .rounds import Verb

__all__ = ["FILE", "TOLERANCE", "Counts", "Recorded", "drifted", "read", "run"]

FILE = Path(__file__).resolve().parents[1] / "exi_instructions.json"
TOLERANCE = 0.05
"""Of the recorded count. What the process does between the codings, and another minor version of a
compiler, take up to 3 %."""
_FEW, _MORE = 20, 1020
"""Calls of two runs, whose difference leaves out the start of the process; many, since the
commands cost something too."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Instructions for decoding and for encoding one message."""

    decode: int
    encode: int


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What the committed file holds."""

    made_by: str = "python -m benchmarks.exi_peers --instructions --record --libcbv2g DIR --built TEXT"
    compilers: dict[str, str]
    """What made the programs that were counted, by the name of the codec."""
    size_bytes: dict[str, int]
    """Of each message."""
    counts: dict[str, dict[str, Counts]]
    """By codec, then by message."""


def run(
    commands: Mapping[str, Sequence[str]],
    sizes: dict[str, int],
    console: Console,
    *,
    record: bool,
    built: str,
) -> int:
    """Count all messages, show them and, unless they are to be recorded, compare the engine's with the
    record: 1 if they differ."""
    before = read()
    known = before.counts if before else {}
    counts = {
        codec: {
            name: Counts(decode=_count(command, "decode", index), encode=_count(command, "encode", index))
            for index, name in enumerate(sizes)
        }
        for codec, command in commands.items()
    }
    console.print(_table(counts["engine"], counts.get("libcbv2g", known.get("libcbv2g", {}))))
    if record:
        by = (
            _compilers(built)
            if "libcbv2g" in counts or before is None
            else before.compilers | _compilers(None)
        )
        new = Recorded(compilers=by, size_bytes=sizes, counts=known | counts)
        FILE.write_bytes(msgspec.json.format(msgspec.json.encode(new), indent=2) + b"\n")
        return 0
    changes = drifted(counts["engine"], known.get("engine", {}))
    for change in changes:
        console.print(change)
    return 1 if changes else 0


def _count(command: Sequence[str], verb: Verb, index: int) -> int:
    """Instructions of one coding of a message by the codec that this command starts."""
    few, more = (_collected(command, f"{verb} {index} {calls}\n") for calls in (_FEW, _MORE))
    return round((more - few) / (_MORE - _FEW))


def _collected(command: Sequence[str], words: str) -> int:
    if shutil.which("valgrind") is None:
        raise CodecError("counting needs valgrind, which is not here")
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = subprocess.run([*tool, *command], input=words, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    for line in done.stderr.splitlines():
        if "Collected" in line and done.stdout.strip().isdigit():
            return int(line.split()[-1])
    raise CodecError(f"callgrind counted nothing for {words.strip()}: {done.stdout.strip()}")


def _compilers(built: str | None) -> dict[str, str]:
    """Of the engine; and of libcbv2g, if its builder says how it was ``built``."""
    of_engine = {"engine": _first_line(["rustc", "--version"])}
    if built is None:
        return of_engine
    return of_engine | {
        "libcbv2g": f"{built}; cbv2g.c: {_first_line([os.environ.get('CC', 'cc'), '--version'])} -O2"
    }


def _first_line(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]  # noqa: S603 - a compiler


def read() -> Recorded | None:
    """The committed counts; None before the first recording."""
    return msgspec.json.decode(FILE.read_bytes(), type=Recorded) if FILE.exists() else None


def _table(engine: dict[str, Counts], libcbv2g: dict[str, Counts]) -> Table:
    table = Table(title="instructions of one coding")
    table.add_column("message", no_wrap=True)
    for heading in ("decode", "libcbv2g", "ratio", "encode", "libcbv2g", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, ours in engine.items():
        theirs = libcbv2g.get(name)
        cells = [name]
        for here, there in (
            (ours.decode, theirs.decode if theirs else 0),
            (ours.encode, theirs.encode if theirs else 0),
        ):
            cells += [f"{here:,}", f"{there:,}" if there else "", f"{here / there:.2f}" if there else ""]
        table.add_row(*cells)
    return table


def drifted(now: dict[str, Counts], before: dict[str, Counts]) -> list[str]:
    """What takes more or fewer instructions than was recorded, beyond the tolerance, in words."""
    changes = []
    for name, counts in now.items():
        recorded = before.get(name)
        for verb in ("decode", "encode"):
            new = getattr(counts, verb)
            old = getattr(recorded, verb) if recorded else 0
            if abs(new - old) > old * TOLERANCE:
                changes.append(f"{name}, {verb}: {old:,} recorded, {new:,} now")
    return changes
