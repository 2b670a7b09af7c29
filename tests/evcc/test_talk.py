"""What a script of a vehicle can do and know, without a script: keys, wishes of the driver, and what the
inlet says of welded contactors.

Each is called as the scripts call it, at its edges.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.errors import ConfigError, MisuseError, PkiError
from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.conversation import Conversation, EndSession, KeyUse, Leave
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.limits import NO_DC_SIDE, VehicleLimits
from tests.evcc.station import VEHICLE, battery


def talk_at(now: float = 10.0, **settings: Any) -> Conversation:
    talk = EvccSession(EvccConfig(**settings), VEHICLE, battery())._talk
    talk.now = now
    return talk


# -- reasons -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told", "says"), [(None, "all of it"), ("less", "less"), ("", "")])
def test_a_station_is_told_no_more_than_it_may_know(told: str | None, says: str) -> None:
    leave = Leave(EndReason.AUTHORIZATION_FAILED, "all of it", told=told)
    assert (leave.detail, leave.told) == ("all of it", says)


def test_an_end_without_words_is_its_reason() -> None:
    assert str(EndSession(EndReason.TIMEOUT)) == EndReason.TIMEOUT.value
    assert str(Leave(EndReason.TIMEOUT, "no answer")).endswith(": no answer")


# -- private keys ------------------------------------------------------------------------------------------


def used(number: int, result: Any = None, error: Exception | None = None) -> ev.KeyUsed:
    return ev.KeyUsed(number, result, error)


@pytest.mark.parametrize(
    ("event", "result", "error"),
    [
        (used(1, "signed"), "signed", None),
        (used(1, 7), 7, "gave int"),
        (used(1, error=PkiError("no such key")), None, "no such key"),
        (used(1, error=MisuseError("wrong")), None, "wrong"),
        (used(1, error=OSError("token gone")), None, "cannot be used: "),
    ],
    ids=["signed", "another kind", "key", "misuse", "token"],
)
def test_what_comes_of_a_key(event: ev.KeyUsed, result: Any, error: str | None) -> None:
    use = KeyUse(1, "the authorization", str, 15.0, None)
    assert not use.is_over
    use.done(event)
    assert (use.is_over, use.result) == (True, result)
    assert (use.error is None) is (error is None)
    assert error is None or error in str(use.error)


def test_a_key_that_takes_too_long_is_over() -> None:
    use = KeyUse(1, "the authorization", str, 15.0, None)
    use.late()
    assert use.is_over
    assert isinstance(use.error, PkiError)


def test_a_key_beside_the_script_is_waited_for_as_long_as_the_settings_say() -> None:
    talk = talk_at(key_use_s=5.0)
    over: list[KeyUse] = []
    talk.key_beside("the meter reading", str, lambda: "signed", over.append)
    (asked,) = talk.outbox
    assert isinstance(asked, act.UseKey)
    assert (asked.purpose, asked.number) == ("the meter reading", 1)
    assert talk.key_is_used("the meter reading")
    assert not talk.key_is_used("the authorization")
    talk.now = 14.9
    assert talk.key_is_used("the meter reading")
    talk.now = 15.0
    assert not talk.key_is_used("the meter reading")
    talk.key_used(used(1, "signed"))
    assert over == []  # too late
    assert talk.key_uses == {}


def test_a_key_that_was_used_in_time_is_told_once_and_another_number_is_nobodys() -> None:
    talk = talk_at()
    over: list[KeyUse] = []
    talk.key_beside("one", str, lambda: "signed", over.append)
    talk.key_beside("other", str, lambda: "signed", over.append)
    talk.key_used(used(7, "signed"))
    talk.key_used(used(2, "signed"))
    talk.key_used(used(2, "again"))
    assert [(use.purpose, use.result) for use in over] == [("other", "signed")]
    assert (talk.key_is_used("one"), talk.key_is_used("other")) == (True, False)


# -- what the driver wants ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "departs", "least", "target"),
    [
        ({}, None, 20, 80),
        ({"departure_s": 60}, 70.0, 20, 80),
        ({"target_soc": 90}, None, 20, 90),
        ({"minimum_soc": 40}, None, 40, 80),
        ({"target_soc": 10}, None, 10, 10),
        ({"target_soc": 50, "minimum_soc": 30}, None, 30, 50),
    ],
)
def test_a_driver_changes_what_he_names_and_the_least_is_never_above_the_target(
    said: dict[str, int], departs: float | None, least: int, target: int
) -> None:
    talk = talk_at()
    assert not talk.needs_changed
    talk.changed(ev.NeedsChanged(**said))
    assert (talk.departure_at, talk.minimum_soc, talk.target_soc) == (departs, least, target)
    assert talk.needs_changed


# -- what is told and sent ---------------------------------------------------------------------------------


def test_a_deviation_is_told_once_by_its_name() -> None:
    talk = talk_at()
    for name, detail in (("one", "a"), ("one", "b"), ("other", "c")):
        talk.note(name, detail)
    assert talk.outbox == [act.PeerDeviates("one", "a"), act.PeerDeviates("other", "c")]


def test_a_request_on_a_stream_of_its_own_is_waited_for_as_any_other() -> None:
    talk = talk_at()
    talk.send_beside("request", str)
    assert talk.outbox == [act.Send("request", beside=True)]
    assert (talk.beside, talk.beside_until) == (str, 10.0 + talk.config.timing.message_timeout)


def test_nobody_is_said_to_know_the_time_without_a_clock() -> None:
    talk = talk_at()
    assert talk.clock is None
    talk.epoch = 1.79e9
    assert talk.clock == 1.79e9 + 10.0


# -- the inlet ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("volts", "age_s", "why"),
    [
        (59.9, 0.0, ""),
        (60.0, 0.0, "kept 60 V"),
        (-60.0, 0.0, "kept 60 V"),
        (-59.9, 0.0, ""),
        (0.0, 0.9, ""),
        (0.0, 1.1, "not been measured"),
    ],
)
def test_a_contactor_may_be_welded_where_the_inlet_keeps_its_voltage_or_is_not_seen(
    volts: float, age_s: float, why: str
) -> None:
    session = EvccSession(EvccConfig(), VEHICLE, battery())
    session.handle(ev.InletMeasured(volts), 10.0)
    session._talk.now = 10.0 + age_s
    found = session._talk.perhaps_welded
    assert bool(found) is bool(why)
    assert why in found


@pytest.mark.parametrize(
    ("limits", "there"),
    [(VEHICLE, True), (NO_DC_SIDE, False), (replace(NO_DC_SIDE, maximum_voltage_v=0.5), True)],
    ids=["a battery", "none", "hardly any"],
)
def test_a_vehicle_without_a_voltage_has_no_dc_side(limits: VehicleLimits, there: bool) -> None:
    talk = talk_at()
    talk.limits = limits
    assert talk.has_dc is there


# -- what a session is made of -----------------------------------------------------------------------------


class Unprintable:
    """It fails when it is to be shown."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"battery": None}, "battery"),
        ({"battery": Unprintable()}, "battery"),
        ({"battery": ev.InletMeasured(0.0)}, "battery"),
        ({"battery": battery(voltage_v=math.nan)}, "battery"),
        ({"battery": battery(energy_to_target_wh=math.inf)}, "battery"),
        ({"battery": battery(target_current_a="5")}, "battery"),
        ({"receiver": 11_000.0}, "receiver"),
        ({"epoch": math.nan}, "epoch"),
        ({"epoch": "now"}, "epoch"),
        ({"epoch": True}, "epoch"),
        ({"limits": None}, "limits"),
    ],
    ids=[
        "none",
        "unprintable",
        "another",
        "NaN",
        "infinity",
        "text",
        "coil",
        "NaN time",
        "text time",
        "flag",
        "no hardware",
    ],
)
def test_what_makes_no_session_is_refused_by_name(changes: dict[str, Any], key: str) -> None:
    made: dict[str, Any] = {"config": EvccConfig(), "limits": VEHICLE, "battery": battery()}
    EvccSession(**made)
    with pytest.raises(ConfigError) as refused:
        EvccSession(**(made | changes))
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("wish", "kept"),
    [
        (ev.StopRequested, "stop_wanted"),
        (ev.PauseRequested, "pause_wanted"),
        (ev.ScheduleRenegotiationRequested, "schedule_wanted"),
        (ev.ServiceRenegotiationRequested, "service_wanted"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_a_reason_without_end_is_cut_and_none_at_all_is_put_into_words(wish: Any, kept: str) -> None:
    for reason in ("", "x" * 1_000_000):
        session = EvccSession(EvccConfig(), VEHICLE, battery())
        session.handle(wish(reason), 1.0)
        assert 0 < len(getattr(session._talk, kept)) < 1_000
