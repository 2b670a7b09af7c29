"""The published schemas and the vectors beside the project, where they are:
ISO15118_REFERENCE or ../shared/reference."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iso15118.exi import SCHEMAS

FOLDER = Path(os.environ.get("ISO15118_REFERENCE", Path(__file__).parents[3] / "shared" / "reference"))
PUBLISHED = FOLDER / "schemas"
ORACLE = FOLDER / "vectors" / "oracle.jsonl.gz"
VECTORS = FOLDER / "vectors" / "vectors.jsonl"

needs_schemas = pytest.mark.skipif(not PUBLISHED.exists(), reason=f"no published schemas at {PUBLISHED}")
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason=f"no reference vectors at {VECTORS}")


def oracle(schema: str | None = None) -> Iterator[dict[str, Any]]:
    """Generated messages with the bytes that another codec makes of them; of the sets that there are."""
    with gzip.open(ORACLE, "rt", encoding="utf-8") as file:
        yield from _rows(file, schema)


def vectors(schema: str | None = None) -> Iterator[dict[str, Any]]:
    """Messages from public captures, logs and tests of other projects; of the sets that there are."""
    with VECTORS.open(encoding="utf-8") as file:
        yield from _rows(file, schema)


def _rows(lines: Any, schema: str | None) -> Iterator[dict[str, Any]]:
    for line in lines:
        row = json.loads(line)
        if row["schema"] == schema or (schema is None and row["schema"] in SCHEMAS):
            yield row


def octets(row: dict[str, Any]) -> bytes:
    """The bytes of a row. One issue quotes an odd number of digits; the missing one is taken for 0."""
    digits: str = row["hex"]
    return bytes.fromhex(digits + "0" * (len(digits) % 2))


def root(row: dict[str, Any]) -> str | None:
    """The root element to encode with: named where it is a fragment, since several
    elements may share a type."""
    return str(row["message"]) if row["fragment"] else None
