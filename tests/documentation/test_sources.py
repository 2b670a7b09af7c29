"""Whatever the code and `config show` cite is in docs/sources.md: a standard, a document, an open stack.
An unknown one fails here."""

from __future__ import annotations

import re

import pytest

from tests.documentation.processes import ROOT, run

STANDARD = re.compile(
    r"\b((?:ISO/IEC|ISO|IEC|IEEE|SAE|DIN SPEC|DIN|EN|ANSI|UL|FIPS|VDE-AR-N)(?: |-)(?:TS |PAS )?[A-Z]{0,2}\d+(?:\.\d+)*(?:-\d+)*)"
)
RFC = re.compile(r"\bRFC ?(\d{3,5})")
REQUIREMENT = re.compile(r"\b(V2G[A-Z0-9]*?(?:-[A-Z]+)?)-\d{2,}")
STACK = re.compile(r"\b(EVerest|Josev|RISE(?:-V2G)?|pyPLC|pyslac|dsV2Gshark|WWCP_ISO15118|open-plc-utils)\b")
OWNERS = "EVerest|EcoG-io|uhi22|tux-evse|qca|SwitchEV|OpenChargingCloud|dspace-group"
REPOSITORY = re.compile(rf"(?<![\w/.])((?:{OWNERS})/[\w-]+)")


def names_in(text: str) -> list[str]:
    """What is cited: requirement ids by what stands before the number."""
    rfcs = [f"RFC {number}" for number in RFC.findall(text)]
    return [
        *rfcs,
        *(name for kind in (STANDARD, REQUIREMENT, STACK, REPOSITORY) for name in kind.findall(text)),
    ]


def unknown(names: list[str]) -> set[str]:
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    return {name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?!\w)", page)}


def test_every_source_that_is_cited_is_on_the_page() -> None:
    files = [path for kind in ("*.py", "*.toml", "*.pyi") for path in sorted((ROOT / "iso15118").rglob(kind))]
    texts = [path.read_text(encoding="utf-8") for path in files]
    texts += [run(f"iso15118 config show --role {role}", ROOT) for role in ("secc", "evcc")]
    found = {name for text in texts for name in names_in(text)}
    assert {"V2G20", "V2G2", "V2G-DC", "IEC 61851-23", "RFC 5280", "EVerest"} <= found
    assert unknown(sorted(found)) == set()


@pytest.mark.parametrize(
    "made_up", ["IEC 99999-1", "RFC 9999", "[V2G99-123]", "SAE J9999", "EVerest/everest-evse-9"]
)
def test_a_source_that_is_not_on_the_page_is_seen(made_up: str) -> None:
    assert unknown(names_in(f"As {made_up} says.")) != set()
