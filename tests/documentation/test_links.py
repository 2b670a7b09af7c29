"""Links on the pages lead to pages, places on them, and words of the glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documentation.processes import ROOT
from tools.glossary import GLOSSARY, linked, pages, terms, unlinked

FOLDERS = ("docs", "examples", "rust", "benchmarks", "tests", "schemas", "certs")
EVERY = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.md"))]
    if "target" not in path.parts
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)", re.DOTALL)
CODE = re.compile(r"^```.*?^```$|`[^`]*`", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    """Of the headings, as they are made where the pages are read."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", CODE.sub(_kept, path.read_text(encoding="utf-8")), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-"))
    return found


def _kept(code: re.Match[str]) -> str:
    return "" if code.group().startswith("```") else code.group()


@pytest.mark.parametrize("page", EVERY, ids=name_of)
def test_links_lead_to_files_and_to_places_in_them(page: Path) -> None:
    wrong = []
    for target in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, place = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (place and place not in anchors(path)):
            wrong.append(target)
    assert wrong == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    there = {target.partition("#")[0] for target in LINK.findall(index)}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - there - {"README.md"} == set()


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_words_of_the_glossary_are_linked_where_they_first_stand(page: Path) -> None:
    """`python -m tools.glossary` does it."""
    assert unlinked(page.read_text(encoding="utf-8")) == []


def test_the_glossary_is_in_order_and_has_what_people_ask_for() -> None:
    words = list(terms())
    assert words == sorted(words, key=str.upper)
    assert {"EIM", "PnC", "BPT", "SDP", "EMAID", "CE", "ID", "PLCA"} <= set(words)
    assert len(re.findall(r"^## ", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)) == len(words)


def test_a_word_counts_in_running_text_only() -> None:
    text = "# SDP\n\n`SDP` [SDP](tls.md) and SDP, then SDP.\n\n```console\n$ SDP\n```\n"
    assert [word for _, word in unlinked(text)] == ["SDP"]
    mended = linked(text)
    assert "and [SDP](glossary.md#sdp), then SDP." in mended
    assert unlinked(mended) == []
