"""Two hundred messages cut at every octet and with every bit flipped, and random
octets: a message or ExiError.

ISO15118_FUZZ_ROUNDS sets the number of random inputs of each set.
"""

from __future__ import annotations

import os
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

import pytest

from iso15118 import exi
from iso15118.errors import ExiError
from tests.exi import cuts
from tests.exi import second_opinion as second
from tests.exi.reference import needs_vectors

ROUNDS = int(os.environ.get("ISO15118_FUZZ_ROUNDS", "25000"))
LONGEST = 160
"""Octets of the messages that are broken: what depends on length has a test of its own."""


@cache
def made(schema: str, fragment: bool, count: int) -> list[bytes]:
    """Streams of random messages of every class that can stand alone."""
    source = random.Random(f"broken {schema} {fragment}")
    shapes = second.rooted(schema, fragment=fragment)
    found: list[bytes] = []
    while len(found) < count:
        message = second.generate(schema, shapes[len(found) % len(shapes)], source)
        octets = exi.encode(schema, message, fragment=fragment)
        if len(octets) <= LONGEST:
            found.append(octets)
        else:
            shapes = [*shapes[1:], shapes[0]]
    return found


def samples() -> Iterator[tuple[str, bool, bytes]]:
    for schema, fragment, count in (
        ("app", False, 10), ("din", False, 30), ("iso2", False, 35), ("iso2", True, 10), ("iso20-common", False, 25),
        ("iso20-common", True, 10), ("iso20-ac", False, 15), ("iso20-dc", False, 15), ("iso20-wpt", False, 15),
        ("iso20-acdp", False, 10), ("iso20-ac-der-iec", False, 8), ("iso20-ac-der-sae", False, 7),
        ("xmldsig-fragment", True, 10),
    ):  # fmt: skip
        for octets in made(schema, fragment, count):
            yield schema, fragment, octets


def test_two_hundred_made_messages_broken_in_every_place() -> None:
    number = 0
    for schema, fragment, octets in samples():
        _, counts = cuts.run((schema, fragment, octets, cuts.places(octets)))
        # What is cut off is missing: the last octet holds at least one bit that counts.
        assert counts[f"cut: {cuts.REFUSED}"] == len(octets)
        assert counts.total() == 9 * len(octets)
        number += 1
    assert number == 200


@pytest.mark.reference
@needs_vectors
def test_two_hundred_reference_vectors_broken_in_every_place() -> None:
    """A sample of what `python -m tests.exi.cuts` does with all of them."""
    parts = [part for part in cuts.jobs() if len(part[2]) <= LONGEST]
    assert len(parts) > 2000
    seen: Counter[str] = Counter()
    for part in random.Random("public").sample(parts, 200):
        seen += cuts.run(part)[1]
    assert seen[f"cut: {cuts.REFUSED}"] > 1000
    assert seen[f"flipped: {cuts.REFUSED}"] > 1000
    assert seen[f"flipped: {cuts.SAME}"] > 1000


@pytest.mark.parametrize("schema", exi.SCHEMAS)
def test_random_octets(schema: str) -> None:
    source = random.Random(f"random {schema}")
    streams = made(schema, schema == "xmldsig-fragment", 10)
    for number in range(ROUNDS):
        fragment = source.random() < 0.3
        if number % 3 == 0:
            data = source.randbytes(source.randrange(64))
        elif number % 3 == 1:
            data = b"\x80" + source.randbytes(source.randrange(120))
        else:
            # The beginning of a message leads deeper than chance does.
            known = source.choice(streams)
            data = known[: source.randrange(len(known))] + source.randbytes(source.randrange(40))
        cuts.verdict(schema, data, fragment=fragment)


def test_the_memory_of_one_decode_is_bounded_by_its_input() -> None:
    """The worst input found is a list of the smallest entries; the bound holds for whatever
    random octets bring about."""
    source = random.Random("memory")
    inputs = [b"\x80" + source.randbytes(4000) for _ in range(50)]
    inputs += [octets[:20] + b"\xff" * 3000 for octets in made("iso20-common", False, 50)]
    inputs += [octets[:20] + b"\x00" * 3000 for octets in made("iso20-common", False, 50)]
    exi.encode(
        "iso20-common", exi.decode("iso20-common", made("iso20-common", False, 1)[0])
    )  # loads the tables
    for data in inputs:
        tracemalloc.start()
        try:
            with suppress(ExiError):
                exi.decode("iso20-common", data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 100 * len(data) + 20_000
