"""Settings of ISO 15118-2 and the choice of the edition: wrong ones are refused by name, and a vehicle's
list is taken as it comes."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.messages import app
from iso15118.messages.iso2 import EnergyTransferMode as Mode
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.iso2.settings import Iso2SeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.limits import StationLimits
from iso15118.session.services import Namespace
from iso15118.timing import Iso2Timing
from tests.secc.iso2.vehicle import STATION, configured


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("energy_transfer_modes", (Mode.DC_core, Mode.DC_core)),
        ("energy_transfer_modes", (Mode.DC_core, Mode.AC_single_phase_core)),
        ("cpd_isolation", "No_IMD"),
        ("send_max_current", "never"),
        ("eim_rejected", True),
        ("precharge_over_2a", "ignore"),
        ("welding_needs_cp_b", "strict"),
        ("profile_check", None),
        ("plausibility", "warn"),
        ("dc_renegotiation_short", "full"),
        ("stop_notice_s", 61),
        ("stop_notice_s", 1.5),
        ("no_power_wait_s", 56.0),
        ("no_power_wait_s", -1.0),
        ("loop_answer_delay_s", 0.11),
        ("loop_answer_delay_s", float("nan")),
        ("certificate_expiry_days", -1.0),
        ("peak_current_ripple_a", 40_000.0),
        ("current_tolerance_a", -0.1),
        ("timing", Iso2Timing(contactor_answer=4.5)),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"iso2.{key}"):
        Iso2SeccSettings(**{key: value})


@pytest.mark.parametrize("evse_id", ["DE*ABC", "D" * 38, "DE*ABC*Ü1"])
def test_an_evseid_that_does_not_fit_is_refused_only_where_the_edition_is_served(evse_id: str) -> None:
    SeccConfig(evse_id=evse_id)
    with pytest.raises(ConfigError, match="evse_id"):
        configured(evse_id=evse_id)


ISO2, DIN, TESLA = Namespace.ISO2.value, Namespace.DIN.value, "urn:tesla:din:2018:MsgDef"
Offer = tuple[str, int, int, int, int]


def chosen(
    *entries: Offer,
    config: SeccConfig | None = None,
    limits: StationLimits | None = STATION,
    **session_options: Any,
) -> tuple[str, int | None, str]:
    """Code, SchemaID and what the link speaks afterwards, for namespaces, versions, ids and priorities."""
    session = SeccSession(config or configured(), limits, **session_options)
    session.handle(ev.Connected(secure=False), 0.0)
    protocols = tuple(
        app.AppProtocol(
            protocol_namespace=namespace,
            version_number_major=major,
            version_number_minor=minor,
            schema_id=schema_id,
            priority=priority,
        )
        for namespace, major, minor, schema_id, priority in entries
    )
    actions = session.handle(ev.MessageReceived(app.SupportedAppProtocolReq(app_protocol=protocols)), 0.0)
    (answer,) = [action.message for action in actions if isinstance(action, act.Send)]
    speaks = [action.edition for action in actions if isinstance(action, act.UseSchema)]
    if not speaks:
        assert session.ended is not None
        assert session.ended.reason is EndReason.PROTOCOL_NEGOTIATION_FAILED
    return answer.response_code.value, answer.schema_id, speaks[0] if speaks else ""


OK, MINOR = "OK_SuccessfulNegotiation", "OK_SuccessfulNegotiationWithMinorDeviation"
NONE = ("Failed_NoNegotiation", None, "")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (((ISO2, 2, 0, 0, 1),), (OK, 0, "iso2")),
        (((TESLA, 0, 7, 1, 1), (ISO2, 2, 0, 2, 2)), (OK, 2, "iso2")),
        (((ISO2, 2, 0, 111, 3), (TESLA, 0, 7, 222, 2)), (OK, 111, "iso2")),
        (((ISO2, 2, 0, 1, 1), (ISO2, 2, 0, 2, 1)), (OK, 1, "iso2")),
        (((ISO2, 2, 1, 222, 1),), (MINOR, 222, "iso2")),
        (((ISO2, 1, 0, 1, 1),), NONE),
        (((Namespace.ISO2_2010.value, 1, 0, 1, 1),), NONE),
        (((DIN, 2, 0, 1, 1),), NONE),
        (((TESLA, 0, 7, 1, 1),), NONE),
    ],
    ids=[
        "alone",
        "behind an unknown one",
        "ids and priorities",
        "twice",
        "minor",
        "major",
        "2010",
        "din",
        "unknown",
    ],
)
def test_what_is_chosen_of_a_vehicles_list(entries: tuple[Offer, ...], expected: Any) -> None:
    assert chosen(*entries) == expected


def test_a_station_that_does_not_serve_the_edition_does_not_choose_it() -> None:
    assert chosen((ISO2, 2, 0, 1, 1), config=SeccConfig(allow_plaintext=True)) == NONE


def test_over_tls_of_either_version_it_may_be_chosen() -> None:
    from iso15118.session.secured import TlsPeer

    for version in ("TLSv1.2", "TLSv1.3"):
        session = SeccSession(configured(), STATION)
        session.handle(ev.Connected(secure=True, tls=TlsPeer(version=version)), 0.0)
        entry = app.AppProtocol(
            protocol_namespace=ISO2, version_number_major=2, version_number_minor=0, schema_id=1, priority=1
        )
        actions = session.handle(ev.MessageReceived(app.SupportedAppProtocolReq(app_protocol=(entry,))), 0.0)
        assert any(isinstance(action, act.UseSchema) for action in actions)
