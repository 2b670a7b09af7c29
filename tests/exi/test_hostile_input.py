"""Broken input of every kind, through the generated tables and classes: a message or
ExiError, and memory in proportion.

ISO15118_FUZZ_ROUNDS enlarges the random part (rounds per schema set).
"""

from __future__ import annotations

import os
import random
import tracemalloc

import msgspec
import pytest

from iso15118.errors import ExiError
from iso15118.exi.codec import SCHEMAS, codec
from iso15118.messages.xmldsig import SPKIData
from tests.exi import second_opinion as second
from tests.exi.places import lists
from tests.sample_messages import DISCOVERY, LOOP, SAP_REQ, SAP_RES, SETUP

ROUNDS = int(os.environ.get("ISO15118_FUZZ_ROUNDS", "4000"))
SAMPLES = [
    ("app", SAP_REQ),
    ("app", SAP_RES),
    ("iso20-common", SETUP),
    ("iso20-common", DISCOVERY),
    ("iso20-dc", LOOP),
]


def attempt(schema: str, data: bytes, *, fragment: bool = False, lenient: bool = False) -> bool:
    """Decodes, and if that works encodes what came out: both either work or raise ExiError."""
    engine = codec(schema)
    try:
        message = engine.decode(data, fragment, open_arrays=lenient, any_length=lenient)
    except ExiError as error:
        offset = error.bit_offset
        message = None
    if message is None:
        assert offset is not None
        assert 0 <= offset <= len(data) * 8
        return False
    try:
        octets = engine.encode(message, fragment)
    except ExiError:
        # A value too short is only ever read, and so is a message that lacks what
        # an abstract element stood for.
        notes = engine.decode_with_notes(data, fragment, open_arrays=lenient, any_length=lenient)[1]
        assert lenient or any(note.startswith("empty-abstract") for note in notes)
    else:
        assert engine.decode(octets, fragment, strict=True) == message
    return True


@pytest.mark.parametrize(("schema", "message"), SAMPLES)
def test_every_truncation_is_refused(schema: str, message: object) -> None:
    octets = codec(schema).encode(message)
    assert attempt(schema, octets)
    for length in range(len(octets)):
        assert not attempt(schema, octets[:length])


@pytest.mark.parametrize(("schema", "message"), SAMPLES)
def test_every_flipped_bit_is_refused_or_a_message(schema: str, message: object) -> None:
    octets = codec(schema).encode(message)
    for bit in range(len(octets) * 8):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        attempt(schema, bytes(flipped))
        attempt(schema, bytes(flipped), lenient=True)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_random_octets_are_refused_or_a_message(schema: str) -> None:
    source = random.Random(schema)
    for _ in range(ROUNDS):
        data = b"\x80" + source.randbytes(source.randrange(80))
        attempt(schema, data, fragment=source.random() < 0.5, lenient=source.random() < 0.5)


def test_a_length_field_reserves_nothing_it_cannot_fill() -> None:
    # SessionSetupReq with an EVCCID whose length claims the whole 64 bits, then some;
    # and the same for a SessionID.
    octets = codec("iso20-common").encode(SETUP)
    whole = int.from_bytes(octets, "big")
    size = len(octets) * 8
    tracemalloc.start()
    try:
        for bit in range(16, size - 80):
            claimed = whole | ((1 << 70) - 1) << (size - bit - 70)
            attempt("iso20-common", claimed.to_bytes(len(octets), "big"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000


def test_the_memory_of_a_message_is_in_proportion_to_its_octets() -> None:
    # An open list of the smallest items there are, far beyond any real message.
    engine = codec("xmldsig-fragment")
    octets = engine.encode(SPKIData(spki_sexp=(b"",) * 50_000), fragment=True)
    tracemalloc.start()
    try:
        message = engine.decode(octets, fragment=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert message == SPKIData(spki_sexp=(b"",) * 50_000)
    assert peak < 64 * len(octets)
    too_many = engine.encode(SPKIData(spki_sexp=(b"",) * 250_000), fragment=True)
    with pytest.raises(ExiError, match="too many elements"):
        engine.decode(too_many, fragment=True)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_memory_of_every_list_is_in_proportion_to_its_octets(schema: str) -> None:
    """The smallest items there are, as many as the list may hold: an empty Object of xmldsig
    is five bits and 48 octets."""
    engine = codec(schema)
    number = 0
    for place, minimum, maximum in lists(schema):
        items = min(maximum or 4000, 4000)
        if items < 100:
            continue
        source = random.Random(f"memory {place.shape.name}")
        made = [second.generate(schema, place.shape, source) for _ in range(40)]
        smallest = min(
            (
                msgspec.structs.replace(one, **{place.name: (item,) * max(minimum, 1)})
                for one in made
                for item in getattr(one, place.name)
            ),
            key=lambda one: len(engine.encode(one, True)),
        )
        full = msgspec.structs.replace(smallest, **{place.name: getattr(smallest, place.name)[:1] * items})
        octets = engine.encode(full, True)
        tracemalloc.start()
        try:
            engine.decode(octets, True)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 96 * len(octets) + 16_384, (place.shape.name, place.name)
        number += 1
    assert number > 0 or schema == "app"
