"""Values at the edge of what the schema allows, and just beyond it: written and read, or refused by name."""

from __future__ import annotations

import msgspec
import pytest

from iso15118 import exi
from iso15118.codegen.grammar import Event
from iso15118.codegen.model import ComplexType, SimpleType
from iso15118.errors import ExiError
from tests.exi import second_opinion as second
from tests.exi.places import (
    allowed,
    beyond,
    codes_beyond,
    lists,
    of_other_types,
    simple_places,
    states,
    with_list,
    without_maximum,
)

SCHEMAS = exi.SCHEMAS


@pytest.mark.parametrize("schema", SCHEMAS)
def test_values_that_the_schema_allows_are_written_and_read(schema: str) -> None:
    """Every literal, both booleans, integers at their bounds, text of the least and the greatest length."""
    number = 0
    for place, type_ in simple_places(schema):
        for value in allowed(type_):
            message = place.message(value)
            octets = exi.encode(schema, message, fragment=True)
            assert octets == second.encode(schema, message, fragment=True)
            assert exi.decode(schema, octets, fragment=True, strict=True) == message
            number += 1
    assert number > 20


KEYS_OF_ANY_LENGTH = (
    "DHPublicKey",
    "SECP521_EncryptedPrivateKey",
    "X448_EncryptedPrivateKey",
    "TPM_EncryptedPrivateKey",
)
"""See ``iso15118.exi.key_lengths``: who uses them looks at their length."""


@pytest.mark.parametrize("schema", SCHEMAS)
def test_values_that_the_schema_does_not_allow_are_not_written(schema: str) -> None:
    number = 0
    for place, type_ in simple_places(schema):
        wrong = beyond(type_) + of_other_types(type_)
        if not place.shape.fields[place.field].optional:
            wrong.append(None)
        for value in wrong:
            if isinstance(value, bytes) and place.element in KEYS_OF_ANY_LENGTH:
                octets = exi.encode(schema, place.message(value), fragment=True)
                assert exi.decode(schema, octets, fragment=True) == place.message(value)
                continue
            with pytest.raises(ExiError) as refused:
                exi.encode(schema, place.message(value), fragment=True)
            if value is None and not place.shape.fields[place.field].repeated:
                # What is missing has no place of its own: the error names the
                # element that it is missing from.
                assert f"{refused.value.path}/".startswith(f"{place.root}/")
                assert place.element in refused.value.expected or not place.element
            else:
                assert refused.value.path == place.path, (value, refused.value)
            number += 1
    assert number > 20


@pytest.mark.parametrize("schema", SCHEMAS)
def test_values_that_the_schema_does_not_allow_are_not_read(schema: str) -> None:
    """Where there is a code for such a value; a length of text is tolerated, and said."""
    number = 0
    for place, type_ in simple_places(schema):
        for value in codes_beyond(type_):
            message = place.message(value)
            octets = second.encode(schema, message, fragment=True)
            with pytest.raises(ExiError) as refused:
                exi.decode(schema, octets, fragment=True, strict=True)
            assert refused.value.path == place.path, (value, refused.value)
            assert refused.value.bit_offset is not None
            if not isinstance(value, str | bytes):
                with pytest.raises(ExiError):
                    exi.decode(schema, octets, fragment=True)
            else:
                decoded, notes = exi.decode_with_notes(schema, octets, fragment=True)
                assert decoded == message
                expected = "short" if len(value) < type_.min_length else "long"
                assert [note.partition(":")[0] for note in notes] == [expected]
            number += 1
    # xmldsig has neither bounds nor enumerations.
    assert number > 0 or schema == "xmldsig-fragment"


@pytest.mark.parametrize("schema", SCHEMAS)
def test_lists_that_the_schema_allows_are_written_and_read(schema: str) -> None:
    """The last allowed item changes the codes behind it, so every list is tried
    one short of full, and full."""
    number = 0
    for place, minimum, maximum in lists(schema):
        message, item = with_list(place)
        full = maximum or 40
        for length in {minimum, minimum + 1, full - 1, full}:
            tried = msgspec.structs.replace(message, **{place.name: (item,) * length})
            octets = exi.encode(schema, tried, fragment=True)
            assert octets == second.encode(schema, tried, fragment=True)
            assert exi.decode_with_notes(schema, octets, fragment=True) == (tried, [])
        number += 1
    assert number > 0


@pytest.mark.parametrize("schema", SCHEMAS)
def test_lists_that_are_too_short_or_too_long_are_neither_written_nor_read(schema: str) -> None:
    number = 0
    for place, minimum, maximum in lists(schema):
        message, item = with_list(place)
        for length in {0, minimum - 1} if minimum else set():
            tried = msgspec.structs.replace(message, **{place.name: (item,) * length})
            with pytest.raises(ExiError, match="required value is missing") as refused:
                exi.encode(schema, tried, fragment=True)
            assert refused.value.path == place.root
            octets = second.encode(schema, tried, fragment=True)
            with pytest.raises(ExiError, match="ends too early") as refused:
                exi.decode(schema, octets, fragment=True)
            assert refused.value.path == place.root
            number += 1
        if maximum == 0:
            continue
        tried = msgspec.structs.replace(message, **{place.name: (item,) * (maximum + 1)})
        with pytest.raises(ExiError, match=f"{place.name} has too many items") as refused:
            exi.encode(schema, tried, fragment=True)
        assert refused.value.path == place.root
        # There is no code for one more, but there is in the streams of those who write a
        # full list as if it could go on.
        with without_maximum(schema):
            octets = second.encode(schema, tried, fragment=True)
        with pytest.raises(ExiError) as refused:
            exi.decode(schema, octets, fragment=True)
        # Found where the codes no longer fit, which may be behind the root element.
        assert refused.value.path.partition("/")[0] in (place.root, "")
        number += 1
    assert number > 0


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_full_list_that_was_written_as_if_it_could_go_on_is_read_with_a_note(schema: str) -> None:
    """The deviation of one code generator in the field: two bits for the end of a
    full list instead of one."""
    number = 0
    for place, _, maximum in lists(schema):
        if maximum == 0:
            continue
        message, item = with_list(place)
        full = msgspec.structs.replace(message, **{place.name: (item,) * maximum})
        with without_maximum(schema):
            octets = second.encode(schema, full, fragment=True)
        if octets == exi.encode(schema, full, fragment=True):
            continue
        decoded, notes = exi.decode_with_notes(schema, octets, fragment=True)
        assert decoded == full
        assert {note.partition(":")[0] for note in notes} == {"open-array"}
        with pytest.raises(ExiError):
            exi.decode(schema, octets, fragment=True, strict=True)
        number += 1
    # No list of these two has a greatest length.
    assert number > 0 or schema in ("din", "xmldsig-fragment")


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
