"""The first hours of four roles, from the pages alone: what docs/first-hour.md sends each of them to is run,
each part in an empty folder.

The first charge is the same for three of them, and is run once.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documentation.processes import ROOT
from tests.test_readme import FIRST_HOURS, commands_in, replay

DOCS = ROOT / "docs"
ROW = re.compile(r"^\| (a [^|]*) \| (\[[^|]*) \|$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)]*)\)")


def part(target: str) -> str:
    """The text that a link on the page leads to."""
    name, _, place = target.partition("#")
    text = (DOCS / (name or "first-hour.md")).read_text(encoding="utf-8")
    if not place:
        return text
    for one in re.split(r"^(?=## )", text, flags=re.MULTILINE):
        heading = one.splitlines()[0].removeprefix("## ")
        if heading.lower().replace(" ", "-") == place:
            return one
    raise AssertionError(target)


def ways() -> dict[str, list[str]]:
    """Role -> what it is sent to, in order."""
    text = (DOCS / "first-hour.md").read_text(encoding="utf-8")
    bare = re.compile(r"\[([^\]]*)\]\([^)]*\)")  # a word of the glossary
    return {bare.sub(r"\1", role): LINK.findall(cells) for role, cells in ROW.findall(text)}


def test_there_is_a_way_for_each_role_and_every_part_is_on_one() -> None:
    assert list(ways()) == ["a charger", "a vehicle", "a test laboratory", "a PKI"]
    targets = {target for way in ways().values() for target in way}
    assert {one.partition("#")[0] or "first-hour.md" for one in targets} == set(FIRST_HOURS)
    on_the_page = commands_in((DOCS / "first-hour.md").read_text(encoding="utf-8"))
    there = [line for target in targets if target.startswith("#") for line in commands_in(part(target))]
    assert sorted(there) == sorted(on_the_page)
    assert all(commands_in(part(target)) for target in targets)


@pytest.mark.slow
@pytest.mark.real_time
def test_a_charger_a_vehicle_and_a_laboratory_have_their_first_hour(tmp_path: Path) -> None:
    of_three = {role: way for role, way in ways().items() if role != "a PKI"}
    (first,) = {way[0] for way in of_three.values()}
    for number, target in enumerate([first, *(target for way in of_three.values() for target in way[1:])]):
        folder = tmp_path / str(number)
        folder.mkdir()
        replay(part(target), folder)
    assert (tmp_path / "0" / "first" / "report.html").is_file()


@pytest.mark.slow
def test_a_pki_has_its_first_hour(tmp_path: Path) -> None:
    for target in ways()["a PKI"]:
        replay(part(target), tmp_path)
