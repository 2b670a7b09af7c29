"""Messages made at random, encoded by the engine and by a second encoder written from
the rules: the same bytes."""

from __future__ import annotations

import os
import random

import pytest

from iso15118 import exi
from tests.exi import second_opinion as second

ROUNDS = int(os.environ.get("ISO15118_EXI_ROUNDS", "3"))
CASES = [(schema, fragment) for schema in exi.SCHEMAS for fragment in (False, True)]


@pytest.mark.parametrize(("schema", "fragment"), CASES)
def test_engine_and_second_encoder_agree(schema: str, fragment: bool) -> None:
    source = random.Random(f"{schema} {fragment}")
    shapes = second.rooted(schema, fragment=fragment)
    assert shapes
    for shape in shapes:
        for attempt in range(ROUNDS):
            message = second.generate(schema, shape, source, long=attempt == 0)
            octets = second.encode(schema, message, fragment=fragment)
            assert exi.encode(schema, message, fragment=fragment) == octets, message
            decoded, notes = exi.decode_with_notes(schema, octets, fragment=fragment)
            assert (decoded, notes) == (message, [])


@pytest.mark.parametrize(("schema", "fragment"), CASES)
def test_xml_and_json_give_the_message_back(schema: str, fragment: bool) -> None:
    source = random.Random(f"text {schema} {fragment}")
    for shape in second.rooted(schema, fragment=fragment):
        message = second.generate(schema, shape, source)
        assert exi.from_json(schema, exi.to_json(message, schema=schema), fragment=True) == message
        assert exi.from_xml(schema, exi.to_xml(message, schema=schema), fragment=True) == message
        if not fragment:
            assert exi.from_json(schema, exi.to_json(message)) == message
            assert exi.from_xml(schema, exi.to_xml(message, pretty=True)) == message
