"""The file of schedules and prices: every key, TOML and JSON alike, and every mistake by its name."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from iso15118.energy.price import AbsolutePrices, PriceLevels
from iso15118.errors import ConfigError
from iso15118.session.services import Pricing
from iso15118.settings.roles import load_secc
from iso15118.settings.schedule_file import pricing_of, read_schedules

WHOLE = """
[[schedule]]
id = 7
entries = [{ hours = 1, kw = 11 }, { minutes = 30, kw = 0 }, { seconds = 90, kw = 5.5 }]
begins_minutes = -5
available_kwh = 40
tolerance_kw = 0.5
[schedule.prices]
currency = "EUR"
algorithm = "stacked-energy"
language = "deu"
description = "night"
begins_minutes = -5
minimum_cost = 0.50
maximum_cost = 99
stacks = [
  { hours = 1, rules = [
    { fee = 0.250, parking_fee = 0.1, parking_minutes = 15 },
    { fee = "0.35", from_kw = 11, carbon_dioxide_g_per_kwh = 300, renewable_percent = 20 } ] },
  { hours = 2, fee = 0.2 },
]
taxes = [{ name = "VAT", percent = 19, included = true, on = ["energy"], on_bounds = false }]
overstay = { after_minutes = 10, below_kw = 0.5, rules = [{ fee = 1, every_minutes = 10, description = "go" }] }
services = [{ name = "washing", fee = 3.50 }]
[schedule.discharging]
entries = [{ hours = 2, kw = 7 }]
[schedule.discharging.levels]
entries = [{ hours = 2, level = 2 }]
count = 3

