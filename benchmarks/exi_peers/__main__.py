"""``python -m benchmarks.exi_peers``: the codec beside libcbv2g and the Java codec; JSON lines on
stdout, a table on stderr."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.messages_earlier import ALL_SAMPLES
from iso15118 import exi

from . import instructions
from .codecs import Codec, CodecError, cbv2g_command, engine_command, java_command, python_command
from .report import Row, table
from .rounds import Taken, Verb, take_turns

VERBS: tuple[Verb, ...] = ("decode", "encode")
MESSAGES = [(one.name, one.schema, exi.encode(one.schema, one.message)) for one in ALL_SAMPLES]
_JAVA_ROUNDS = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """1 if an aim is missed or counts have drifted, 2 if something could not run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exi_peers", description=__doc__)
    parser.add_argument("--libcbv2g", type=Path, metavar="DIR", help="holds include/ and libcbv2g*.a")
    parser.add_argument("--java", action="store_true", help="the Java codec too: Java, PyPI, minutes more")
    parser.add_argument("--rounds", type=int, default=100, help="of each codec and message (%(default)s)")
    parser.add_argument("--instructions", action="store_true", help="count instead of measuring: valgrind")
    parser.add_argument("--record", action="store_true", help="write the counts to exi_instructions.json")
    parser.add_argument(
        "--built", default="not said", help="for the record: commit, compiler, flags of libcbv2g"
    )
    options = parser.parse_args(arguments)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 140)
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "messages"
            file.write_text("".join(f"{schema} {octets.hex()}\n" for _, schema, octets in MESSAGES))
            commands = {"engine": engine_command(file)}
            if options.libcbv2g is not None:
                commands["libcbv2g"] = cbv2g_command(options.libcbv2g, file, Path(folder) / "cbv2g")
            if options.instructions:
                sizes = {name: len(octets) for name, _, octets in MESSAGES}
                return instructions.run(commands, sizes, console, record=options.record, built=options.built)
            commands["objects"] = python_command(file)
            return _measure(commands, java_command(file) if options.java else None, options.rounds, console)
    except CodecError as error:
        print(error, file=sys.stderr)
        return 2


def _measure(commands: dict[str, list[str]], java: list[str] | None, rounds: int, console: Console) -> int:
    taken: dict[tuple[str, Verb], dict[str, Taken]] = {}
    cores = os.sched_getaffinity(0)
    # One core for all, which they inherit: they take turns, and none of them runs beside another.
    os.sched_setaffinity(0, {max(cores)})
    with ExitStack() as stack:
        codecs = [stack.enter_context(Codec(name, command)) for name, command in commands.items()]
        for index, (name, _, octets) in enumerate(MESSAGES):
            for codec in codecs:
                if (same := codec.same(index)) != octets:
                    raise CodecError(f"{codec.name} makes {same.hex()} of {name}, which is {octets.hex()}")
            for verb in VERBS:
                taken[name, verb] = take_turns(codecs, verb, index, rounds)
    if java is not None:
        # Afterwards, and with all cores: its collector and its compiler have threads that
        # would run in the others' turns.
        os.sched_setaffinity(0, cores)
        with Codec("java", java) as codec:
            _add_java(codec, taken)
    rows = [Row(name, len(octets), verb, taken[name, verb]) for name, _, octets in MESSAGES for verb in VERBS]
    figures = [figure for row in rows for figure in row.figures()]
    for figure in figures:
        print(figure.line())
    console.print(table(rows))
    missed = [figure for figure in figures if figure.aim_met is False]
    for figure in missed:
        print(
            f"missed: {figure.figure} {figure.case}: {figure.value:.2f}, not {figure.aim:g}", file=sys.stderr
        )
    return 1 if missed else 0


def _add_java(codec: Codec, taken: dict[tuple[str, Verb], dict[str, Taken]]) -> None:
    for index, (name, _, octets) in enumerate(MESSAGES):
        try:
            if (same := codec.same(index)) != octets:
                print(f"{codec.name} makes {same.hex()} of {name}, which is {octets.hex()}", file=sys.stderr)
        except CodecError as error:
            # Its message classes are narrower than the schema in places.
            print(f"{name}: {error}", file=sys.stderr)
            continue
        for verb in VERBS:
            taken[name, verb] |= take_turns([codec], verb, index, _JAVA_ROUNDS)


if __name__ == "__main__":
    sys.exit(main())
