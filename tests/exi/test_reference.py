"""Against another implementation and against real traffic: every row of the reference
vectors of the sets that there are.

Left out where the reference folder is absent; `test_by_hand`,
`test_second_opinion` and the rest need nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from iso15118 import exi
from iso15118.errors import ExiError
from tests.exi.deviations import DIFFERENT, NOT_ENCODED, UNDECODABLE
from tests.exi.reference import needs_vectors, octets, oracle, root, vectors

pytestmark = [pytest.mark.reference, needs_vectors]

# How many rows there are: a reference that shrank would otherwise pass unseen.
ORACLE_ROWS = {
    "app": 13, "din": 281, "iso2": 334, "iso20-common": 255, "iso20-ac": 46, "iso20-dc": 89, "iso20-wpt": 97,
    "iso20-acdp": 69, "xmldsig-fragment": 29,
}  # fmt: skip
VECTOR_ROWS = {
    "app": 27, "din": 289, "iso2": 721, "iso20-common": 357, "iso20-ac": 73, "iso20-dc": 207,
    "iso20-wpt": 16, "iso20-acdp": 8, "iso20-ac-der-iec": 32, "iso20-ac-der-sae": 27, "xmldsig-fragment": 6,
}  # fmt: skip
# The two sets that were written from a content model have no oracle: nobody could make one.
WITH_ORACLE = tuple(ORACLE_ROWS)


@pytest.mark.parametrize("schema", WITH_ORACLE)
def test_xml_of_the_oracle_encodes_to_its_bytes(schema: str) -> None:
    rows = [row for row in oracle(schema) if not row["exotic"]]
    assert len(rows) >= ORACLE_ROWS[schema]
    for row in rows:
        message = exi.from_xml(schema, row["xml"], fragment=row["fragment"])
        stream = exi.encode(schema, message, fragment=row["fragment"], root=root(row))
        assert stream.hex() == row["hex"], row["id"]


@pytest.mark.parametrize("schema", WITH_ORACLE)
def test_bytes_of_the_oracle_decode_to_its_xml(schema: str) -> None:
    for row in oracle(schema):
        if row["exotic"]:
            continue
        message, notes = exi.decode_with_notes(schema, bytes.fromhex(row["hex"]), fragment=row["fragment"])
        assert message == exi.from_xml(schema, row["xml"], fragment=row["fragment"]), row["id"]
        assert notes == [], row["id"]


@pytest.mark.parametrize("schema", WITH_ORACLE)
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
        stream = octets(row)
        if row["id"] in UNDECODABLE:
            with pytest.raises(ExiError):
                exi.decode(schema, stream, fragment=row["fragment"])
            continue
        message = exi.decode(schema, stream, fragment=row["fragment"])
        if row["id"] in NOT_ENCODED:
            with pytest.raises(ExiError, match="length"):
                exi.encode(schema, message, fragment=row["fragment"], root=root(row))
            continue
        again = exi.encode(schema, message, fragment=row["fragment"], root=root(row))
        assert (again == stream) == (row["id"] not in DIFFERENT), row["id"]


def test_the_list_of_deviations_names_existing_rows() -> None:
    known = {row["id"] for row in vectors()}
    assert known >= {*UNDECODABLE, *NOT_ENCODED, *DIFFERENT}


@pytest.mark.parametrize("schema", WITH_ORACLE)
def test_xml_and_json_give_the_message_back(schema: str) -> None:
    for row in oracle(schema):
        if row["exotic"]:
            continue
        message: Any = exi.from_xml(schema, row["xml"], fragment=row["fragment"])
        assert exi.from_json(schema, exi.to_json(message), fragment=row["fragment"]) == message, row["id"]
        assert exi.from_xml(schema, exi.to_xml(message), fragment=row["fragment"]) == message, row["id"]
