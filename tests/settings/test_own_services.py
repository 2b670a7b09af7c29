"""Services of one's own in both files: what comes of them, what is refused, and that a file that is shown
reads back as the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from iso15118.errors import ConfigError
from iso15118.session.value_added import ServiceParameters, ValueAddedService, WantedService
from iso15118.settings.grid import offered_of, wanted_of
from iso15118.settings.roles import load, load_evcc, load_secc
from iso15118.settings.writing import json_schema, to_toml

PLAIN = 'tls.mode = "plaintext"\n'
BATTERY_DATA = """
[station]
value_added = ["internet"]
[[station.own_services]]
id = 60001
name = "BatteryData"
scope = "example.com"
free = false
[[station.own_services.parameter_sets]]
id = 1
values = ["Cells = true", "Interval = 5", 'Format = "json"']
[[station.own_services.parameter_sets]]
id = 2
values = ["Share = 0.5"]
[[station.own_services]]
id = 60002
"""
WANTED = """
[vehicle]
value_added = ["parking-status"]
[[vehicle.own_services]]
id = 60001
values = ["Interval = 5"]
[[vehicle.own_services]]
id = 60002
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "file.toml"
    path.write_text(PLAIN + text)
    return path


def test_what_a_station_offers_and_a_vehicle_wants(tmp_path: Path) -> None:
    station = load_secc(written(tmp_path, BATTERY_DATA)).station
    internet, data, bare = offered_of(station)
    assert internet.id == 65
    assert data == ValueAddedService(
        id=60001,
        name="BatteryData",
        scope="example.com",
        free=False,
        parameter_sets=(
            ServiceParameters(id=1, values=(("Cells", True), ("Interval", 5), ("Format", "json"))),
            ServiceParameters(id=2, values=(("Share", 0.5),)),
        ),
    )
    assert bare == ValueAddedService(id=60002)
    vehicle = load_evcc(written(tmp_path, WANTED)).vehicle
    assert wanted_of(vehicle) == (
        WantedService(id=66),
        WantedService(id=60001, values=(("Interval", 5),)),
        WantedService(id=60002),
    )


@pytest.mark.parametrize(("role", "text"), [("secc", BATTERY_DATA), ("evcc", WANTED)])
def test_a_file_that_is_shown_reads_back_as_the_same(tmp_path: Path, role: str, text: str) -> None:
    settings = load(written(tmp_path, text), role)
    without = frozenset({"session", "supervision", "link", "tls"})
    assert load(written(tmp_path, to_toml(settings, without=without)), role) == settings
    table = json_schema(type(settings))["properties"]["station" if role == "secc" else "vehicle"]
    own = table["properties"]["own_services"]["items"]
    assert own["properties"]["id"]["minimum"] == 60001


def service(values: str = '["A = 1"]', *, number: int = 60001, sets: str = "id = 1") -> str:
    return (
        f"[[station.own_services]]\nid = {number}\n"
        f"[[station.own_services.parameter_sets]]\n{sets}\nvalues = {values}\n"
    )


@pytest.mark.parametrize(
    ("role", "text", "key"),
    [
        ("secc", service(number=60000), "station.own_services[0].id"),
        ("secc", service('["A"]'), "station.own_services[0].parameter_sets[0].values[0]"),
        ("secc", service('["A = [1]"]'), "station.own_services[0].parameter_sets[0].values[0]"),
        ("secc", service("['A = 1979-05-27']"), "station.own_services[0].parameter_sets[0].values[0]"),
        ("secc", service('["A = 1", "A = 2"]'), "station.own_services[0].parameter_sets[0].values[1]"),
        ("secc", service('["A = 1e99"]'), "station.own_services[0].parameter_sets.values"),
        ("secc", service("[]"), "station.own_services[0].parameter_sets.values"),
        ("secc", service(sets="id = 0"), "station.own_services[0].parameter_sets[0].id"),
        ("secc", service() + service(), "station.own_services[1]"),
        ("secc", service() + service('["A = 2"]'), "station.own_services[1].id"),
        (
            "secc",
            'station.value_added = ["internet"]\n'
            + "".join(service(number=60001 + place) for place in range(7)),
            "station.own_services",
        ),
        ("secc", "[[station.own_services]]\nid = 60001\nname = '" + "X" * 33 + "'\n", "station.own_services[0].name"),
        ("evcc", "[[vehicle.own_services]]\nid = 65\n", "vehicle.own_services[0].id"),
        ("evcc", '[[vehicle.own_services]]\nid = 60001\nvalues = ["="]\n', "vehicle.own_services[0].values[0]"),
        (
            "evcc",
            '[[vehicle.own_services]]\nid = 60001\n[[vehicle.own_services]]\nid = 60001\nvalues = ["A = 1"]\n',
            "vehicle.own_services[1].id",
        ),
        (
            "evcc",
            "".join(f"[[vehicle.own_services]]\nid = {60001 + place}\n" for place in range(17)),
            "vehicle.own_services",
        ),
    ],
)  # fmt: skip
def test_what_no_message_can_say_is_refused_by_name(tmp_path: Path, role: str, text: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), role)
    assert [one.key for one in caught.value.each] == [key]
