"""ARCHITECTURE.md: the picture is that of the table of imports, and every room has a place in the list."""

from __future__ import annotations

import re

from tests.test_architecture import MAY_IMPORT, ROOT
from tools.architecture import PAGE, drawn, with_picture


def test_the_picture_is_the_table_s() -> None:
    """`python -m tools.architecture` draws it anew."""
    text = PAGE.read_text(encoding="utf-8")
    assert with_picture(text) == text
    assert drawn().count("-->") > 30


def test_every_arrow_is_allowed_and_nothing_that_is_allowed_is_lost() -> None:
    arrows: dict[str, set[str]] = {}
    for one, other in re.findall(r"(\w+) --> (\w+)", drawn()):
        assert other in MAY_IMPORT[one]
        arrows.setdefault(one, set()).add(other)

    def below(room: str, seen: set[str]) -> set[str]:
        for other in arrows.get(room, set()) - seen:
            seen |= {other} | below(other, seen | {other})
        return seen

    everybody = {room for one in MAY_IMPORT.values() for room in one} & set(arrows)
    for room in arrows:
        assert (MAY_IMPORT[room] & everybody) - below(room, set()) - {room} == set(), room


def test_every_room_is_in_the_list_and_every_place_there_is_one() -> None:
    named = set(
        re.findall(r"`((?:iso15118|rust|schemas|tests|benchmarks)/[^`]*)`", PAGE.read_text(encoding="utf-8"))
    )
    assert sorted(one for one in named if not (ROOT / one).exists()) == []
    rooms = {
        one.split("/")[1].removesuffix(".py").removesuffix(".pyi")
        for one in named
        if one.startswith("iso15118/")
    }
    there = {
        path.stem
        for path in (ROOT / "iso15118").iterdir()
        if path.suffix in (".py", "") and path.name not in ("__init__.py", "__pycache__")
    }
    assert there - rooms == set()
