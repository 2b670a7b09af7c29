"""Settings that a program makes are of the types that their classes say: a text in the place of an
enumeration or of a flag would switch a check off without a word.

Every field of every class of settings is tried with values of all other kinds, by the class's own
annotations.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from iso15118 import AcStationLimits, AcVehicleLimits, EvccConfig, SeccConfig, StationLimits, VehicleLimits
from iso15118.errors import ConfigError
from iso15118.pki import verify_chain
from iso15118.pki.chain.peer import PeerVerifier
from iso15118.pki.status.revocation import Revocation, RevocationPolicy
from iso15118.pnc.authorization import ContractTrust
from iso15118.secc.config import EvccidMismatch
from iso15118.session.services import ServiceID
from iso15118.session.wireless import ReceiverLimits
from tests.unit.test_every_setting_is_read import settings_classes


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


class LibraryFloat(float):
    """As numpy has one."""


# As programs without a type checker see them.
Secc: Any = SeccConfig
Evcc: Any = EvccConfig
Trust: Any = ContractTrust
Policy: Any = RevocationPolicy
Evidence: Any = Revocation
Check: Any = PeerVerifier

WRONG: tuple[Any, ...] = (
    *(math.nan, math.inf, -1, -1.5, 10**400, Decimal(5), Fraction(1, 2), LibraryFloat(5.0), 1j),
    *(
        True,
        "refuse",
        "false",
        "",
        b"\5",
        "a\0b",
        None,
        [],
        [1.0],
        {},
        {1},
        (None,),
        ("refuse",),
        (math.nan,),
    ),
    *(int, Unshowable()),
)
LIMITS = StationLimits(maximum_charge_power_w=1e5, maximum_charge_current_a=200.0, maximum_voltage_v=900.0)
INLET = VehicleLimits(maximum_charge_power_w=1e5, maximum_charge_current_a=200.0, maximum_voltage_v=900.0)


NEEDED: dict[str, dict[str, Any]] = {
    "VehicleQuirk": {"evccid": ("007DFA",), "session_stop_anywhere": True, "require_profile": True},
    "StationQuirk": {"evse_id": ("DE*ABC",), "use_pmax": False, "welding_detection": False},
    "OwnParameterSet": {"id": 1, "values": ("Cells = true",)},
    "OwnService": {"id": 60_001},
    "OwnWish": {"id": 60_001},
}
"""What cannot be left out."""


def fits(value: Any, field: msgspec.structs.FieldInfo) -> bool:
    """Whether msgspec takes the value for the annotation, without converting it."""
    if type(value) is LibraryFloat:
        return False
    try:
        return bool(msgspec.convert(value, field.type, strict=True, builtin_types=(bytes,)) == value)
    except (msgspec.ValidationError, RuntimeError, OverflowError):
        return False


@pytest.mark.parametrize("kind", settings_classes(), ids=lambda kind: kind.__name__)
def test_a_value_of_another_type_is_named(kind: type[msgspec.Struct]) -> None:
    right = kind(**NEEDED.get(kind.__name__, {}))
    for field in msgspec.structs.fields(kind):
        for value in WRONG:
            named = refusal(right, field.name, value)
            if named is None:
                assert type(value) is not Unshowable, field.name
                assert fits(value, field), f"{field.name} = {value!r}"
            else:
                assert field.name in named, named


def refusal(right: Any, name: str, value: Any) -> str | None:
    """The key that is refused, and why; None if the value is taken."""
    try:
        replace(right, **{name: value})
    except ConfigError as error:
        return f"{error.key}: {error.reason}"
    return None


@pytest.mark.parametrize(
    ("make", "key", "hint"),
    [
        (lambda: Secc(evccid_mismatch="refuse"), "evccid_mismatch", "EvccidMismatch.REFUSE"),
        (lambda: Secc(allow_plaintext="false"), "allow_plaintext", "True or False"),
        (lambda: Evcc(forbid_plaintext=0), "forbid_plaintext", "True or False"),
        (lambda: Evcc(services=[ServiceID.DC]), "services", "a tuple"),
        (lambda: Evcc(services=(2,)), "services", "ServiceID.DC"),
        (lambda: Evcc(evccid=b"WVW"), "evccid", "a text"),
        (lambda: Secc(timing=None), "timing", "iso15118.timing.Timing"),
        (lambda: Secc(quirks=("vw-group",)), "quirks", "VehicleQuirk"),
    ],
)
def test_what_it_has_to_be_is_said(make: Any, key: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make()
    assert refused.value.key == key
    assert hint in refused.value.hint


def test_what_is_right_is_taken() -> None:
    config = SeccConfig(evccid_mismatch=EvccidMismatch.FLAG, connector=None, allow_plaintext=True)
    assert config.evccid_mismatch is EvccidMismatch.FLAG


@pytest.mark.parametrize("value", [True, 10**400, math.nan, math.inf, -0.1, 2e15, Decimal(5), "5", None])
@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (LIMITS, "maximum_charge_power_w"),
        (LIMITS, "minimum_discharge_current_a"),
        (LIMITS, "power_ramp_w_per_s"),
        (INLET, "maximum_voltage_v"),
        (AcStationLimits.of(current_a=32.0), "nominal_voltage_v"),
        (AcStationLimits.of(current_a=32.0), "maximum_asymmetry_w"),
        (AcStationLimits.of(current_a=32.0), "phases"),
        (AcVehicleLimits.of(current_a=32.0), "minimum_current_a"),
        (AcVehicleLimits.of(current_a=32.0), "uneven"),
        (ReceiverLimits(maximum_power_w=1e4), "natural_offset_mm"),
        (ReceiverLimits(maximum_power_w=1e4), "local_control"),
    ],
)
def test_a_limit_is_a_number_that_fits_a_message(limits: Any, name: str, value: Any) -> None:
    if (name in ("power_ramp_w_per_s", "maximum_asymmetry_w") and value is None) or (
        name in ("uneven", "local_control") and value is True
    ):
        assert getattr(replace(limits, **{name: value}), name) is value
        return
    with pytest.raises(ConfigError) as refused:
        replace(limits, **{name: value})
    assert refused.value.key == name


TRUSTS: list[tuple[Any, str, str]] = [
    (lambda: Trust(central_validation="false"), "central_validation", "True or False"),
    (lambda: Trust(environment="Public"), "environment", "'private'"),
    (lambda: Trust(mo_anchors=b"der"), "mo_anchors", "octets"),
    (lambda: Trust(tolerate="expired"), "tolerate", "a text"),
    (lambda: Trust(refuse=("expire",)), "refuse", "did you mean expired?"),
    (lambda: Trust(revocation="all"), "revocation", "RevocationPolicy"),
    (lambda: Policy(demand="non"), "demand", "'none'"),
    (lambda: Policy(longest=7), "longest", "timedelta"),
    (lambda: Policy(crls=(b"der",)), "crls", "a function"),
    (lambda: Evidence(required="false"), "required", "True or False"),
    (lambda: judge("Public"), "environment", '"private"'),
    (lambda: Check(**PEER, revocation=True), "revocation", "a function"),
    (lambda: Check(**PEER, environment=None), "environment", '"private"'),
]
PEER: dict[str, Any] = {
    "role": "secc",
    "anchors_der": [],
    "anchor_role": "V2G",
    "clock": lambda: None,
    "edition": "iso20",
}


def judge(environment: Any) -> None:
    verify_chain(
        [], role="secc", anchors_der=[], anchor_role="V2G", at=None, edition="iso20", environment=environment
    )


@pytest.mark.parametrize(("make", "key", "hint"), TRUSTS)
def test_what_says_whom_to_believe_is_looked_at_when_it_is_made(make: Any, key: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make()
    assert refused.value.key == key
    assert hint in refused.value.hint


def test_three_phases_are_three_numbers() -> None:
    for value in ((True, 0.0, 0.0), (1.0, 1.0), (10**400, 0.0, 0.0), [1.0, 1.0, 1.0]):
        with pytest.raises(ConfigError, match="maximum_current_a"):
            replace(AcStationLimits.of(current_a=32.0), maximum_current_a=value)
