"""Numbers of libraries in values of ports: plain ones reach the session, within tuples and nested values too;
and what a session does with a fault of its own that every measurement brings again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from iso15118.aio.ports import coil_side, coupling_calls, inverter, readings
from iso15118.aio.ports.guard import Port
from iso15118.aio.ports.plain import made_again, plain
from iso15118.errors import HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.checks import is_ac_reading, is_coil_reading
from iso15118.session.coupling import VehiclePosition
from iso15118.session.der import InverterAbilities
from iso15118.session.wireless import PadLimits, ReceiverLimits
from iso15118.simulation import european, north_american
from tests.aio.hostile import FloatLike, Lying
from tests.pair.wpt_rig import pad_pair

VALUES: dict[str, tuple[Callable[[Any, str], Any], Any]] = {
    "ac": (readings.alternating, ev.AcMeasured(voltage_v=(230.0, 231.0, 229.0), frequency_hz=50.0, at=1.0)),
    "outlet": (readings.outlet_limits, AcStationLimits.of(current_a=32.0)),
    "charger": (readings.charger_limits, AcVehicleLimits.of(current_a=16.0)),
    "pad": (coil_side._pad_measured, ev.PadMeasured(power_w=1.0, frequency_hz=85e3, at=2.0)),
    "receiver": (coil_side._receiver_measured, ev.ReceiverMeasured(power_w=1.0, voltage_v=400.0, at=2.0)),
    "pad limits": (coil_side._pad_limits, PadLimits(maximum_power_w=11e3)),
    "receiver limits": (coil_side.receiver_limits, ReceiverLimits(maximum_power_w=11e3)),
    "european code": (inverter._code, european()),
    "american code": (inverter._code, north_american(230.0, 50.0)),
    "abilities": (inverter._abilities, InverterAbilities(apparent_va=1e4, reactive_var=4e3)),
    "position": (coupling_calls._vehicle_position, VehiclePosition(x_cm=1.0, y_cm=2.0)),
}


def changed(value: Any, change: Callable[[float], Any]) -> Any:
    """The value with all floats in it changed, past the checks of its class."""
    if type(value) is float:
        return change(value)
    if type(value) is tuple:
        return tuple(changed(part, change) for part in value)
    if not isinstance(value, msgspec.Struct):
        return value
    made = msgspec.structs.replace(value)
    for name in value.__struct_fields__:
        msgspec.structs.force_setattr(made, name, changed(getattr(value, name), change))
    return made


def kinds(value: Any) -> set[type]:
    """Of all numbers in it."""
    if isinstance(value, msgspec.Struct):
        return set().union(*(kinds(getattr(value, name)) for name in value.__struct_fields__))
    if type(value) is tuple:
        return set().union(*map(kinds, value))
    return {type(value)} if isinstance(value, float) else set()


def read(name: str, value: Any) -> Any:
    check, _ = VALUES[name]
    holder = type("Holder", (), {"value": value})()
    return Port(holder, "port").read("value", check)


@pytest.mark.parametrize("kind", [FloatLike, Lying])
@pytest.mark.parametrize("name", VALUES)
def test_floats_of_a_library_become_plain_ones_at_every_depth(name: str, kind: type[float]) -> None:
    value = VALUES[name][1]
    made = read(name, changed(value, kind))
    assert kinds(made) == {float}
    assert made == value


@pytest.mark.parametrize("change", [Decimal, Fraction, str, lambda x: None, lambda x: 10**5000])
@pytest.mark.parametrize("name", VALUES)
def test_what_is_no_float_is_a_fault_of_the_port(name: str, change: Callable[[float], Any]) -> None:
    with pytest.raises(HardwareError):
        read(name, changed(VALUES[name][1], change))


def test_a_plain_value_stays_the_same_object_and_is_judged_again_only_where_that_is_asked_for() -> None:
    value = VALUES["ac"][1]
    assert plain(value, "port") is value
    limits = PadLimits(maximum_power_w=11e3)
    msgspec.structs.force_setattr(limits, "minimum_power_w", 12e3)
    assert plain(limits, "port") is limits
    with pytest.raises(HardwareError, match="minimum_power_w"):
        made_again(limits, "port")


def test_a_curve_that_was_changed_in_place_is_found_within_its_grid_code() -> None:
    code = european()
    assert code.over_frequency_watt is not None
    msgspec.structs.force_setattr(code.over_frequency_watt, "start_hz", -3.0)
    with pytest.raises(HardwareError, match=r"grid_code.*start_hz"):
        read("european code", code)


def test_what_is_nested_for_ever_is_refused() -> None:
    endless: Any = ()
    for _ in range(50):
        endless = (endless,)
    for value in (endless, tuple(0.0 for _ in range(5000))):
        with pytest.raises(HardwareError, match="nested too deeply"):
            plain(value, "port")


@pytest.mark.parametrize("field", ["voltage_v", "current_a", "power_w", "reactive_var", "frequency_hz", "at"])
def test_decimals_of_an_outlet_are_no_reading_for_a_session_either(field: str) -> None:
    value: Any = Decimal(1) if field in ("frequency_hz", "at") else (Decimal(1),) * 3
    assert is_ac_reading(ev.AcMeasured())
    assert not is_ac_reading(ev.AcMeasured(**{field: value}))


@pytest.mark.parametrize("field", ["power_w", "coil_a", "frequency_hz", "at"])
def test_decimals_of_a_coil_are_no_reading_for_a_session_either(field: str) -> None:
    kind: Any
    for kind in (ev.PadMeasured, ev.ReceiverMeasured):
        assert is_coil_reading(kind())
        assert not is_coil_reading(kind(**{field: Decimal(1)}))


# -- a fault of the session's own
# -------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_a_fault_that_every_measurement_brings_again_has_all_made_safe_once(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again each time, ports that answer at once would have the driver go round for ever."""
    both = pad_pair()
    both.run(until=lambda: both.now > 5.0)
    session: Any = both.secc if role == "secc" else both.evcc

    def raises(*_: Any) -> None:
        raise ZeroDivisionError("of this software")

    if role == "secc":
        monkeypatch.setattr(type(session._books), "_pad_measured", raises)
    else:
        monkeypatch.setattr(type(session), "_coil", raises)
    event = ev.PadMeasured() if role == "secc" else ev.ReceiverMeasured()
    first = session.handle(event, both.now)
    assert {act.StopPower, act.OpenContactors, act.SessionEnded} <= {type(action) for action in first}
    assert session.handle(event, both.now) == []
    # A contactor that closes late is still told to open.
    late = session.handle(ev.ContactorsChanged(True), both.now)
    assert act.OpenContactors in {type(action) for action in late}
