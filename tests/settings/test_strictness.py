"""Two presets of strictness: each deviation is a setting whose default is the field's, the page lists it, and
a file's own word counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.evcc import quirks as of_stations
from iso15118.secc import quirks as of_vehicles
from iso15118.settings.roles import ROLES, load_evcc, load_secc
from iso15118.settings.strictness import DEVIATIONS, Deviation

PAGE = Path(__file__).parents[2] / "docs" / "tolerance.md"
_LINKED = re.compile(r"\[([^\]]+)\]\(glossary\.md#[^)]*\)")
"""A term that leads to the glossary, as the page has it where it occurs first."""
PLAIN = '[tls]\nmode = "plaintext"\n'
LOADERS: dict[str, Callable[[Path], Any]] = {"secc": load_secc, "evcc": load_evcc}
ROWS = [(role, one) for role, rows in DEVIATIONS.items() for one in rows]
NAMES = [f"{role}.{one.key}" for role, one in ROWS]


def of(session: Any, key: str) -> Any:
    value = reduce(getattr, key.split("."), session)
    return value.name.lower() if hasattr(value, "name") else value


def written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def load(folder: Path, role: str, text: str) -> Any:
    file = folder / "file.toml"
    file.write_text(text)
    return LOADERS[role](file).session


@pytest.mark.parametrize(("role", "one"), ROWS, ids=NAMES)
def test_a_deviation_is_taken_in_the_field_and_refused_in_conformance(
    tmp_path: Path, role: str, one: Deviation
) -> None:
    assert of(ROLES[role]().session, one.key) == one.field
    assert of(load(tmp_path, role, PLAIN), one.key) == one.field
    assert of(load(tmp_path, role, 'strictness = "field"\n' + PLAIN), one.key) == one.field
    strict = 'strictness = "conformance"\n' + PLAIN
    assert of(load(tmp_path, role, strict), one.key) == one.conformance
    *tables, name = ("session", *one.key.split("."))
    own = f"[{'.'.join(tables)}]\n{name} = {written(one.field)}\n"
    assert of(load(tmp_path, role, strict + own), one.key) == one.field, "what the file says itself"


def test_conformance_changes_nothing_else(tmp_path: Path) -> None:
    for role, rows in DEVIATIONS.items():
        field, strict = (
            load(tmp_path, role, f'strictness = "{one}"\n{PLAIN}') for one in ("field", "conformance")
        )
        listed = {one.key for one in rows}
        assert set(_different(field, strict, "")) == listed


def _different(one: Any, other: Any, where: str) -> list[str]:
    found: list[str] = []
    for name in one.__struct_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if hasattr(a, "__struct_fields__"):
            found += _different(a, b, f"{where}{name}.")
        elif a != b:
            found.append(where + name)
    return found


def test_a_wrong_preset_is_refused_with_the_nearest(tmp_path: Path) -> None:
    for role in LOADERS:
        with pytest.raises(ConfigError, match=r"^strictness: 'conformence'.*did you mean 'conformance'"):
            load(tmp_path, role, 'strictness = "conformence"\n' + PLAIN)
        with pytest.raises(ConfigError, match=r"^session: 3 is no table"):
            load(tmp_path, role, 'strictness = "conformance"\nsession = 3\n' + PLAIN)


def test_the_page_lists_each_with_both_values() -> None:
    page, _, _ = PAGE.read_text(encoding="utf-8").partition("## Some peers only")
    rows = {_LINKED.sub(r"\1", line) for line in page.splitlines() if line.startswith("| `")}
    expected = {
        f"| `{one.key}` | `{written(one.field)}` | `{written(one.conformance)}` | {one.meaning} |"
        for _, one in ROWS
    }
    assert rows == expected


def test_the_page_lists_what_is_known_of_makers() -> None:
    _, _, page = PAGE.read_text(encoding="utf-8").partition("## Some peers only")
    rows = {tuple(line.split(" | ")[:2]) for line in page.splitlines() if line.startswith("| `")}
    known = {**of_vehicles.KNOWN, **of_stations.KNOWN}
    assert rows == {
        (f"| `{like}`", ", ".join(f"`{key} = {shown(value)}`" for key, value in changes.items()))
        for like, changes in known.items()
    }


def shown(value: Any) -> str:
    """As a file has it."""
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)
