"""Against another implementation and against real traffic: every row of the reference vectors of the sets that there are.

Left out where the reference folder is absent; `test_by_hand`, `test_second_opinion` and the rest need nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from iso15118 import exi
from iso15118.errors import ExiError
from tests.exi.deviations import DIFFERENT, NOT_ENCODED, UNDECODABLE
from tests.exi.reference import needs_vectors, oracle, root, vectors

pytestmark = [pytest.mark.reference, needs_vectors]

# How many rows there are: a reference that shrank would otherwise pass unseen.
ORACLE_ROWS = {"app": 13, "iso20-common": 255, "iso20-dc": 89, "xmldsig-fragment": 29}
VECTOR_ROWS = {"app": 27, "iso20-common": 357, "iso20-dc": 207, "xmldsig-fragment": 6}


@pytest.mark.parametrize("schema", exi.SCHEMAS)
def test_xml_of_the_oracle_encodes_to_its_bytes(schema: str) -> None:
    rows = [row for row in oracle(schema) if not row["exotic"]]
    assert len(rows) >= ORACLE_ROWS[schema]
    for row in rows:
        message = exi.from_xml(schema, row["xml"], fragment=row["fragment"])
        octets = exi.encode(schema, message, fragment=row["fragment"], root=root(row))
        assert octets.hex() == row["hex"], row["id"]


@pytest.mark.parametrize("schema", exi.SCHEMAS)
def test_bytes_of_the_oracle_decode_to_its_xml(schema: str) -> None:
    for row in oracle(schema):
        if row["exotic"]:
            continue
        message, notes = exi.decode_with_notes(schema, bytes.fromhex(row["hex"]), fragment=row["fragment"])
        assert message == exi.from_xml(schema, row["xml"], fragment=row["fragment"]), row["id"]
        assert notes == [], row["id"]


@pytest.mark.parametrize("schema", exi.SCHEMAS)
def test_exotic_rows_decode_or_are_refused_by_name(schema: str) -> None:
    """Exotic is what no peer sends: text and foreign elements inside a signature, empty values as an end."""
    seen: Counter[str] = Counter()
    for row in oracle(schema):
        if not row["exotic"]:
            continue
        try:
            message = exi.decode(schema, bytes.fromhex(row["hex"]), fragment=row["fragment"])
        except ExiError as error:
            if "is not supported" in error.reason and error.path:
                seen["refused"] += 1
            else:
                seen["refused without a reason"] += 1
        else:
            assert message == exi.from_xml(schema, row["xml"], fragment=row["fragment"]), row["id"]
            seen["decoded"] += 1
    assert seen["decoded"] + seen["refused"] == sum(seen.values()) > 0


@pytest.mark.parametrize("schema", exi.SCHEMAS)
def test_public_messages_decode_and_encode_to_the_same_bytes(schema: str) -> None:
    rows = list(vectors(schema))
    assert len(rows) >= VECTOR_ROWS[schema]
    for row in rows:
        octets = bytes.fromhex(row["hex"])
        if row["id"] in UNDECODABLE:
            with pytest.raises(ExiError):
                exi.decode(schema, octets, fragment=row["fragment"])
            continue
        message = exi.decode(schema, octets, fragment=row["fragment"])
        if row["id"] in NOT_ENCODED:
            with pytest.raises(ExiError, match="length"):
                exi.encode(schema, message, fragment=row["fragment"], root=root(row))
            continue
        again = exi.encode(schema, message, fragment=row["fragment"], root=root(row))
        assert (again == octets) == (row["id"] not in DIFFERENT), row["id"]


def test_the_list_of_deviations_names_existing_rows() -> None:
    known = {row["id"] for row in vectors()}
    assert known >= {*UNDECODABLE, *NOT_ENCODED, *DIFFERENT}


@pytest.mark.parametrize("schema", exi.SCHEMAS)
def test_xml_and_json_give_the_message_back(schema: str) -> None:
    for row in oracle(schema):
        if row["exotic"]:
            continue
        message: Any = exi.from_xml(schema, row["xml"], fragment=row["fragment"])
        assert exi.from_json(schema, exi.to_json(message), fragment=row["fragment"]) == message, row["id"]
        assert exi.from_xml(schema, exi.to_xml(message), fragment=row["fragment"]) == message, row["id"]
