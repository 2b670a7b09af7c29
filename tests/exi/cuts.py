"""``python -m tests.exi.cuts``: every reference vector cut at every octet and with
every bit flipped, one at a time.

Each broken stream is refused with `ExiError`, or is a message; a message can be written and reads as the same
again, or is not written since a value has a length that its type does not allow, or the abstract head of a
group stood empty in the place of a member. Anything else is an `AssertionError` that shows the stream.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from iso15118 import exi
from iso15118.errors import ExiError
from tests.exi.reference import ORACLE, VECTORS, octets, oracle, vectors

REFUSED = "refused"
SAME = "a message, written and read as the same"
NOT_WRITTEN = "a message, not written for the length of a value"
LACKING = "a message that lacks an element, for which an abstract one stood"
LONGEST_ERROR = 2048
"""Characters of an error, whatever the stream holds."""


def verdict(schema: str, data: bytes, *, fragment: bool) -> str:
    """What a stream is: `REFUSED`, `SAME`, `NOT_WRITTEN` or `LACKING`;
    AssertionError if it is anything else."""
    try:
        message = exi.decode(schema, data, fragment=fragment)
    except ExiError as error:
        _documented(error, data)
        return REFUSED
    assert isinstance(message, exi.Message), data.hex()
    try:
        again = exi.encode(schema, message, fragment=fragment)
    except ExiError as error:
        refused = error
    else:
        # What was written octet by octet as it was read needs no second look.
        if again != data:
            # Some keys are written at other lengths than the schema's, which strict reading refuses.
            strict = not _of_other_length(schema, data, fragment)
            assert exi.decode(schema, again, fragment=fragment, strict=strict) == message, data.hex()
        return SAME
    if _notes(schema, data, fragment, "empty-abstract: "):
        return LACKING
    assert _of_other_length(schema, data, fragment), data.hex()
    assert refused.reason.startswith("a length of "), data.hex()
    assert refused.path, data.hex()
    return NOT_WRITTEN


def _of_other_length(schema: str, data: bytes, fragment: bool) -> bool:
    return _notes(schema, data, fragment, "short: ", "long: ")


def _notes(schema: str, data: bytes, fragment: bool, *names: str) -> bool:
    # Such a note may stand behind sixteen others, but there are no messages with that many.
    notes = exi.decode_with_notes(schema, data, fragment=fragment)[1]
    return any(note.startswith(names) for note in notes)


def _documented(error: ExiError, data: bytes) -> None:
    assert len(str(error)) < LONGEST_ERROR, data.hex()
    assert error.bit_offset is not None, data.hex()
    assert 0 <= error.bit_offset <= len(data) * 8, data.hex()


def broken(stream: bytes, numbers: range) -> Iterator[tuple[str, bytes]]:
    """The stream broken in one place each: cut at octet 0, 1, ..., then with bit 0, 1, ... turned over."""
    for number in numbers:
        if number < len(stream):
            yield "cut", stream[:number]
            continue
        bit = number - len(stream)
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        yield "flipped", bytes(flipped)


def places(stream: bytes) -> range:
    """The numbers of all ways to break a stream, for `broken`."""
    return range(len(stream) * 9)


Job = tuple[str, bool, bytes, range]


def run(job: Job) -> tuple[str, Counter[str]]:
    """Counts of what became of a stream, broken in some places."""
    schema, fragment, stream, numbers = job
    counts: Counter[str] = Counter()
    for how, data in broken(stream, numbers):
        counts[f"{how}: {verdict(schema, data, fragment=fragment)}"] += 1
    return schema, counts


def jobs() -> Iterator[Job]:
    """All vectors in all places, a few thousand places at a time; the shortest first."""
    rows = [(row["schema"], row["fragment"], octets(row)) for row in (*oracle(), *vectors())]
    for schema, fragment, stream in sorted(rows, key=lambda row: len(row[2])):
        numbers = places(stream)
        for first in range(0, len(numbers), 5000):
            yield schema, fragment, stream, numbers[first : first + 5000]


def main() -> int:
    """Exit status 0 if every stream was what the module says, 2 if there are no vectors."""
    parser = argparse.ArgumentParser(prog="python -m tests.exi.cuts", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s)")
    asked = parser.parse_args()
    if not (ORACLE.exists() and VECTORS.exists()):
        print(f"no reference vectors at {ORACLE.parent}", file=sys.stderr)
        return 2
    began = time.monotonic()
    todo = list(jobs())
    counts: dict[str, Counter[str]] = {}
    with ProcessPoolExecutor(asked.jobs) as pool:
        for number, (schema, counter) in enumerate(pool.map(run, todo, chunksize=8)):
            counts.setdefault(schema, Counter()).update(counter)
            if number % 200 == 0:
                print(f"{number} of {len(todo)} parts, {time.monotonic() - began:.0f} s", file=sys.stderr)
    for schema, counter in sorted(counts.items()):
        print(f"{schema:18}", "; ".join(f"{what} {number}" for what, number in sorted(counter.items())))
    total = sum(counts.values(), Counter())
    print(
        f"in all {sum(part[3].start == 0 for part in todo)} vectors, {total.total()} broken streams in "
        f"{time.monotonic() - began:.0f} s:",
        "; ".join(f"{what} {number}" for what, number in sorted(total.items())),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
