"""``python -m tests.exi.score``: how many rows of the reference vectors each schema set passes."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from iso15118 import exi
from iso15118.errors import ExiError
from tests.exi.reference import ORACLE, VECTORS, octets, oracle, root, vectors


def score_oracle(row: dict[str, Any]) -> str:
    """What became of one row of the oracle."""
    schema, fragment, stream = row["schema"], row["fragment"], octets(row)
    if row["exotic"]:
        try:
            exi.decode(schema, stream, fragment=fragment)
        except ExiError:
            return "exotic: named error"
        return "exotic: decoded"
    try:
        message = exi.from_xml(schema, row["xml"], fragment=fragment)
        if exi.encode(schema, message, fragment=fragment, root=root(row)) != stream:
            return "FAILED: other bytes"
        if exi.decode(schema, stream, fragment=fragment) != message:
            return "FAILED: other infoset"
    except ExiError as error:
        return f"FAILED: {error.reason}"
    return "same both ways"


def score_vector(row: dict[str, Any]) -> str:
    """What became of one public message."""
    schema, fragment, stream = row["schema"], row["fragment"], octets(row)
    try:
        message = exi.decode(schema, stream, fragment=fragment)
    except ExiError:
        return "not decoded"
    try:
        same = exi.encode(schema, message, fragment=fragment, root=root(row)) == stream
    except ExiError:
        return "decoded, not encoded"
    return "same bytes again" if same else "other bytes"


def main() -> int:
    """Exit status 0 if the reference is there."""
    if not (ORACLE.exists() and VECTORS.exists()):
        print(f"no reference vectors at {ORACLE.parent}", file=sys.stderr)
        return 1
    counts: dict[str, Counter[str]] = {}
    for row in oracle():
        counts.setdefault(f"{row['schema']:18}oracle", Counter())[score_oracle(row)] += 1
    for row in vectors():
        counts.setdefault(f"{row['schema']:18}public", Counter())[score_vector(row)] += 1
    for name, counter in sorted(counts.items()):
        print(name, ", ".join(f"{number} {what}" for what, number in sorted(counter.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
