"""Which protocols a station may choose by what it has and how a vehicle is connected, which code it loads for
them, and which settings it refuses by their edges.

Facts are made as they are; sessions that rest on them are tested elsewhere.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.messages import app
from iso15118.secc import SeccConfig, editions
from iso15118.secc.ac_settings import AcSeccSettings
from iso15118.secc.config import ProtocolPreference
from iso15118.secc.negotiation import negotiate
from iso15118.secc.wpt_settings import WptSeccSettings
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.coupling import DevicePosition, PositioningPlace
from iso15118.session.limits import NO_DC_OUTPUT
from iso15118.session.services import (
    SERVICES,
    ControlMode,
    GeneratorMode,
    MobilityNeedsMode,
    Namespace,
    ServiceID,
)
from tests.secc.der_vehicle import CODES
from tests.secc.test_facts import OUTLET, PAD, facts

DC, AC, ACDP, WPT = Namespace.DC, Namespace.AC, Namespace.ACDP, Namespace.WPT
IEC, SAE = Namespace.AC_DER_IEC, Namespace.AC_DER_SAE
S = ServiceID
EVERYTHING = {
    "ac_hardware": OUTLET,
    "device": DevicePosition.HOME,
    "pad_hardware": PAD,
    "grid_code": CODES[S.AC_DER_IEC],
}
ALL = tuple(S)


def usable(
    services: tuple[ServiceID, ...], *, dc: bool = True, secure: bool = True, **known: Any
) -> list[str]:
    """The namespaces of ISO 15118-20 that may be chosen, for a vehicle over TLS 1.3 or below."""
    chosen = SeccConfig(services=tuple(one for one in services if one in SERVICES))
    fields = {"secure": secure, "plain": False} | known
    known_ = facts(config=chosen, **({} if dc else {"dc": NO_DC_OUTPUT}), **fields)
    return [served.namespace for served in editions.usable(known_)]


@pytest.mark.parametrize(
    ("services", "known", "found"),
    [
        (ALL, EVERYTHING, [DC, AC, IEC, ACDP, WPT]),
        (ALL, EVERYTHING | {"grid_code": CODES[S.AC_DER_SAE]}, [DC, AC, SAE, ACDP, WPT]),
        (ALL, {}, [DC]),
        (ALL, {"dc": False}, []),
        (ALL, {"dc": False, "ac_hardware": OUTLET}, [AC]),
        (ALL, {"dc": False, "device": DevicePosition.HOME}, []),
        (ALL, {"device": DevicePosition.HOME}, [DC, ACDP]),
        (ALL, {"dc": False, "pad_hardware": PAD}, [WPT]),
        (ALL, EVERYTHING | {"grid_code": None}, [DC, AC, ACDP, WPT]),
        (ALL, EVERYTHING | {"secure": False}, []),
        ((S.DC,), EVERYTHING, [DC]),
        ((S.MCS_BPT,), EVERYTHING, [DC]),
        ((S.AC,), EVERYTHING, [AC]),
        ((S.AC_DER_IEC,), EVERYTHING, [IEC]),
        ((S.AC_DER_SAE,), EVERYTHING, []),
        ((S.DC_ACDP,), EVERYTHING, [ACDP]),
        ((S.WPT,), EVERYTHING, [WPT]),
    ],
)
def test_what_may_be_chosen_by_what_the_station_has(
    services: tuple[ServiceID, ...], known: dict[str, Any], found: list[Namespace]
) -> None:
    assert usable(services, **known) == [one.value for one in found]


def test_an_outlet_that_takes_nothing_back_is_none_for_an_energy_resource() -> None:
    one_way: dict[str, Any] = EVERYTHING | {"ac_hardware": AcStationLimits.of(current_a=32.0)}
    assert IEC.value not in usable(ALL, **one_way)


@pytest.mark.parametrize(
    ("secure", "plain", "allowed", "why"),
    [
        (True, False, False, ""),
        (False, True, True, ""),
        (False, True, False, "without TLS"),
        (False, False, True, "below TLS 1.3"),
        (False, False, False, "below TLS 1.3"),
    ],
)
def test_iso_15118_20_wants_tls_13_or_leave_to_do_without_any(
    secure: bool, plain: bool, allowed: bool, why: str
) -> None:
    known = facts(config=SeccConfig(allow_plaintext=allowed), secure=secure, plain=plain)
    assert editions._why_not_iso20(known) == why


@pytest.mark.parametrize(
    ("spoken", "services", "loaded"),
    [
        (("iso20",), (S.DC,), ["iso20 DC"]),
        (("iso20",), (S.DC, S.AC), ["iso20 DC", "iso20 AC"]),
        (("iso2",), (S.DC,), ["iso2 ISO2"]),
        (("iso20", "din"), (S.WPT,), ["iso20 WPT", "din DIN", "din ISO2_2010"]),
        (("din", "iso2"), (S.AC,), ["din DIN", "din ISO2_2010", "iso2 ISO2"]),
    ],
)
def test_only_the_code_of_what_may_be_chosen_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
    spoken: tuple[str, ...],
    services: tuple[ServiceID, ...],
    loaded: list[str],
) -> None:
    seen: list[str] = []

    def recorder(name: str) -> Any:
        return lambda: seen.append(name)

    watched = tuple(
        replace(one, code=recorder(f"{one.edition} {Namespace(one.namespace).name}"))
        for one in editions.SERVED
    )
    monkeypatch.setattr(editions, "SERVED", watched)
    editions.load(SeccConfig(editions=spoken, services=services))
    assert seen == loaded


# -- the vehicle's list


def entry(
    namespace: Namespace, schema_id: int, priority: int, major: int = 1, minor: int = 0
) -> app.AppProtocol:
    return app.AppProtocol(
        protocol_namespace=namespace.value,
        version_number_major=major,
        version_number_minor=minor,
        schema_id=schema_id,
        priority=priority,
    )


@pytest.mark.parametrize(
    ("entries", "preference", "code", "schema_id"),
    [
        ((entry(DC, 1, 2), entry(AC, 2, 1)), ProtocolPreference.EV, "OK_SuccessfulNegotiation", 2),
        ((entry(DC, 1, 2), entry(AC, 2, 1)), ProtocolPreference.STATION, "OK_SuccessfulNegotiation", 1),
        ((entry(WPT, 3, 1), entry(AC, 2, 2)), ProtocolPreference.STATION, "OK_SuccessfulNegotiation", 2),
        ((entry(DC, 1, 1, minor=1),), ProtocolPreference.EV, "OK_SuccessfulNegotiationWithMinorDeviation", 1),
        ((entry(DC, 1, 1, major=2), entry(AC, 2, 2)), ProtocolPreference.EV, "OK_SuccessfulNegotiation", 2),
        ((entry(DC, 1, 1, major=2),), ProtocolPreference.EV, "Failed_NoNegotiation", None),
    ],
    ids=["vehicle", "station", "unknown last", "minor", "major", "none"],
)
def test_what_is_chosen_of_a_vehicles_list(
    entries: tuple[app.AppProtocol, ...], preference: ProtocolPreference, code: str, schema_id: int | None
) -> None:
    served = editions.usable(facts(config=SeccConfig(services=(S.DC, S.AC)), secure=True, ac_hardware=OUTLET))
    choice = negotiate(app.SupportedAppProtocolReq(app_protocol=entries), served, preference)
    assert choice is not None
    assert (choice.response.response_code.value, choice.response.schema_id) == (code, schema_id)
    assert (choice.served is None) is (schema_id is None)


@pytest.mark.parametrize("many", [1, 5, 6, 20])
def test_why_there_is_nothing_in_common_names_five_of_the_vehicles_protocols_and_ours(many: int) -> None:
    entries = tuple(entry(DC, number, number, major=90 + number) for number in range(1, many + 1))
    choice = negotiate(app.SupportedAppProtocolReq(app_protocol=entries), ())
    assert choice is not None
    assert [f"{DC.value} {90 + number}.0" in choice.why for number in range(1, many + 1)] == [
        number <= 5 for number in range(1, many + 1)
    ]
    assert choice.why.endswith("served here: nothing on this connection")


# -- settings


@pytest.mark.parametrize(
    ("spoken", "length", "works"),
    [
        (("iso20",), 0, False),
        (("iso20",), 1, True),
        (("iso20",), 255, True),
        (("iso20",), 256, False),
        (("iso20", "iso2"), 6, False),
        (("iso20", "iso2"), 7, True),
        (("iso20", "iso2"), 37, True),
        (("iso20", "iso2"), 38, False),
        (("din",), 1, True),
        (("din",), 32, True),
        (("din",), 33, False),
    ],
)
def test_how_long_an_evse_id_may_be_where_which_edition_is_spoken(
    spoken: tuple[str, ...], length: int, works: bool
) -> None:
    if works:
        SeccConfig(editions=spoken, evse_id="D" * length)
        return
    with pytest.raises(ConfigError) as caught:
        SeccConfig(editions=spoken, evse_id="D" * length)
    assert caught.value.key == "evse_id"


BOTH = (MobilityNeedsMode.PROVIDED_BY_EVCC, MobilityNeedsMode.PROVIDED_BY_SECC)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"editions": ()}, "editions"),
        ({"editions": ("iso2", "iso2")}, "editions"),
        ({"editions": ("iso3",)}, "editions"),
        ({"services": ()}, "services"),
        ({"services": (S.DC, S.DC)}, "services"),
        ({"control_modes": ()}, "control_modes"),
        ({"mobility_needs_modes": ()}, "mobility_needs_modes"),
        ({"mobility_needs_modes": BOTH[1:]}, "mobility_needs_modes"),
        ({"mobility_needs_modes": BOTH[1:], "control_modes": (ControlMode.DYNAMIC,)}, ""),
        ({"mobility_needs_modes": BOTH, "control_modes": (ControlMode.SCHEDULED,)}, ""),
        ({"forbid_plaintext": True, "allow_plaintext": True}, "forbid_plaintext"),
        ({"forbid_plaintext": True, "editions": ("din",)}, "forbid_plaintext"),
        ({"forbid_plaintext": True, "editions": ("din", "iso2")}, ""),
        ({"connector": 5}, "connector"),
        ({"connector": 5, "services": (S.MCS,)}, ""),
        ({"connector": 7, "services": (S.AC,)}, ""),
    ],
    ids=str,
)
def test_settings_that_go_together(settings: dict[str, Any], key: str) -> None:
    if not key:
        SeccConfig(**settings)
        return
    with pytest.raises(ConfigError) as caught:
        SeccConfig(**settings)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("kind", "name", "once"),
    [
        (AcSeccSettings, "ac.generator_modes", GeneratorMode.GRID_FORMING),
        (WptSeccSettings, "wpt.positioning", PositioningPlace.BEFORE_AUTHORIZATION),
    ],
)
def test_a_list_of_ways_has_one_and_each_once(kind: Any, name: str, once: Any) -> None:
    field = name.partition(".")[2]
    kind(**{field: (once,)})
    for wrong in ((), (once, once)):
        with pytest.raises(ConfigError) as caught:
            kind(**{field: wrong})
        assert caught.value.key == name


@pytest.mark.parametrize(
    ("settings", "plain", "tls"),
    [
        ({}, False, True),
        ({"allow_plaintext": True}, True, True),
        ({"editions": ("iso20", "iso2")}, True, True),
        ({"editions": ("iso20", "iso2"), "forbid_plaintext": True}, False, True),
        ({"editions": ("din",)}, True, False),
        ({"editions": ("din",), "allow_plaintext": True}, True, False),
    ],
    ids=str,
)
def test_whether_anything_may_be_said_in_the_clear_or_over_tls(
    settings: dict[str, Any], plain: bool, tls: bool
) -> None:
    config = SeccConfig(**settings)
    assert (config.speaks_plain, config.speaks_tls) == (plain, tls)


@pytest.mark.parametrize(
    ("service", "connector", "told"),
    [
        (S.DC, None, 2),
        (S.DC_BPT, None, 2),
        (S.MCS, None, 1),
        (S.DC, 3, 3),
        (S.MCS, 7, 7),
        (S.DC_ACDP, None, 2),
    ],
)
def test_which_connector_is_told(service: ServiceID, connector: int | None, told: int) -> None:
    config = SeccConfig(services=(service,), connector=connector)
    assert {one.connector for one in config.parameter_sets(service)} == {told}


@pytest.mark.parametrize(
    ("configured", "code", "told"),
    [((), None, {0}), ((), 0, {0}), ((), 5, {5}), ((1, 3), 5, {1, 3})],
)
def test_which_functions_of_the_grid_code_are_offered(
    configured: tuple[int, ...], code: int | None, told: set[int]
) -> None:
    config = SeccConfig(services=(S.AC_DER_IEC, S.AC_BPT), ac=AcSeccSettings(der_functions=configured))
    found = {one.der_functions for one in config.parameter_sets(S.AC_DER_IEC, OUTLET, code)}
    assert found == told
    assert {one.der_functions for one in config.parameter_sets(S.AC_BPT, OUTLET, code)} == {None}
    assert config.parameter_sets(S.AC_BPT, None, code) == ()
