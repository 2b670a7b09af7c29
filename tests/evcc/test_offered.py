"""What a vehicle may offer on a connection: each set of messages, each thing that it needs, and the reason
that is told where it is missing.

And which entries are made of what may be said, in whose order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.editions import OFFERED, offered
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.der import InverterAbilities
from iso15118.session.limits import NO_DC_SIDE
from iso15118.session.services import SERVICES, Namespace, ServiceID
from iso15118.session.wireless import ReceiverLimits
from tests.evcc.station import VEHICLE, battery

EVERYTHING = (
    ServiceID.DC,
    ServiceID.AC,
    ServiceID.AC_DER_IEC,
    ServiceID.AC_DER_SAE,
    ServiceID.DC_ACDP,
    ServiceID.WPT,
)
BOTH_WAYS = AcVehicleLimits.of(current_a=16.0, discharge_a=16.0)
ONE_WAY = AcVehicleLimits.of(current_a=16.0)


def talk_of(**settings: Any) -> Conversation:
    """Of a vehicle that has everything, over TLS 1.3."""
    settings = {"services": EVERYTHING, "editions": ("iso20", "iso2", "din")} | settings
    talk = EvccSession(EvccConfig(**settings), VEHICLE, battery())._talk
    talk.charger, talk.inverter = BOTH_WAYS, InverterAbilities(apparent_va=11_000.0, reactive_var=4_000.0)
    talk.mobility = ev.MobilityChanged(stands=True, immobilized=False)
    talk.receiver_limits = ReceiverLimits(maximum_power_w=11_000.0)
    talk.secure, talk.plain = True, False
    return talk


def missing(namespace: Namespace, talk: Conversation) -> str:
    (one,) = (one for one in OFFERED if one.namespace == namespace.value)
    return one.why_not(talk)


def without(*services: ServiceID) -> tuple[ServiceID, ...]:
    return tuple(one for one in EVERYTHING if one not in services)


N = Namespace
NEEDS: dict[Namespace, tuple[dict[str, Any], ...]] = {
    N.DC: ({"limits": NO_DC_SIDE}, {"services": without(ServiceID.DC)}),
    N.AC: ({"charger": None}, {"services": without(ServiceID.AC)}),
    N.AC_DER_IEC: (
        {"charger": None},
        {"charger": ONE_WAY},
        {"inverter": None},
        {"services": without(ServiceID.AC_DER_IEC)},
    ),
    N.AC_DER_SAE: (
        {"charger": None},
        {"charger": ONE_WAY},
        {"inverter": None},
        {"services": without(ServiceID.AC_DER_SAE)},
    ),
    N.ACDP: ({"limits": NO_DC_SIDE}, {"mobility": None}, {"services": without(ServiceID.DC_ACDP)}),
    N.WPT: ({"receiver_limits": None}, {"services": without(ServiceID.WPT)}),
}
"""What each set of messages needs, taken away one at a time."""


@pytest.mark.parametrize("namespace", NEEDS, ids=lambda one: one.name)
def test_a_set_of_messages_needs_its_service_and_its_hardware(namespace: Namespace) -> None:
    assert missing(namespace, talk_of()) == ""
    for gone in NEEDS[namespace]:
        talk = talk_of(**{name: gone[name] for name in gone if name == "services"})
        for name, value in gone.items():
            if name != "services":
                setattr(talk, name, value)
        assert missing(namespace, talk).startswith("without "), gone


@pytest.mark.parametrize("namespace", NEEDS, ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("secure", "plain", "allowed", "why"),
    [
        (True, False, False, ""),
        (False, True, True, ""),
        (False, True, False, "without TLS"),
        (False, False, False, "below TLS 1.3"),
        (False, False, True, "below TLS 1.3"),
    ],
)
def test_the_new_edition_is_spoken_over_tls_1_3_alone(
    namespace: Namespace, secure: bool, plain: bool, allowed: bool, why: str
) -> None:
    talk = talk_of(allow_plaintext=allowed)
    talk.secure, talk.plain = secure, plain
    assert missing(namespace, talk) == why


@pytest.mark.parametrize(
    ("plain", "forbidden", "services", "iso2", "din"),
    [
        (True, False, (ServiceID.DC,), True, True),
        (True, False, (ServiceID.DC_BPT,), True, True),
        (True, False, (ServiceID.DC_ACDP,), False, False),
        (True, False, (ServiceID.AC,), True, False),
        (True, True, (ServiceID.DC,), False, False),
        (False, False, (ServiceID.DC,), True, False),
        (False, True, (ServiceID.DC,), True, False),
    ],
)
def test_the_older_editions_and_tls(
    plain: bool, forbidden: bool, services: tuple[ServiceID, ...], iso2: bool, din: bool
) -> None:
    talk = talk_of(services=services, forbid_plaintext=forbidden)
    talk.secure, talk.plain = False, plain
    assert ((missing(N.ISO2, talk) == ""), (missing(N.DIN, talk) == "")) == (iso2, din)


@pytest.mark.parametrize(
    ("editions", "services", "namespaces"),
    [
        (("iso20",), (ServiceID.DC,), [N.DC]),
        (("iso20",), (ServiceID.AC, ServiceID.DC), [N.AC, N.DC]),
        (("iso20",), (ServiceID.DC_BPT, ServiceID.AC, ServiceID.DC), [N.DC, N.AC]),
        (("din", "iso20", "iso2"), (ServiceID.DC,), [N.DIN, N.DC, N.ISO2]),
        (("iso2",), (ServiceID.WPT,), [N.ISO2]),
    ],
)
def test_the_vehicles_order_is_that_of_the_entries(
    editions: tuple[str, ...], services: tuple[ServiceID, ...], namespaces: list[Namespace]
) -> None:
    found = offered(editions, services)
    assert [one.namespace for one in found] == [one.value for one in namespaces]
    assert all(one.edition in editions for one in found)


def test_every_service_has_messages_that_may_be_offered() -> None:
    names = {one.namespace for one in OFFERED}
    assert {entry.namespace for entry in SERVICES.values()} <= names
    versions = {one.namespace: (one.major, one.minor) for one in OFFERED}
    assert versions.pop(N.ISO2.value) == versions.pop(N.DIN.value) == (2, 0)
    assert set(versions.values()) == {(1, 0)}


# -- settings that belong together -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, None),
        ({"v2x_minimum_soc": 30}, "v2x_maximum_soc"),
        ({"v2x_maximum_soc": 70}, "v2x_minimum_soc"),
        ({"v2x_minimum_soc": 20, "v2x_maximum_soc": 80}, None),
        ({"v2x_minimum_soc": 19, "v2x_maximum_soc": 80}, "v2x_minimum_soc"),
        ({"v2x_minimum_soc": 20, "v2x_maximum_soc": 81}, "v2x_minimum_soc"),
        ({"v2x_minimum_soc": 50, "v2x_maximum_soc": 51}, None),
        ({"v2x_minimum_soc": 50, "v2x_maximum_soc": 50}, "v2x_minimum_soc"),
        ({"v2x_minimum_soc": 51, "v2x_maximum_soc": 50}, "v2x_minimum_soc"),
    ],
    ids=str,
)
def test_the_range_in_which_a_battery_is_cycled(changes: dict[str, int], key: str | None) -> None:
    def make() -> EvccConfig:
        return replace(EvccConfig(minimum_soc=20, target_soc=80), **changes)

    _taken_or_refused(make, key)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"minimum_soc": 80}, None),
        ({"minimum_soc": 81}, "minimum_soc"),
        ({"editions": ("iso20", "iso20")}, "editions"),
        ({"editions": ("iso21",)}, "editions"),
        ({"forbid_plaintext": True, "allow_plaintext": True}, "forbid_plaintext"),
        ({"forbid_plaintext": True, "editions": ("din",)}, "forbid_plaintext"),
        ({"forbid_plaintext": True, "editions": ("din", "iso2")}, None),
        ({"connectors": (2,)}, None),
        ({"connectors": (5,)}, "connectors"),
        ({"connectors": (5,), "services": (ServiceID.AC,)}, None),
    ],
    ids=str,
)
def test_settings_that_contradict_each_other_are_refused_by_name(
    changes: dict[str, Any], key: str | None
) -> None:
    _taken_or_refused(lambda: EvccConfig(**changes), key)


@pytest.mark.parametrize(
    ("settings", "plain", "tls"),
    [
        ({}, False, True),
        ({"allow_plaintext": True}, True, True),
        ({"editions": ("iso20", "iso2")}, True, True),
        ({"editions": ("din",)}, True, False),
        ({"editions": ("iso20", "din"), "forbid_plaintext": True}, False, True),
    ],
    ids=str,
)
def test_what_may_be_said_with_and_without_tls(settings: dict[str, Any], plain: bool, tls: bool) -> None:
    config = EvccConfig(**settings)
    assert (config.speaks_plain, config.speaks_tls) == (plain, tls)


def _taken_or_refused(make: Callable[[], EvccConfig], key: str | None) -> None:
    from iso15118.errors import ConfigError

    if key is None:
        make()
        return
    with pytest.raises(ConfigError) as refused:
        make()
    assert refused.value.key == key
