"""Two hundred messages cut at every octet and with every bit flipped, and random octets: a message or ExiError.

ISO15118_FUZZ_ROUNDS sets the number of random inputs of each set.
"""

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from iso15118 import exi
from iso15118.errors import ExiError
from tests.exi import second_opinion as second
from tests.exi.deviations import UNDECODABLE
from tests.exi.reference import VECTORS, needs_vectors, vectors

ROUNDS = int(os.environ.get("ISO15118_FUZZ_ROUNDS", "100000"))
LONGEST = 160
"""Octets of the messages that are broken: what depends on length has a test of its own."""


def decodes(schema: str, data: bytes, fragment: bool) -> bool:
    """Whether it is a message; anything else than a message or ExiError ends the test."""
    refused = None
    try:
        message = exi.decode(schema, data, fragment=fragment)
    except ExiError as error:
        refused = error
    if refused is None:
        return isinstance(message, exi.Message)
    if refused.bit_offset is None:
        # Such a value has been read to its end, so there is no place to name.
        assert refused.reason == "the root is a bare value"
    else:
        assert 0 <= refused.bit_offset <= len(data) * 8
    return False


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


def break_every_way(schema: str, fragment: bool, octets: bytes) -> None:
    assert decodes(schema, octets, fragment)
    for length in range(len(octets)):
        # What is cut off is missing: the last octet holds at least one bit that counts.
        assert not decodes(schema, octets[:length], fragment)
    for bit in range(len(octets) * 8):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        decodes(schema, bytes(flipped), fragment)


def test_two_hundred_made_messages_broken_in_every_place() -> None:
    number = 0
    for schema, fragment, octets in samples():
        break_every_way(schema, fragment, octets)
        number += 1
    assert number == 200


@pytest.mark.reference
@needs_vectors
def test_two_hundred_public_messages_broken_in_every_place() -> None:
    assert VECTORS.exists()
    rows: list[dict[str, Any]] = [
        row for row in vectors() if len(row["hex"]) // 2 <= LONGEST and row["id"] not in UNDECODABLE
    ]
    source = random.Random("public")
    for row in source.sample(rows, 200):
        octets = bytes.fromhex(row["hex"])
        assert decodes(row["schema"], octets, row["fragment"]), row["id"]
        for length in range(len(octets) - 1):
            assert not decodes(row["schema"], octets[:length], row["fragment"]), row["id"]
        for bit in range(len(octets) * 8):
            flipped = bytearray(octets)
            flipped[bit // 8] ^= 0x80 >> bit % 8
            decodes(row["schema"], bytes(flipped), row["fragment"])


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
        decodes(schema, data, fragment)


def test_the_memory_of_one_decode_is_bounded_by_its_input() -> None:
    """The worst input found is a list of the smallest entries; the bound holds for whatever random octets bring about."""
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
            decodes("iso20-common", data, fragment=False)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 100 * len(data) + 20_000
