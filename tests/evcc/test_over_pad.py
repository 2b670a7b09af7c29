"""A vehicle over a pad before power, message by message: methods, the place, the code of the pad, parameters
and the check of the position.

What makes it begin again, how often and for how long it does, and when it leaves instead.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc.wpt_settings import WptEvccSettings
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import rational, si
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.coupling import PositioningPlace
from iso15118.session.wireless import CoilDiagnosis, PairingMethod, PositioningMethod, ReceiverLimits
from tests.evcc.pad import PAD_W, PadHost

AGAIN = ResponseCode.WARNING_WPT
ORDERLY = act.Urgency.ORDERLY
ONGOING, FINISHED = Processing.Ongoing, Processing.Finished
SETUP, PLACE, PAIRING = "WPT_FinePositioningSetup", "WPT_FinePositioning", "WPT_Pairing"
PARAMETERS, ALIGNMENT = "WPT_ChargeParameterDiscovery", "WPT_AlignmentCheck"
RESULT = wpt.WPTEVResult


def leaves(host: PadHost) -> act.SessionEnded:
    """The vehicle says goodbye, and nothing is asked of the coil any more."""
    assert isinstance(host.request, cm.SessionStopReq), host.request
    return host.finish()


def said(host: PadHost) -> tuple[Processing, wpt.WPTEVResult]:
    return host.request.ev_processing, host.request.ev_result_code


def asked(host: PadHost, kind: type) -> int:
    return sum(type(one) is kind for one in host.sent)


# -- methods -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        ({}, ("LPE", "LPE")),
        ({"positioning_methods": (PositioningMethod.MANUAL, PositioningMethod.LPE)}, ("Manual", "LPE")),
        (
            {"pairing_methods": (PairingMethod.OPTICAL, PairingMethod.EXTERNAL_CONFIRMATION)},
            ("LPE", "External_confirmation"),
        ),
        ({"positioning_methods": (PositioningMethod.LF_TX_EV,)}, None),
        ({"pairing_methods": (PairingMethod.OPTICAL,)}, None),
    ],
)
def test_the_first_of_the_vehicles_methods_that_the_station_has_is_agreed_on(
    settings: dict[str, Any], chosen: tuple[str, str] | None
) -> None:
    host = PadHost(wpt=WptEvccSettings(**settings)).to(SETUP)
    first = host.request
    assert first.ev_processing is ONGOING
    wished = WptEvccSettings(**settings)
    listed = first.ev_device_fine_positioning_method_list.wpt_fine_positioning_method
    assert [one.value for one in listed] == [one.value for one in wished.positioning_methods]
    host.answer()
    if chosen is None:
        assert "no method" in leaves(host).detail
        return
    agreed = host.request
    assert agreed.ev_processing is FINISHED
    (placed,) = agreed.ev_device_fine_positioning_method_list.wpt_fine_positioning_method
    (paired,) = agreed.ev_device_pairing_method_list.wpt_pairing_method
    (aligned,) = agreed.ev_device_alignment_check_method_list.wpt_alignment_check_method
    assert (placed.name, paired.name, aligned.name) == (*chosen, "PowerCheck")


@pytest.mark.parametrize(("offset_mm", "told"), [(0.0, 0), (49.6, 50), (32_767.0, 32_767), (1e6, 32_767)])
def test_the_natural_offset_fits_its_field(offset_mm: float, told: int) -> None:
    receiver = ReceiverLimits(maximum_power_w=PAD_W, natural_offset_mm=offset_mm)
    assert PadHost(receiver=receiver).to(SETUP).request.natural_offset == told


def test_the_place_is_looked_for_where_the_settings_say() -> None:
    host = PadHost().to("AuthorizationSetup")
    assert host.session.states.count(PAIRING) == 1
    assert host.to(PARAMETERS).session.states.count(PAIRING) == 1  # and not once more
    late = WptEvccSettings(positioning=PositioningPlace.AFTER_SERVICE_SELECTION)
    host = PadHost(wpt=late).to("AuthorizationSetup")
    assert PAIRING not in host.session.states
    states = list(host.to("WPT_ChargeParameterDiscovery").session.states)
    assert states.index("ServiceSelection") < states.index(PAIRING)
    assert states.count(PAIRING) == 1


# -- place and pairing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("in_place", "processing", "told", "goes_on"),
    [
        (True, FINISHED, (FINISHED, RESULT.EVResultSuccess), True),
        (True, ONGOING, (FINISHED, RESULT.EVResultSuccess), False),
        (False, FINISHED, (ONGOING, RESULT.EVResultUnknown), False),
    ],
)
def test_the_place_is_found_when_both_sides_see_it(
    in_place: bool, processing: Processing, told: Any, goes_on: bool
) -> None:
    host = PadHost().to(SETUP)
    host.receives(0.0, in_place=in_place)
    host.answer()
    host.answer()
    assert host.session.state == PLACE
    assert said(host) == told
    host.answer(evse_processing=processing)
    assert (host.session.state == PAIRING) is goes_on


def test_a_coil_that_nobody_has_measured_yet_is_not_in_its_place() -> None:
    host = PadHost()
    host.shown.pop(0)
    for _ in range(4):
        host.answer()
    assert host.session.state == PLACE
    assert said(host) == (ONGOING, RESULT.EVResultUnknown)


def test_a_place_that_is_not_found_in_five_minutes_is_given_up() -> None:
    host = PadHost().to(PLACE)
    began = host.book.now
    host.receives(0.0, in_place=False)
    while host.session.state == PLACE and host.book.now < began + 400.0:
        host.answer(evse_processing=ONGOING) if host.waiting else host.wait(0.25)
    assert host.book.now - began == pytest.approx(300.0, abs=2.0)
    assert leaves(host).reason is EndReason.COUPLING_FAILED


@pytest.mark.parametrize(
    ("outside", "code", "processing", "told", "goes_on"),
    [
        (False, 17, FINISHED, (FINISHED, RESULT.EVResultSuccess), True),
        (False, 17, ONGOING, (FINISHED, RESULT.EVResultSuccess), False),
        (False, None, FINISHED, (ONGOING, RESULT.EVResultUnknown), False),
        (True, None, FINISHED, (FINISHED, RESULT.EVResultSuccess), True),
    ],
)
def test_the_pad_is_known_when_its_code_was_read_or_somebody_outside_confirms_it(
    outside: bool, code: int | None, processing: Processing, told: Any, goes_on: bool
) -> None:
    methods = (PairingMethod.EXTERNAL_CONFIRMATION,) if outside else (PairingMethod.LPE,)
    host = PadHost(wpt=WptEvccSettings(pairing_methods=methods)).to(PLACE)
    host.receives(0.0, pad_code=code)
    host.answer()
    assert host.session.state == PAIRING
    assert said(host) == told
    assert host.request.observed_id_code == code
    host.answer(evse_processing=processing)
    assert (host.session.state == "AuthorizationSetup") is goes_on


def test_a_pad_that_is_not_known_in_a_minute_is_left_whether_the_station_answers_or_not() -> None:
    for answers in (True, False):
        host = PadHost().to(PAIRING)
        began = host.book.now
        if not answers:
            host.answer(evse_processing=ONGOING)
        while host.session.state == PAIRING and host.book.now < began + 80.0:
            if host.waiting and (answers or host.book.now < began + 59.0):
                host.answer(evse_processing=ONGOING)
            else:
                host.wait(0.25)
        assert host.book.now - began == pytest.approx(60.0, abs=1.5)


def test_a_stop_is_heard_while_the_pad_makes_up_its_mind() -> None:
    for state in (SETUP, PLACE, PAIRING):
        host = PadHost().to(state)
        host.tell(ev.StopRequested("driver"))
        host.answer(**({} if state == SETUP else {"evse_processing": ONGOING}))
        for _ in range(3):
            if isinstance(host.request, cm.SessionStopReq):
                break
            host.answer(**({} if state == SETUP else {"evse_processing": ONGOING}))
        assert leaves(host) == act.SessionEnded(EndReason.STOPPED_BY_EV, "driver")


@pytest.mark.parametrize("state", [SETUP, PLACE, PAIRING, PARAMETERS, ALIGNMENT])
def test_a_warning_begins_again_after_a_moment_and_as_often_as_is_set(state: str) -> None:
    host = PadHost(wpt=WptEvccSettings(attempts=2)).to(state)
    if state == SETUP:
        host.answer()
    for missed in (1, 2, 3):
        before, now = asked(host, wpt.WPTFinePositioningSetupReq), host.book.now
        host.answer(response_code=AGAIN)
        if missed == 3:
            break
        waits = [host.waiting]
        host.wait(host.config.poll_interval_s)
        assert [*waits, host.waiting] == [False, True]
        assert type(host.request) is wpt.WPTFinePositioningSetupReq
        assert (asked(host, type(host.request)), host.book.now > now) == (before + 1, True)
        while host.session.state != state or not host.waiting:
            host.step()
        if state == SETUP:
            host.answer()
    ended = leaves(host)
    assert ended.reason is EndReason.COUPLING_FAILED
    assert "missed 3 times" in ended.detail


# -- parameters --------------------------------------------------------------------------------------------


def test_the_coil_is_declared_in_the_units_of_the_messages() -> None:
    receiver = ReceiverLimits(
        maximum_power_w=7_123.4,
        maximum_clearance_mm=209.6,
        minimum_clearance_mm=139.6,
        natural_frequency_hz=85_000.4,
        local_control=True,
    )
    request = PadHost(receiver=receiver).to(PARAMETERS).request
    assert 7_123.0 <= si(request.evpc_max_receivable_power) <= 7_123.4
    assert (request.sd_max_ground_clearence, request.sd_min_ground_clearence) == (210, 140)
    assert si(request.evpc_natural_frequency) == 85_000.0
    assert request.evpc_device_local_control is True
    wide = ReceiverLimits(maximum_power_w=PAD_W, maximum_clearance_mm=1e6, minimum_clearance_mm=1e6)
    request = PadHost(receiver=wide).to(PARAMETERS).request
    assert (request.sd_max_ground_clearence, request.sd_min_ground_clearence) == (32_767, 32_767)


@pytest.mark.parametrize(
    ("least_w", "most_w", "fits"),
    [
        (0.0, 0.0, False),
        (0.0, -1.0, False),
        (-5.0, 1.0, True),
        (900.0, 900.0, True),
        (901.0, 900.0, False),
        (PAD_W, 20_000.0, True),
        (PAD_W + 10.0, 20_000.0, False),
    ],
)
def test_a_pad_that_sends_what_the_coil_cannot_receive_is_left(
    least_w: float, most_w: float, fits: bool
) -> None:
    host = PadHost().to(PARAMETERS)
    host.answer(sd_min_output_power=rational(least_w), sd_max_output_power=rational(most_w))
    assert isinstance(host.request, cm.ScheduleExchangeReq) is fits
    if not fits:
        assert leaves(host).reason is EndReason.PARAMETERS_NOT_ACCEPTED


# -- the check of the position -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent_w", "arrives_w", "good"),
    [(1000.0, 500.0, True), (1000.0, 499.0, False), (0.0, 0.0, False), (None, 900.0, False)],
)
def test_a_position_is_good_where_its_share_arrives(
    sent_w: float | None, arrives_w: float, good: bool
) -> None:
    host = PadHost().to(ALIGNMENT)
    assert said(host) == (ONGOING, RESULT.EVResultUnknown)
    assert host.hardware[-1] == act.SetReceiver(PAD_W)
    host.receives(arrives_w)
    host.answer(power_transmitted=None if sent_w is None else rational(sent_w))
    host.wait(host.config.poll_interval_s)
    assert said(host) == ((FINISHED, RESULT.EVResultSuccess) if good else (ONGOING, RESULT.EVResultUnknown))
    if good:
        why = "WPT_AlignmentCheck"
        assert host.hardware[1:] == [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, why)]
        host.answer()
        assert host.session.state == "PowerDelivery"
        assert host.request.charge_progress is cm.ChargeProgress.Start


@pytest.mark.parametrize("wrong", [{"in_place": False}, {"diagnosis": CoilDiagnosis.OVERHEATED}])
def test_what_is_wrong_over_the_pad_fails_the_check_at_once(wrong: dict[str, Any]) -> None:
    host = PadHost().to(ALIGNMENT)
    host.receives(900.0, **wrong)
    host.answer()
    host.wait(host.config.poll_interval_s)
    assert said(host) == (FINISHED, RESULT.EVResultFailed)
    assert type(host.hardware[-1]) is act.OpenContactors
    host.answer()
    host.wait(host.config.poll_interval_s)
    assert host.session.state == SETUP


def test_a_position_is_tried_for_its_time_and_no_longer() -> None:
    host = PadHost(wpt=WptEvccSettings(alignment_s=3.0)).to(ALIGNMENT)
    began = host.book.now
    while host.request.ev_processing is ONGOING:
        host.receives(10.0)
        host.answer() if host.waiting else host.wait(0.05)
        assert host.book.now < began + 5.0
    assert host.book.now - began == pytest.approx(3.0, abs=0.2)
    assert said(host) == (FINISHED, RESULT.EVResultFailed)


def test_a_station_that_warns_while_the_position_is_tried_is_not_told_a_result() -> None:
    host = PadHost().to(ALIGNMENT)
    host.answer(response_code=AGAIN)
    assert type(host.hardware[-1]) is act.OpenContactors
    assert asked(host, wpt.WPTAlignmentCheckReq) == 1
    host.wait(host.config.poll_interval_s)
    assert host.session.state == SETUP
