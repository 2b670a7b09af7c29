"""Captures and texts with octets changed, left out, put in and swapped: whatever comes, the reader
gives entries or says why not.

``python -m tests.trace.mutated --count 100000`` tries that many on all cores, and prints what went
wrong and how to make it again.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from iso15118.cli.decoding.output import FOR_PEOPLE, JSON, XML, Output
from iso15118.trace.entries import Entry
from iso15118.trace.reading import CaptureReader, Secrets
from iso15118.trace.reading.text import TextReader
from tests.trace.made import seeds

__all__ = ["Outcome", "one"]

SLOW_S = 1.0
"""CPU of one input, beyond which it counts as a hang. Read by the command only: tests do not look
at how fast a machine is."""


class Outcome(NamedTuple):
    """``error``: what was raised; empty if nothing was."""

    seed: int
    kind: str
    entries: int
    seconds: float
    error: str


def one(seed: int) -> Outcome:
    """Mutate one of the seeds, read it, and print what comes of it in every form."""
    kind, data, dice = made(seed)
    began = time.process_time()
    entries: list[Entry] = []
    error = ""
    try:
        entries = read(kind, data, dice)
        for form in (JSON, FOR_PEOPLE, XML):
            Output(form, live=False, one=False).texts(entries)
    except Exception:
        error = traceback.format_exc(limit=-4)
    seconds = time.process_time() - began
    if (
        error or seconds > SLOW_S
    ):  # keys of TLS are new in every process, so that the seed alone does not make it again
        path = Path(tempfile.gettempdir()) / f"mutated-{seed}.{kind}"
        path.write_bytes(data)
        error += f"\nkept as {path}"
    return Outcome(seed, kind, len(entries), seconds, error)


def made(seed: int) -> tuple[str, bytes, random.Random]:
    """What it is, its octets, and the dice that are used further on."""
    dice = random.Random(seed)
    kind, data = dice.choice(SEEDS)
    return kind, mutate(data, dice), dice


def read(kind: str, data: bytes, dice: random.Random) -> list[Entry]:
    """As the command does: in pieces, with the secrets that stand in it."""
    secrets = Secrets()
    if dice.random() < 0.5:
        secrets.scan((data,), "capture")
    step = dice.choice((1 << 20, 4096, 700))
    if kind == "text":
        reader = TextReader(secrets=secrets)
        found = [entry for line in data.decode("utf-8", "replace").split("\n") for entry in reader.line(line)]
        return found + reader.finish()
    capture = CaptureReader(secrets=secrets, live=dice.random() < 0.5)
    found = []
    for at in range(0, len(data), step):
        found += capture.feed(data[at : at + step])
    return found + capture.finish()


def mutate(data: bytes, dice: random.Random) -> bytes:
    """A few changes of a few kinds."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 3, 8, 40))):
        if not changed:
            break
        at = dice.randrange(len(changed))
        match dice.randrange(8):
            case 0:
                changed[at] ^= 1 << dice.randrange(8)
            case 1:
                changed[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
            case 2:
                del changed[at : at + dice.choice((1, 2, 4, 40, 400))]
            case 3:
                changed[at:at] = dice.randbytes(dice.choice((1, 2, 4, 40)))
            case 4:
                changed[at : at + 4] = dice.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)).to_bytes(
                    4, dice.choice(("big", "little"))
                )
            case 5:
                other = dice.randrange(len(changed))
                size = dice.choice((4, 60, 600))
                changed[at : at + size] = changed[other : other + size]
            case 6:
                del changed[at:]
            case _:
                changed[at:at] = changed[at : at + dice.choice((60, 300, 3000))]
    return bytes(changed)


SEEDS: Sequence[tuple[str, bytes]] = seeds()


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what went wrong; 1 if anything did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="the first of the seeds")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    faulthandler.enable()
    bad = entries = 0
    slowest = 0.0
    with ProcessPoolExecutor(given.processes) as pool:
        for outcome in pool.map(one, range(given.seed, given.seed + given.count), chunksize=200):
            entries += outcome.entries
            slowest = max(slowest, outcome.seconds)
            if outcome.error or outcome.seconds > SLOW_S:
                bad += 1
                sys.stdout.write(
                    f"seed {outcome.seed} ({outcome.kind}): {outcome.seconds:.2f} s\n{outcome.error}\n"
                )
                if bad > 20:
                    break
    sys.stdout.write(f"{given.count} inputs, {entries} entries, slowest {slowest:.3f} s, {bad} went wrong\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
