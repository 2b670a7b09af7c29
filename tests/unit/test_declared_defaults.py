"""What a field means that nobody sets: nothing (0, False, empty, None), except where it stands here.

It holds for every class of the sessions, their drivers and what they compute with: an event that says
nothing of a current says that none flows, and an answer that says nothing is no yes.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import math
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.couplers import COUPLERS
from tests.unit.test_defaults import DEFAULTS

PACKAGES = ("session", "secc", "evcc", "aio", "energy")
LONG_AGO = -1e9
SAID: dict[str, dict[str, Any]] = {
    "aio.plug.plca.Plca": {"node_count": 8, "to_timer": 32, "burst_timer": 128, "enabled": True},
    "energy.curves.Response": {"first_order": True},
    "energy.grid_support.Ratings": {"nominal_v": 230.0},
    "energy.price.AbsolutePrices": {"schedule_id": 1},
    "energy.price.PriceLevels": {"schedule_id": 1},
    "energy.price.TaxRule": {"on_energy": True, "on_parking": True, "on_overstay": True, "on_bounds": True},
    "energy.sae_functions.ConstantPowerFactor": {"factor": 1.0},
    "energy.sae_functions.Droop": {"dead_band_hz": 0.036, "factor": 0.05, "open_loop_s": 5.0},
    "energy.sae_functions.EnterService": {"permit": True},
    "energy.sae_functions.LimitDischarge": {"percent": 100},
    "energy.sae_functions.SaeGridCode": {
        "nominal_v": 240.0,
        "nominal_hz": 60.0,
        "maximum_v": 264.0,
        "minimum_v": 211.2,
    },
    "energy.sae_functions.TripCurve": {"enable": True},
    "energy.sae_functions.VoltVarMode": {"reference_v": 240.0, "adjustment_s": 300},
    "evcc.acdp_settings.AcdpEvccSettings": {
        "immobilize_s": 5.0,
        "status_every_s": 1.0,
        "status_silence_s": 5.0,
    },
    "evcc.din.plan.Plan": {"service_id": 1},
    "evcc.din.settings.DinEvccSettings": {
        "send_optional": True,
        "welding_detection": True,
        "precharge_current_a": 1.0,
        "voltage_headroom_v": 10.0,
        "loop_interval_s": 0.1,
    },
    "evcc.iso2.plan.AcPlan": {"phases": 1, "nominal_v": 230.0},
    "evcc.iso2.plan.Plan": {"charge_service": 1, "negotiated_at": -math.inf},
    "evcc.iso2.settings.Iso2EvccSettings": {
        "maximum_schedule_entries": 1024,
        "loop_interval_s": 0.1,
        "ac_loop_interval_s": 0.2,
        "precharge_current_a": 1.0,
        "voltage_headroom_v": 10.0,
        "renegotiation_interval_s": 5.0,
        "most_renegotiations": 200,
        "contract_update_days": 21.0,
    },
    "evcc.iso20.plan.AcPlan": {"phases": 1, "nominal_voltage_v": 230.0},
    "evcc.wpt_settings.WptEvccSettings": {"attempts": 3, "alignment_s": 10.0, "alignment_share": 0.5},
    "secc.acdp_settings.AcdpSeccSettings": {
        "position_age_s": 1.0,
        "no_current_a": 1.0,
        "status_required": True,
        "status_silence_s": 5.0,
    },
    "secc.din.settings.DinSeccSettings": {
        "send_loop_limits": True,
        "session_stop_anywhere": True,
        "no_power_wait_s": 55.0,
        "peak_current_ripple_a": 1.0,
    },
    "secc.facts.Facts": {
        "plain": True,
        "insulation_threshold_ohm": 100000.0,
        "measured_at": LONG_AGO,
        "position_at": LONG_AGO,
        "meter_asked": LONG_AGO,
        "told_open_at": LONG_AGO,
    },
    "secc.iso2.context.Context": {"tuple_id": 1},
    "secc.iso2.settings.Iso2SeccSettings": {
        "send_loop_limits": True,
        "session_stop_anywhere": True,
        "no_power_wait_s": 55.0,
        "verify_receipt": True,
        "resume_checks_evccid": True,
        "certificate_expiry_days": 21.0,
        "peak_current_ripple_a": 1.0,
    },
    "secc.wpt_settings.WptSeccSettings": {"attempts": 3, "alignment_w": 100.0},
    "session.ac_limits.AcStationLimits": {
        "phases": 3,
        "nominal_voltage_v": 230.0,
        "nominal_frequency_hz": 50.0,
    },
    "session.ac_limits.AcVehicleLimits": {"phases": 3, "minimum_current_a": 6.0, "maximum_voltage_v": 250.0},
    "session.coupling.VehiclePosition": {"associated": True},
    "session.der.GridCondition": {"in_service": True, "connected": True},
    "session.der.InverterAbilities": {
        "iec_functions": 4095,
        "sae_functions": 507,
        "nominal_v": 230.0,
        "maximum_v": 264.0,
        "minimum_v": 184.0,
        "over_excited_factor": 0.9,
        "under_excited_factor": 0.9,
    },
    "session.edition.Stage": {"refuses": True},
    "session.hardware_actions.StartCableCheck": {"insulation_ohm": 100000.0},
    "session.mid_session_events.MobilityNeedsChanged": {"ack_max_delay_s": 30.0},
    "session.mid_session_events.StandbyRequested": {"wanted": True},
    "session.news_beside.GridReported": {"in_service": True, "connected": True},
    "session.schedule_news.ScheduleChosen": {"offered": 1},
    "session.ticket.PauseTicket": {"valid_s": 86400.0},
    "session.value_added.ValueAddedService": {"free": True},
    "session.wireless.PadLimits": {
        "maximum_coil_a": 75.0,
        "maximum_clearance_mm": 250.0,
        "minimum_clearance_mm": 100.0,
    },
    "session.wireless.ReceiverLimits": {
        "maximum_clearance_mm": 210.0,
        "minimum_clearance_mm": 140.0,
        "natural_frequency_hz": 85000.0,
    },
}
"""Class -> fields that say something by themselves; those of settings stand in ``test_defaults``."""


def classes() -> Iterator[tuple[str, type]]:
    for package in PACKAGES:
        inside = importlib.import_module(f"iso15118.{package}")
        for found in pkgutil.walk_packages(inside.__path__, f"{inside.__name__}."):
            if found.name.endswith("__main__"):
                continue
            for name, kind in vars(importlib.import_module(found.name)).items():
                if inspect.isclass(kind) and kind.__module__ == found.name:
                    yield f"{found.name.removeprefix('iso15118.')}.{name}", kind


def defaults(kind: type) -> dict[str, Any]:
    """Of its own fields, those that are a number or a yes or no."""
    if issubclass(kind, msgspec.Struct):
        names, values = kind.__struct_fields__, kind.__struct_defaults__
        pairs = list(zip(names[len(names) - len(values) :], values, strict=True))
    elif dataclasses.is_dataclass(kind):
        pairs = [(one.name, one.default) for one in dataclasses.fields(kind)]
    else:
        return {}
    own = inspect.get_annotations(kind)
    return {
        name: value
        for name, value in pairs
        if name in own and isinstance(value, (int, float)) and not isinstance(value, enum.Enum)
    }


def test_what_nobody_sets_says_nothing_except_where_it_stands_here() -> None:
    settings = {f"{kind.__module__.removeprefix('iso15118.')}.{kind.__name__}": kind for kind in DEFAULTS}
    seen = set()
    for name, kind in classes():
        elsewhere = DEFAULTS[settings[name]] if name in settings else {}
        found = {field: value for field, value in defaults(kind).items() if value and field not in elsewhere}
        assert found == SAID.get(name, {}), name
        seen.add(name)
    assert seen >= SAID.keys()
    assert len(seen) > 300, "they are all looked at"


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (
            AcStationLimits,
            {
                "phases": 3,
                "nominal_voltage_v": 230.0,
                "nominal_frequency_hz": 50.0,
                "discharge_a": 0.0,
                "minimum_a": 0.0,
            },
        ),
        (
            AcVehicleLimits,
            {
                "phases": 3,
                "minimum_a": 6.0,
                "discharge_a": 0.0,
                "nominal_voltage_v": 230.0,
                "maximum_voltage_v": 250.0,
                "uneven": False,
                "forms_grid": False,
            },
        ),
    ],
)
def test_the_short_way_to_limits_of_ac_assumes_a_european_grid(kind: Any, wanted: dict[str, Any]) -> None:
    parameters = inspect.signature(kind.of).parameters.values()
    assert {one.name: one.default for one in parameters if one.default is not one.empty} == wanted


def test_what_couplers_carry_is_what_the_documentation_says() -> None:
    """docs/sources.md, "Couplers": V, A, W and the value of the parameter Connector."""
    ceiling = (1250.0, 3000.0, 3_750_000.0)
    assert {
        name: (one.connector, (one.maximum_voltage_v, one.maximum_current_a, one.maximum_power_w))
        for name, one in COUPLERS.items()
    } == {
        "mcs": (1, ceiling),
        "chaoji": (2, (1500.0, 800.0, 1_200_000.0)),
        "ultra-chaoji": (3, (1500.0, 2000.0, 3_000_000.0)),
        "rmcs": (4, ceiling),
        "xmcs": (5, ceiling),
        "aviation": (6, ceiling),
        "marine": (7, ceiling),
    }
