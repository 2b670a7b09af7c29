"""Quirks: whom they are about, what may be set, and that a wrong one is refused with its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc import quirks as of_stations
from iso15118.evcc.quirks import StationQuirk
from iso15118.secc import SeccConfig
from iso15118.secc import quirks as of_vehicles
from iso15118.secc.quirks import VehicleQuirk
from iso15118.session.quirks import begins
from iso15118.settings.roles import load_evcc, load_secc
from tests.cli.rig import iso15118

ROLES: dict[str, tuple[Any, Any, type]] = {
    "secc": (of_vehicles, VehicleQuirk, SeccConfig),
    "evcc": (of_stations, StationQuirk, EvccConfig),
}
NAMES = {"name", "like", "evccid", "evse_id"}


def field_of(config: Any, place: str) -> Any:
    """The type of a setting, by its dotted name."""
    kind, *_ = (type(config),)
    for part in place.split("."):
        (found,) = [one for one in msgspec.structs.fields(kind) if one.name == part]
        kind = found.type
    return kind


def is_of(kind: Any, optional: Any) -> bool:
    """``optional`` is ``kind`` or None, with the same range."""
    return msgspec.json.schema(kind | None) == msgspec.json.schema(optional)


@pytest.mark.parametrize("role", ROLES)
def test_every_setting_of_a_quirk_is_one_of_the_role_with_the_same_values(role: str) -> None:
    room, quirk, config = ROLES[role]
    own = {one.name: one.type for one in msgspec.structs.fields(quirk) if one.name not in NAMES}
    assert set(own) == set(room.PLACES)
    for name, places in room.PLACES.items():
        for place in places:
            wide = field_of(config(), place)
            if name in ("loop_interval_s", "no_power_wait_s"):  # two editions, two ranges: the narrower one
                continue
            assert is_of(wide, own[name]), (name, place)


@pytest.mark.parametrize("role", ROLES)
def test_what_is_known_of_a_maker_is_a_quirk_of_its_own(role: str) -> None:
    room, quirk, config = ROLES[role]
    key = "evccid" if role == "secc" else "evse_id"
    for like, changes in room.KNOWN.items():
        made = quirk(**{key: ("00",)}, like=like)
        assert made.title == like
        assert made.changes == dict(changes)
        config(quirks=(made,))
        first = next(iter(changes))
        assert quirk(**{key: ("00",)}, like=like, **{first: changes[first]}).changes == dict(changes)


@pytest.mark.parametrize(
    ("name", "beginnings", "is_one"),
    [
        ("007DFA123456", ("00:7D:FA",), True),
        ("007DFA123456", ("00-7d-fa-12",), True),
        ("007DFB123456", ("00:7D:FA", "007dfb"), True),
        ("007DFB123456", ("00:7D:FA",), False),
        ("00", ("00:7D:FA",), False),
        ("", ("00",), False),
        ("WVW-V-123", ("wvwv",), True),
        ("DE*ABC*E1", ("DEABC",), True),
    ],
)
def test_a_peer_is_known_by_the_beginning_of_its_name(
    name: str, beginnings: tuple[str, ...], is_one: bool
) -> None:
    assert begins(name, beginnings) is is_one


@pytest.mark.parametrize(
    ("quirk", "fields", "key"),
    [
        (VehicleQuirk, {"evccid": (), "plausibility": "note"}, "evccid"),
        (VehicleQuirk, {"evccid": ("::",), "plausibility": "note"}, "evccid"),
        (VehicleQuirk, {"evccid": ("00",) * 101, "plausibility": "note"}, "evccid"),
        (VehicleQuirk, {"evccid": ("00",)}, "name"),
        (VehicleQuirk, {"evccid": ("00",), "like": "tesl"}, "like"),
        (VehicleQuirk, {"evccid": ("00",), "overvoltage_v": 101.0}, "overvoltage_v"),
        (StationQuirk, {"evse_id": (), "use_pmax": True}, "evse_id"),
        (StationQuirk, {"evse_id": ("DE",)}, "name"),
        (StationQuirk, {"evse_id": ("DE",), "like": "tesla"}, "like"),
        (StationQuirk, {"evse_id": ("DE",), "voltage_headroom_v": float("nan")}, "voltage_headroom_v"),
    ],
)
def test_a_quirk_that_is_none_is_refused(quirk: Any, fields: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        quirk(**fields)
    assert caught.value.key == key


def test_a_value_that_does_not_go_with_the_others_is_refused_with_the_quirk() -> None:
    with pytest.raises(ConfigError, match=r"quirks\[1\].*no_power_wait_s"):
        SeccConfig(
            quirks=(
                VehicleQuirk(evccid=("00",), plausibility="note"),
                VehicleQuirk(evccid=("01",), no_power_wait_s=3000.0),
            )
        )
    with pytest.raises(ConfigError, match=r"profile_check"):
        SeccConfig(quirks=(VehicleQuirk(evccid=("00",), profile_check="loud"),))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="at most 100"):
        SeccConfig(quirks=(VehicleQuirk(evccid=("00",), plausibility="note"),) * 101)


def test_the_later_of_two_quirks_counts() -> None:
    config = SeccConfig(
        quirks=(
            VehicleQuirk(evccid=("00",), plausibility="strict", send_loop_limits=False),
            VehicleQuirk(evccid=("00:7D",), plausibility="note"),
        )
    )
    made, found = of_vehicles.quirks_of(config, "007DFA123456")
    assert len(found) == 2
    assert (made.iso2.plausibility, made.din.plausibility) == ("note", "note")
    assert (made.iso2.send_loop_limits, made.din.send_loop_limits) == (False, False)
    assert of_vehicles.quirks_of(config, "AA7DFA123456") == (config, ())


SECC_FILE = """
[session]
editions = ["iso2", "din"]
[[session.quirks]]
name = "the works cars"
evccid = ["00:7D:FA", "00:7D:FB"]
like = "vw-group"
overvoltage_v = 1.0
[[session.quirks]]
evccid = ["02"]
time_stamp_unit = "microseconds"
"""


def test_quirks_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secc.toml"
    path.write_text(SECC_FILE)
    first, second = load_secc(path).session.quirks
    assert first == VehicleQuirk(
        name="the works cars", evccid=("00:7D:FA", "00:7D:FB"), like="vw-group", overvoltage_v=1.0
    )
    assert (second.title, second.changes) == ("02", {"time_stamp_unit": second.time_stamp_unit})
    again = tmp_path / "again.toml"
    again.write_text(iso15118("config", "show", "--role", "secc", str(path)).out)
    assert load_secc(again).session.quirks == (first, second)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('quirks = "vw"', r"session\.quirks: .* is no list"),
        ("quirks = [1]", r"session\.quirks\[0\]: 1 is no table"),
        ('[[session.quirks]]\nevccid = ["00"]\nlike = "vw"', r"session\.quirks\[0\]\.like"),
        ('[[session.quirks]]\nplausibility = "note"', r"session\.quirks\[0\]\.evccid: is missing"),
        ('[[session.quirks]]\nevccid = ["00"]', r"session\.quirks\[0\].*changes nothing"),
        ('[[session.quirks]]\nevccid = ["00"]\nplausiblity = "note"', r"did you mean .*plausibility"),
        (
            '[[session.quirks]]\nevccid = ["00"]\nlike = "tesla"\n' * 2,
            r"session\.quirks\[1\]: .* is listed twice",
        ),
    ],
)
def test_quirks_that_are_none_in_a_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "secc.toml"
    path.write_text(f"[session]\n{text}\n")
    with pytest.raises(ConfigError, match=said):
        load_secc(path)


def test_a_vehicles_file_knows_stations(tmp_path: Path) -> None:
    path = tmp_path / "evcc.toml"
    path.write_text('[tls]\nmode = "plaintext"\n[[session.quirks]]\nevse_id = ["DE*ABC"]\nlike = "abb"\n')
    (quirk,) = load_evcc(path).session.quirks
    assert quirk.changes == {"welding_detection": False}
