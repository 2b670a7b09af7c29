"""Configuration files that nobody means: values beyond all measure at every key, files without end, and
settings that can never work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from iso15118.errors import ConfigError
from iso15118.settings.fields import Field, fields
from iso15118.settings.reading import read_file, read_struct, read_toml
from iso15118.settings.roles import ELSEWHERE, ROLES, load, load_secc
from tests.cli.rig import iso15118

PLAIN = '[tls]\nmode = "plaintext"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "file.toml"
    path.write_text(text, encoding="utf-8")
    return path


def every_key(kind: type[Struct], where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Field]]:
    for field in fields(kind):
        if field.name in ELSEWHERE:
            continue
        yield (*where, field.name), field
        if field.is_table:
            yield from every_key(field.kind, (*where, field.name))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


HOSTILE = [
    10**400,
    -(10**400),
    1 << 200_000,  # beyond what Python converts to text
    1 << 64,
    1e308,
    float("inf"),
    float("nan"),
    nested(900),
    [1 << 200_000],
    {},
    {"a": {}},
    "",
    "\0",
    "a\nb",
    "\x1b[2J",
    "x" * 100_000,
    True,
    None,
]


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_no_value_at_any_key_is_anything_but_used_or_refused_by_name(role: str) -> None:
    refused: list[tuple[tuple[str, ...], ConfigError]] = []
    for path, _ in every_key(ROLES[role]):
        for value in HOSTILE:
            table: Any = value
            for name in reversed(path):
                table = {name: table}
            try:
                read_struct(ROLES[role], table, elsewhere=ELSEWHERE)
            except ConfigError as error:
                refused.append((path, error))
    assert refused
    assert [path for path, error in refused if not error.key or len(str(error)) > 2000] == []


@pytest.mark.parametrize("name", ["x" * 100_000, "a\x1b[2Jb", "a\nb", ""])
def test_a_key_that_is_none_is_shown_on_one_line_and_cut_short(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_struct(ROLES["secc"], {"station": {name: 1}}, elsewhere=ELSEWHERE)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = " + "9" * 5000, ["cannot be read"]),
        ("port = 0x" + "f" * 50_000, ["port", "bits", "out of range"]),
        ("[station]\ninsulation_ohm = 1" + "0" * 400, ["station.insulation_ohm", "bits", "out of range"]),
        ("[station]\ncable_check_s = 0x" + "f" * 50_000, ["station.cable_check_s", "out of range"]),
        ("port = " + "[" * 50_000, ["nested"]),
        ("port = " + "[" * 200 + "]" * 200, ["port", "no whole number"]),
        ("port = " + "{a = " * 50_000, ["nested"]),
        ('interface = "l\\u0000o"', ["interface", "U+0000"]),
        ('[tls]\npki = "a\\u0000b"', ["tls.pki", "U+0000"]),
        ('[station]\nmeter_id = "\\u001b[2J"', ["station.meter_id", "U+001B"]),
    ],
)
def test_values_beyond_all_measure_get_the_documented_error(
    tmp_path: Path, text: str, said: list[str]
) -> None:
    refusal = iso15118("config", "validate", "--role", "secc", str(written(tmp_path, text))).refusal
    for words in said:
        assert words in refusal
    assert len(refusal) < 2000
    assert "\x1b" not in refusal


def test_a_file_without_end_or_beginning_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "secc.fifo"
    os.mkfifo(fifo)  # nobody ever writes
    for path in ("/dev/zero", "/dev/null", str(fifo), str(tmp_path)):
        for command in (("config", "validate", "--role", "secc"), ("secc", "-c"), ("evcc", "-c")):
            refusal = iso15118(*command, path).refusal
            assert path in refusal
            assert "no regular file" in refusal


def test_a_file_of_another_kind_is_refused_by_its_length(tmp_path: Path) -> None:
    path = tmp_path / "movie.toml"
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="longer than"):
        read_toml(path)


def test_octets_that_are_no_text_are_named_by_their_place(tmp_path: Path) -> None:
    path = tmp_path / "latin1.toml"
    path.write_bytes('[station]\nmeter_id = "Z\xe4hler"'.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"UTF-8.*0xe4"):
        read_toml(path)


def test_a_key_file_without_end_is_refused_by_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        read_file(Path("/dev/zero"), "contracts.x448_key", 1000)
    assert caught.value.key == "contracts.x448_key"


@pytest.mark.parametrize(
    ("station", "said"),
    [
        ("cable_check_s = 1\ntime_scale = 20", ["station.cable_check_s", "1000 V", "3 or more"]),
        ('cable_check_s = 3\npreset = "mcs-max"', ["station.cable_check_s", "1250 V", "3.5 or more"]),
        ("cable_check_s = 100", ["station.cable_check_s", "cable_check_performance", "38"]),
        ("time_scale = 0.1", ["station.cable_check_s", "time_scale = 0.1"]),
        ("cable_check_s = 3\ntime_scale = 0.2", ["station.time_scale", "pre-charge"]),
        ("authorization_s = 200", ["station.authorization_s", "authorization_ongoing_timeout"]),
    ],
)
def test_a_combination_that_can_never_work_is_refused_with_the_reason(
    tmp_path: Path, station: str, said: list[str]
) -> None:
    refusal = iso15118(
        "config", "validate", "--role", "secc", str(written(tmp_path, f"{PLAIN}[station]\n{station}"))
    ).refusal
    for words in said:
        assert words in refusal


def test_longer_timers_make_long_checks_possible(tmp_path: Path) -> None:
    text = f"{PLAIN}[station]\ncable_check_s = 100\n[session.timing]\ncable_check_performance = 120\n"
    assert load_secc(written(tmp_path, text)).station.cable_check_s == 100.0


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_the_defaults_are_possible(tmp_path: Path, role: str) -> None:
    load(written(tmp_path, PLAIN), role)
