"""What can be done to an end, when it is done, and how a scenario is judged."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.scenario import Expect, Scenario, Step, When, run_scenario
from tests.scenario.rig import TRANSPORTS, ends, session, told

LATER = When(loops=10)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("side", "do", "more", "secc", "evcc"),
    [
        ("evcc", "stop", {}, "STOPPED_BY_EV", "STOPPED_BY_EV"),
        ("secc", "stop", {}, "STOPPED_BY_STATION", "STOPPED_BY_STATION"),
        ("secc", "emergency", {"reason": "the red button"}, "EMERGENCY", None),
        ("evcc", "emergency", {}, None, "EMERGENCY"),
        ("secc", "fault", {"port": "fan", "reason": "it stands"}, "HARDWARE_FAULT", None),
        ("evcc", "fault", {"port": "coolant"}, None, "HARDWARE_FAULT"),
        ("evcc", "pause", {}, "PAUSED", "PAUSED"),
        ("secc", "cut", {"cut": "reset"}, None, "PEER_VANISHED"),
        ("secc", "call", {"call": "present", "how": "raises"}, "HARDWARE_FAULT", None),
        ("evcc", "signal", {"signal": "B"}, "SIGNAL_LOST", None),
    ],
)
def test_what_is_told_ends_the_session_as_it_should(
    side: Any, do: str, more: dict[str, Any], secc: str | None, evcc: str | None, transport: str
) -> None:
    outcome = told(Step(side=side, do=do, when=LATER, until=When(ended=True), **more), transport=transport)
    found = ends(outcome)
    assert secc in (None, found["secc"]), outcome
    assert evcc in (None, found["evcc"]), outcome
    assert outcome.verdict == "pass", outcome.reasons


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("side", ["secc", "evcc"])
def test_limits_hold_and_are_lifted_again(side: Any, transport: str) -> None:
    outcome = told(
        Step(
            side=side, do="limits", power_kw=20.0, when=LATER, until=When(power_below_kw=20.5), within_s=10.0
        ),
        Step(side=side, do="limits-restored", until=When(power_above_kw=30.0), within_s=20.0),
        transport=transport,
        soc_target=60.0,
    )
    assert outcome.verdict == "pass", outcome.reasons
    assert [step.over_at is not None for step in outcome.steps] == [True, True]


def test_ac_has_limits_too() -> None:
    outcome = told(
        Step(
            side="secc", do="limits", current_a=8.0, when=LATER, until=When(power_below_kw=5.6), within_s=10.0
        ),
        Step(side="evcc", do="limits", power_kw=4.5, until=When(power_below_kw=4.6), within_s=10.0),
        Step(side="evcc", do="stop"),
        service="ac",
    )
    assert outcome.verdict == "pass", outcome.reasons


def test_a_step_waits_for_the_one_before() -> None:
    outcome = told(
        Step(side="secc", do="nothing", when=When(state="DC_ChargeLoop"), until=When(after_s=5.0)),
        Step(side="evcc", do="stop", until=When(ended=True)),
    )
    first, second = outcome.steps
    assert first.over_at is not None
    assert first.done_at is not None
    assert first.over_at - first.done_at == pytest.approx(5.0, abs=0.001), (
        "the clock wakes it, to the millisecond"
    )
    assert second.done_at == first.over_at


def test_until_that_does_not_hold_in_time_has_failed() -> None:
    outcome = told(
        Step(side="secc", do="nothing", when=LATER, until=When(power_above_kw=9999.0), within_s=2.0)
    )
    assert outcome.verdict == "fail"
    assert outcome.reasons == ("step[0] 'nothing': its until did not hold in time",)


def test_a_step_that_is_never_done_decides_nothing() -> None:
    outcome = told(Step(side="secc", do="stop", when=When(soc=99.0)))
    assert outcome.verdict == "inconclusive"
    assert outcome.exit_status == 6


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        (Expect(evcc=("TIMEOUT",)), "evcc ended with STOPPED_BY_EV"),
        (
            Expect(messages=("DCWeldingDetectionReq", "MeteringConfirmationReq")),
            "MeteringConfirmationReq was never sent",
        ),
        (Expect(never=("DCChargeLoopReq",)), "DCChargeLoopReq was sent"),
        (Expect(soc=80.0), "the battery is at"),
        (Expect(most_power_kw=1.0), "kW flowed"),
        (Expect(edition="din"), "iso20 was spoken"),
    ],
)
def test_what_is_expected_is_judged(expect: Expect, said: str) -> None:
    outcome = told(expect=expect)
    assert outcome.verdict == "fail"
    assert len(outcome.reasons) == 1
    assert said in outcome.reasons[0]


def test_nothing_in_common_is_no_pass() -> None:
    scenario = Scenario(
        session=session(evcc_editions=("iso2",), secc_editions=("din",)), expect=Expect(edition="iso2")
    )
    outcome = run_scenario(scenario)
    assert outcome.verdict == "fail"
    assert ends(outcome)["evcc"] == "PROTOCOL_NEGOTIATION_FAILED"


def test_one_end_alone_judges_what_it_sees() -> None:
    whole = Scenario(
        steps=(Step(side="secc", do="stop"), Step(side="evcc", do="stop")),
        expect=Expect(
            secc=("EMERGENCY",), evcc=("TIMEOUT",), soc=50.0, edition="din", never=("SessionStopReq",)
        ),
    )
    station, vehicle = whole.of("secc"), whole.of("evcc")
    assert [step.side for step in station.steps] == ["secc"]
    assert station.expect == Expect(secc=("EMERGENCY",), edition="din", never=("SessionStopReq",))
    assert vehicle.expect == Expect(evcc=("TIMEOUT",), soc=50.0, edition="din", never=("SessionStopReq",))
    assert whole.of("secc", "evcc") == whole
