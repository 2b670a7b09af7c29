"""What the pages name is there: settings by their keys, words that commands say, ends of
sessions, codes of violations."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest

from tests.documentation.processes import ROOT, run

PAGES = ("coming-from", "firmware", "first-hour", "installation", "testing", "troubleshooting", "vehicle")
"""Those that name settings by their whole keys; elsewhere `session.ticket` is an attribute."""
TABLES = ("session", "tls", "contracts", "station", "link", "status", "supervision")
KEY = re.compile(rf"`((?:{'|'.join(TABLES)})(?:\.[a-z0-9_]+)+)(?: = [^`]*)?`")


@cache
def keys() -> frozenset[str]:
    """Of both roles' files."""
    found: set[str] = set()

    def walk(part: dict[str, Any], before: str, known: dict[str, Any]) -> None:
        for one in (part, *part.get("allOf", ()), *part.get("anyOf", ())):
            if "$ref" in one:
                walk(known[one["$ref"].rpartition("/")[2]], before, known)
            for name, inside in one.get("properties", {}).items():
                found.add(before + name)
                walk(inside, f"{before}{name}.", known)

    for role in ("secc", "evcc"):
        schema = json.loads(run(f"iso15118 config schema --role {role}", ROOT))
        walk(schema, "", schema.get("$defs", {}))
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES)
def test_settings_are_named_by_keys_that_are_there(page: str) -> None:
    named = set(KEY.findall((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")))
    assert named - keys() == set()


def test_what_the_table_of_troubles_says_is_said() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    said = [
        cell
        for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        for cell in re.findall(r"`([^`]*)`", row)
    ]
    assert len(said) > 15
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "iso15118").rglob("*.py")))
    missing = [part for one in said for part in one.split(" ... ") if part.strip() not in sources]
    assert missing == []
