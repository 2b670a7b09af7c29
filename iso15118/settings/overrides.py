"""Keys of a file said elsewhere: ``--set tls.store=store`` on the command line, and
``ISO15118_SECC__TLS__STORE`` in the environment.

The command line goes before the environment, and both before the file. Paths count from the
folder in which the command runs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from iso15118.errors import ConfigError, Problems
from iso15118.settings.choice import nearest, shown
from iso15118.settings.fields import Field, fields

__all__ = ["Override", "keys_of", "override", "overrides_of"]

_LONGEST: Final = 10_000


class Override(Struct, frozen=True):
    """One key said elsewhere than in the file."""

    key: str
    """Dotted, as ``tls.store``."""
    text: str
    """A value as TOML writes it, or a text without its quotation marks, or a list as
    texts with commas between."""
    source: str
    """Where it was said, for errors."""


def overrides_of(role: str, sets: Iterable[str], environment: Mapping[str, str]) -> list[Override]:
    """What variables ``ISO15118_<ROLE>__<TABLE>__<KEY>`` say, then ``sets``, each ``KEY=VALUE``. A variable
    without a value says nothing. Raises ``ConfigError`` for a text without ``=``."""
    prefix = f"ISO15118_{role.upper()}__"
    found = [
        Override(name.removeprefix(prefix).replace("__", ".").lower(), text, name)
        for name, text in sorted(environment.items())
        if name.startswith(prefix) and text
    ]
    for text in sets:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise ConfigError("--set", f"{shown(text)} is no KEY=VALUE", "--set tls.store=store")
        found.append(Override(key.strip(), value.strip(), "--set"))
    return found


def override(table: dict[str, Any], overrides: Iterable[Override], kind: type[Struct]) -> None:
    """Write them into the ``table`` of a file for ``kind``, the later ones over the earlier. Raises
    ``ConfigError`` for keys that there are not; whether a value is right is for whoever reads the table."""
    problems = Problems()
    for one in overrides:
        with problems.noted():
            _write(table, one, kind)
    problems.tell()


def keys_of(kind: type[Struct], where: str = "") -> Iterator[str]:
    """All keys, dotted, that can be said this way."""
    for field in fields(kind):
        key = f"{where}.{field.name}" if where else field.name
        if field.is_table:
            yield from keys_of(field.kind, key)
        elif not field.has_tables:
            yield key


def _write(table: dict[str, Any], one: Override, kind: type[Struct]) -> None:
    *above, last = one.key.split(".")
    inside: Any = table
    for part in above:
        field = _field(kind, part)
        if field is None or not field.is_table:
            raise _unknown(one, kind)
        kind = field.kind
        inside = inside.setdefault(part, {})
        if not isinstance(inside, dict):
            return  # the file has no table there, which is said when it is read
    field = _field(kind, last)
    if field is None or field.is_table:
        raise _unknown(one, kind)
    if field.has_tables:
        raise ConfigError(f"{one.source}: {one.key}", "is a list of tables", "it is written in the file")
    inside[last] = _value(one, field)


def _field(kind: type[Struct], name: str) -> Field | None:
    return next((field for field in fields(kind) if field.name == name), None)


def _unknown(one: Override, kind: type[Struct]) -> ConfigError:
    *above, last = one.key.split(".")
    like = nearest(last, [field.name for field in fields(kind)])
    return ConfigError(
        f"{one.source}: {shown(one.key)[1:-1]}",
        "there is no such key",
        f"did you mean {'.'.join([*above, like])!r}? `iso15118 config show` lists all",
    )


def _value(one: Override, field: Field) -> Any:
    try:
        said: Any = tomllib.loads(f"x = {one.text}")["x"] if len(one.text) <= _LONGEST else one.text
    except (ValueError, RecursionError):
        said = one.text
    if field.item is not None:
        if not isinstance(said, list):
            text = said if isinstance(said, str) else one.text
            said = [part.strip() for part in text.split(",") if part.strip()]
        return [_path(item) for item in said] if field.item is Path else said
    if field.kind in (bool, int, float) or isinstance(said, str):
        return _path(said) if field.kind is Path else said
    return _path(one.text) if field.kind is Path else one.text  # interface = 1 is a name


def _path(said: Any) -> Any:
    return str(Path(said).absolute()) if isinstance(said, str) and "\0" not in said else said
