"""Values at the edge of what the schema allows, and just beyond it: written and read, or refused by name."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from iso15118 import exi
from iso15118.codegen.grammar import Event, Loop, State
from iso15118.codegen.model import ComplexType, SimpleType
from iso15118.codegen.shape import Shape
from iso15118.errors import ExiError
from tests.exi import second_opinion as second

# Sets whose fragments reach every type; app has none that is not in its documents.
SCHEMAS = exi.SCHEMAS


def states(schema: str, shape: Shape) -> list[State]:
    found: list[State] = []
    pending = [second.start(schema, (shape.module, shape.name))]
    while pending:
        state = pending.pop()
        if state in found:
            continue
        found.append(state)
        for one in state.productions:
            after = one.next
            pending += [after.below, after.within, after.at_max] if isinstance(after, Loop) else []
            pending += [after] if isinstance(after, State) else []
    return found


def simple_fields(schema: str) -> Iterator[tuple[Shape, str, SimpleType]]:
    """Every place of a set where a simple value stands, in a class that can be a fragment of its own."""
    for shape in second.rooted(schema, fragment=True):
        seen = set()
        for state in states(schema, shape):
            for one in state.productions:
                if isinstance(one.type, SimpleType) and one.field not in seen:
                    seen.add(one.field)
                    yield shape, shape.fields[one.field].name, one.type


def with_field(schema: str, shape: Shape, name: str, value: object) -> Any:
    """A random message of the class that has this field, with this value in it."""
    source = random.Random(f"{shape.name}.{name}")
    while True:
        message = second.generate(schema, shape, source)
        present = getattr(message, name)
        if present is not None and present != ():
            items = (value, *present[1:]) if isinstance(present, tuple) else value
            return msgspec.structs.replace(message, **{name: items})


def edges(type_: SimpleType) -> tuple[list[object], list[object]]:
    """Values that are allowed, and values that are not."""
    if type_.literals:
        return [], ["OK", None, 0]
    if type_.primitive == "boolean":
        return [True, False], [1, "true"]
    if type_.primitive == "integer":
        good = [value for value in (type_.minimum, type_.maximum) if value is not None] or [
            0,
            2**160,
            -(2**160),
        ]
        bad: list[object] = ["1", 1.0]
        bad += [type_.minimum - 1] if type_.minimum is not None else []
        bad += [type_.maximum + 1] if type_.maximum is not None else []
        return list(good), bad
    unit = "é" if type_.primitive == "string" else b"\xff"
    longest = 300 if type_.max_length is None else type_.max_length
    wrong: list[object] = [7, "text" if isinstance(unit, bytes) else b"octets"]
    wrong += [unit * (type_.max_length + 1)] if type_.max_length is not None else []
    wrong += [unit * (type_.min_length - 1)] if type_.min_length else []
    return [unit * longest, unit * type_.min_length], wrong


@pytest.mark.parametrize("schema", SCHEMAS)
def test_simple_values(schema: str) -> None:
    number = 0
    for shape, name, type_ in simple_fields(schema):
        good, bad = edges(type_)
        for value in good:
            message = with_field(schema, shape, name, value)
            octets = exi.encode(schema, message, fragment=True)
            assert exi.decode(schema, octets, fragment=True) == message
        for value in bad:
            if value is None and any(one.name == name and one.optional for one in shape.fields):
                continue
            with pytest.raises(ExiError) as refused:
                exi.encode(schema, with_field(schema, shape, name, value), fragment=True)
            assert refused.value.path
            number += 1
    assert number > 10


def lists(schema: str) -> Iterator[tuple[Shape, str, int, int]]:
    for shape in second.rooted(schema, fragment=True):
        seen = set()
        for state in states(schema, shape):
            for one in state.productions:
                if isinstance(one.next, Loop) and one.field not in seen:
                    seen.add(one.field)
                    yield shape, shape.fields[one.field].name, one.next.minimum, one.next.maximum


@pytest.mark.parametrize("schema", SCHEMAS)
def test_lengths_of_lists(schema: str) -> None:
    """The last allowed element changes the codes behind it, so every list is tried one short of full, full, and over."""
    number = 0
    for shape, name, minimum, maximum in lists(schema):
        source = random.Random(f"{shape.name}.{name}")
        message = _with_list(schema, shape, name, source)
        item = getattr(message, name)[0]
        full = maximum or 40
        for length in {minimum, minimum + 1, full - 1, full}:
            if length < minimum:
                continue
            tried = msgspec.structs.replace(message, **{name: (item,) * length})
            octets = exi.encode(schema, tried, fragment=True)
            assert octets == second.encode(schema, tried, fragment=True)
            assert exi.decode_with_notes(schema, octets, fragment=True) == (tried, [])
        for length in {minimum - 1, *([maximum + 1] if maximum else [])}:
            if length < 0:
                continue
            tried = msgspec.structs.replace(message, **{name: (item,) * length})
            with pytest.raises(ExiError):
                exi.encode(schema, tried, fragment=True)
        number += 1
    assert number > 0


def _with_list(schema: str, shape: Shape, name: str, source: random.Random) -> Any:
    while True:
        message = second.generate(schema, shape, source)
        if getattr(message, name):
            return message


def test_a_full_list_that_was_written_as_if_it_could_go_on_is_read_with_a_note() -> None:
    """The deviation of one code generator in the field: two bits for the end of a full list instead of one."""
    shape = second.shape_by_name("iso20-common")["iso15118.messages.iso20.common_messages", "ServiceList"]
    source = random.Random(8)
    service = second.generate("iso20-common", shape, source).service[0]
    message = second.class_of(shape)(service=(service,) * 8)
    state = second.start("iso20-common", (shape.module, shape.name))
    loop = state.productions[0].next
    assert isinstance(loop, Loop)
    open_loop = dataclasses.replace(loop, maximum=0)
    within = loop.within.productions[0].next
    assert isinstance(within, Loop)
    saved = state.productions[0], loop.within.productions[0]
    try:
        state.productions[0] = dataclasses.replace(saved[0], next=open_loop)
        loop.within.productions[0] = dataclasses.replace(
            saved[1], next=dataclasses.replace(within, maximum=0)
        )
        octets = second.encode("iso20-common", message, fragment=True)
    finally:
        state.productions[0], loop.within.productions[0] = saved
    assert octets != exi.encode("iso20-common", message, fragment=True)
    decoded, notes = exi.decode_with_notes("iso20-common", octets, fragment=True)
    assert decoded == message
    assert [note.partition(":")[0] for note in notes] == ["open-array"]


def test_what_is_no_message_of_the_set_is_refused() -> None:
    for wrong in (None, 5, "text", b"octets", object(), ExiError("x")):
        with pytest.raises(ExiError):
            exi.encode("iso20-dc", wrong)  # type: ignore[arg-type]
    with pytest.raises(ExiError, match="no such schema set"):
        exi.decode("iso20-xy", b"\x80")
    with pytest.raises(ExiError):
        exi.decode("iso20-dc", "text")  # type: ignore[arg-type]


def test_types_of_the_model_are_all_simple_or_complex() -> None:
    """Guards the tests above: they must have met every datatype that the sets have."""
    kinds = set()
    for schema in SCHEMAS:
        for shape in second.shape_by_name(schema).values():
            for state in states(schema, shape):
                for one in state.productions:
                    if isinstance(one.type, SimpleType):
                        kinds.add("enumeration" if one.type.literals else one.type.primitive)
                    elif one.event is Event.STRUCT:
                        assert isinstance(one.type, ComplexType)
    assert kinds == {"enumeration", "boolean", "integer", "string", "hexBinary", "base64Binary"}
