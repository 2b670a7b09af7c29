"""Every number of every settings class has a range, at the field, and nothing out of it is taken, from
a file or from a program."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from iso15118.aio.net.ending import StreamLimits
from iso15118.aio.ports.hardware import PortLimits
from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Identification
from iso15118.secc import SeccConfig
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.settings import roles
from iso15118.settings.fields import Field, fields
from iso15118.settings.reading import read_struct
from iso15118.settings.roles import load_evcc, load_secc
from iso15118.timing import Timing

VALUES: list[Any] = [
    math.nan,
    math.inf,
    -math.inf,
    -1,
    -1e-9,
    0,
    1e-300,
    1.5,
    1e300,
    10**400,
    -(10**400),
    True,
    "1",
    None,
]


def classes() -> list[type[msgspec.Struct]]:
    """Those of the files of both roles, and of programs."""
    found: list[type[msgspec.Struct]] = []
    queue: list[Any] = [roles.SeccSettings, roles.EvccSettings, PortLimits, StreamLimits]
    while queue:
        kind = queue.pop(0)
        if kind not in found:
            found.append(kind)
            queue += [field.kind for field in fields(kind) if field.is_table]
    return found


NUMBERS = [(kind, field) for kind in classes() for field in fields(kind) if field.kind in (int, float)]


def name_of(value: Any) -> str:
    text = repr(value) if not isinstance(value, int) or value.bit_length() < 99 else f"1e400 {value > 0}"
    return text if not isinstance(value, Field) else value.name


def test_the_walk_finds_them() -> None:
    names = {kind.__name__ for kind in classes()}
    assert names >= {"SeccConfig", "EvccConfig", "Timing", "SupervisionLimits", "SlacTiming", "SpeSettings"}
    assert len(NUMBERS) > 200


@pytest.mark.parametrize(
    ("kind", "field"), NUMBERS, ids=[f"{kind.__name__}.{one.name}" for kind, one in NUMBERS]
)
def test_a_number_is_within_its_range_or_refused_by_name(kind: type[msgspec.Struct], field: Field) -> None:
    assert field.least is not None
    assert field.most is not None
    assert field.meaning or kind is PortLimits, "the file shows what it means"
    if field.default is not None:
        assert field.least <= field.default <= field.most
    for value in VALUES:
        legal = (value is None and field.optional) or (
            type(value) in ((int,) if field.kind is int else (int, float))
            and field.least <= value <= field.most
        )
        for make in (_program, _file):
            if make is _file and value is None:
                continue
            made, refusal = _made(make, kind, field.name, value)
            if refusal is None:
                assert legal, f"{kind.__name__}.{field.name} = {name_of(value)} was taken by {make.__name__}"
                assert getattr(made, field.name) == value
                continue
            assert field.name in (refusal.key.split(".")[-1], *_words(refusal)), refusal
            assert refusal.hint, refusal
            assert len(str(refusal)) < 300
            if legal:  # on its own; together with the others it is not
                assert "out of range" not in refusal.reason
                assert "is no " not in refusal.reason


def _made(
    make: Callable[..., Any], kind: type[msgspec.Struct], name: str, value: Any
) -> tuple[Any, ConfigError | None]:
    try:
        return make(kind, name, value), None
    except ConfigError as error:
        return None, error


def _words(refusal: ConfigError) -> list[str]:
    return f"{refusal.reason} {refusal.hint}".split()


def _program(kind: type[msgspec.Struct], name: str, value: Any) -> Any:
    return kind(**{name: value})


def _file(kind: type[msgspec.Struct], name: str, value: Any) -> Any:
    return read_struct(kind, {name: value}, "table")


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: SupervisionLimits(stale_s=0.0), "supervision.stale_s"),
        (lambda: SupervisionLimits(off=(Rule.OVER_CURRENT, Rule.OVER_CURRENT)), "supervision.off"),
        (lambda: SeccConfig(services=(ServiceID.DC, ServiceID.DC)), "services"),
        (lambda: EvccConfig(services=(ServiceID.DC, ServiceID.DC)), "services"),
        (lambda: SeccConfig(control_modes=(ControlMode.DYNAMIC,) * 2), "control_modes"),
        (lambda: EvccConfig(control_modes=(ControlMode.DYNAMIC,) * 2), "control_modes"),
        (lambda: EvccConfig(identification=(Identification.EIM,) * 2), "identification"),
        (lambda: EvccConfig(contract_preferences=("DE8AA", "DE8AA")), "contract_preferences"),
        (lambda: EvccConfig(target_soc=10), "minimum_soc"),
        (lambda: EvccConfig(loop_interval_s=1.0), "loop_interval_s"),
        (lambda: Timing(sdp_requests=0), "timing.sdp_requests"),
        (lambda: PortLimits(look_s=math.nan), "ports.look_s"),
        (lambda: StreamLimits(handshake_s=math.inf), "handshake_s"),
    ],
)
def test_what_makes_no_sense_in_a_program(make: Any, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make()
    assert refused.value.key == key


PLAIN = '[tls]\nmode = "plaintext"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[supervision]\nstale_s = 0", r"^supervision\.stale_s: 0 is out of range .*from 0\.1 to 60"),
        ("[link.spe]\nrestart_guard = 1", r"^link\.spe\.restart_guard: 1 is out of range .*from 3 to"),
        (
            "[link.slac_timing]\nt_step_ef = 1",
            r"^link\.slac_timing\.t_step_ef: 1 is out of range .*from 4 to",
        ),
        (
            '[session]\ncontrol_modes = ["dynamic", "dynamic"]',
            r"^session\.control_modes\[1\]: 'dynamic' is l",
        ),
        ('[session]\nservices = ["dc", "dc-bpt", "dc"]', r"^session\.services\[2\]: 'dc' is listed twice"),
        (
            '[supervision]\noff = ["over-power", "over-power"]',
            r"^supervision\.off\[1\]: 'over-power' is list",
        ),
        ("[session.timing]\nsdp_requests = 0", r"^session\.timing\.sdp_requests: 0 is out of range"),
        ("[session.timing]\nsequence_timeout = 1e300", r"^session\.timing\.sequence_timeout: 1e\+300 is out"),
    ],
)
@pytest.mark.parametrize("load", [load_secc, load_evcc])
def test_what_makes_no_sense_in_a_file_of_either_role(
    tmp_path: Path, load: Any, text: str, said: str
) -> None:
    file = tmp_path / "file.toml"
    file.write_text(PLAIN + text)
    with pytest.raises(ConfigError, match=said):
        load(file)