[[schedule]]
entries = [{ hours = 24, kw = 3 }]
"""


def written(tmp_path: Path, text: str, name: str = "plan.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_is_read(tmp_path: Path) -> None:
    one, two = read_schedules(written(tmp_path, WHOLE))
    assert (one.id, two.id) == (7, 2)
    charging = one.charging
    assert charging.entries == ((3600.0, 11_000.0), (1800.0, 0.0), (90.0, 5500.0))
    assert (charging.begins, charging.available_wh, charging.tolerance_w) == (-300.0, 40_000.0, 500.0)
    prices = charging.prices
    assert isinstance(prices, AbsolutePrices)
    assert (prices.currency, prices.language, prices.description, prices.begins) == (
        "EUR",
        "deu",
        "night",
        -300.0,
    )
    assert prices.algorithm.endswith("3-StackedEnergy")
    first, second = prices.stacks[0].rules
    assert str(first.energy_fee) == "0.250", "digits are kept"
    assert (first.parking_fee, first.parking_fee_period_s) == (Decimal("0.1"), 900)
    assert (second.energy_fee, second.power_range_start_w) == (Decimal("0.35"), Decimal(11_000))
    assert (second.carbon_dioxide_g_per_kwh, second.renewable_percent) == (300, 20)
    assert prices.stacks[1].duration_s == 7200
    (tax,) = prices.taxes
    assert (int(tax.rate_percent), tax.included, tax.on_energy, tax.on_parking, tax.on_bounds) == (
        19,
        True,
        True,
        False,
        False,
    )
    assert prices.overstay is not None
    assert (prices.overstay.time_threshold_s, str(prices.overstay.power_threshold_w)) == (600, "5E+2")
    assert prices.services[0].fee == Decimal("3.50")
    assert (str(prices.minimum_cost), str(prices.maximum_cost)) == ("0.50", "99")
    assert one.discharging is not None
    assert isinstance(one.discharging.prices, PriceLevels)
    assert one.discharging.prices.levels == 3
    assert pricing_of((one, two)) is Pricing.ABSOLUTE
    assert pricing_of((two,)) is Pricing.NONE


def test_json_says_the_same(tmp_path: Path) -> None:
    table = {
        "schedule": [
            {
                "entries": [{"hours": 1, "kw": 11}],
                "prices": {"currency": "EUR", "stacks": [{"hours": 1, "fee": 0.250}]},
            }
        ]
    }
    text = json.dumps(table).replace("0.25", "0.250")
    (one,) = read_schedules(written(tmp_path, text, "plan.json"))
    assert isinstance(one.charging.prices, AbsolutePrices)
    assert str(one.charging.prices.stacks[0].rules[0].energy_fee) == "0.250"


PRICED = "prices = { currency = 'EUR', stacks = [{ hours = 1, fee = 1 }] }"
ENTRY = "[[schedule]]\nentries = [{ hours = 1, kw = 11 }]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "schedule: is missing"),
        ("schedule = 3", "schedule: 3 is not possible"),
        ("schedule = [3]", r"schedule\[0\]: 3 is no table"),
        (ENTRY * 4, "schedule: 4 are not possible"),
        ("[[schedule]]\n", r"schedule\[0\].entries: is missing"),
        ("[[schedule]]\nentries = []", "0 are not possible"),
        ("[[schedule]]\nentries = [{ kw = 1 }]", "no duration"),
        ("[[schedule]]\nentries = [{ hours = 1, minutes = 1, kw = 1 }]", "minutes and hours"),
        ("[[schedule]]\nentries = [{ seconds = 0.5, kw = 1 }]", "1 s or more"),
        ("[[schedule]]\nentries = [{ hours = nan, kw = 1 }]", "is not possible"),
        ("[[schedule]]\nentries = [{ hours = 1, kw = 'much' }]", "'much' is not possible"),
        ("[[schedule]]\nentries = [{ hours = 1, kw = -1 }]", "powers of 0 W or more"),
        ("[[schedule]]\nentries = [{ hours = 1, kw = true }]", "True is not possible"),
        (ENTRY + "entry = 1", "no such key .did you mean 'entries'"),
        (ENTRY + "id = 0", "0 is not possible"),
        (ENTRY + "id = 5\n" + ENTRY + "id = 5", "listed twice"),
        (ENTRY + "prices = { currency = 'EUR' }", "stacks: is missing"),
        (ENTRY + "prices = { currency = 'EURO', stacks = [{ hours = 1, fee = 1 }] }", "three letters"),
        (ENTRY + "prices = { currency = 'EUR', stacks = [{ hours = 1 }] }", "fee: is missing"),
        (ENTRY + "prices = { currency = 'EUR', stacks = [{ hours = 1, fee = 0.1234567 }] }", "too many digits"),
        (ENTRY + "prices = { currency = 'EUR', stacks = [{ hours = 1, fee = 'x' }] }", "'x' is not possible"),
        (ENTRY + "prices = { currency = 'EUR', algorithm = 'peak', stacks = [] }", "did you mean 'peak-power'"),
        (ENTRY + "prices = { currency = 'EUR', stacks = [{ hours = 1, fee = 1, rules = [{ fee = 1 }] }] }", "one of the two"),
        (ENTRY + "prices = { currency = 'EUR', stacks = [{ hours = 1, fee = 1 }], taxes = [{ percent = 1, on = ['all'] }] }", "'all'"),
        (ENTRY + "levels = { entries = [{ hours = 1, level = 4 }], count = 3 }", "4 is not possible"),
        (ENTRY + "levels = { entries = [{ hours = 1, level = 1 }] }\n" + PRICED, "one of the two"),
        ("[[schedule]", "is no TOML"),
        ("x = " + "[" * 5000, "is no TOML"),
    ],
    ids=lambda value: None if isinstance(value, str) and len(value) > 40 else str(value)[:40],
)  # fmt: skip
def test_mistakes_are_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        read_schedules(written(tmp_path, text))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for name in ("missing.toml", "."):
        with pytest.raises(ConfigError):
            read_schedules(tmp_path / name)
    with pytest.raises(ConfigError, match="is no JSON"):
        read_schedules(written(tmp_path, "{", "plan.json"))


STATION = 'interface = "lo"\n[tls]\nmode = "plaintext"\n[station]\n'


def test_a_station_names_its_file(tmp_path: Path) -> None:
    written(tmp_path, ENTRY)
    settings: Any = load_secc(written(tmp_path, STATION + 'schedule = "plan.toml"', "secc.toml"))
    assert settings.station.schedule == tmp_path / "plan.toml"
    from iso15118.settings.hardware import station_of

    station, _ = station_of(settings.station)
    assert station.timetable is not None
    assert station.timetable.offers[0].charging.entries == ((3600.0, 11_000.0),)
    with pytest.raises(ConfigError, match=r"other\.toml"):
        load_secc(written(tmp_path, STATION + 'schedule = "other.toml"', "secc.toml"))
    with pytest.raises(ConfigError, match=r"station\.sign_prices"):
        load_secc(written(tmp_path, STATION + "sign_prices = true", "secc.toml"))
