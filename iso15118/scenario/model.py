"""A scenario as data: the session, what is told to either end and when, and what has to come of it.

``read`` takes it from a TOML file; every key that is wrong, missing or of no use in its
step is refused by its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.loopback import LoopbackSpec
from iso15118.scenario.names import check_message, check_state
from iso15118.session.actions import EndReason
from iso15118.settings import choose
from iso15118.settings.reading import read_struct, read_toml
from iso15118.testing.wire import WireFaultKind

__all__ = ["DOINGS", "Expect", "Scenario", "Step", "When", "read"]

_MOST_STEPS: Final = 1000
_LONGEST_S: Final = 86_400.0

Seconds = Annotated[float, Meta(ge=0.0, le=_LONGEST_S)]
Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Percent = Annotated[float, Meta(ge=0.0, le=100.0)]
Kilowatts = Annotated[float, Meta(ge=-10_000.0, le=10_000.0)]


class When(Struct, frozen=True, kw_only=True):
    """A moment of the session. Every key that is given has to hold; with none of them it is at once."""

    state: str | None = None
    """This end has entered this state (a name as in ``secc_states`` and ``evcc_states`` of the
    summary of `iso15118 loopback`)."""
    message: str | None = None
    """A message of this name went over the wire, from either end: the standard's name without
    underscores, as DCChargeLoopReq."""
    nth: Count = 1
    """... so many times."""
    loops: Count | None = None
    """So many turns of the charge loop were answered."""
    after_s: Seconds | None = None
    """So long after the session began; in ``until``: after the step was done."""
    soc: Percent | None = None
    """The battery's state of charge is this or higher."""
    power_above_kw: Kilowatts | None = None
    """More power flows than this; negative: from the vehicle."""
    power_below_kw: Kilowatts | None = None
    """Less power flows than this."""
    ended: bool = False
    """The session of this end is over."""


class Step(Struct, frozen=True, kw_only=True):
    """One thing that is done, to one end; the next step waits until this one is over."""

    side: Literal["secc", "evcc"]
    """The end that it is done to: the station's (secc) or the vehicle's (evcc)."""
    do: str
    """What is done: see docs/scenarios.md."""
    when: When = When()
    """It is done as soon as this holds."""
    until: When | None = None
    """The step is over when this holds; without it, at once."""
    within_s: Annotated[float, Meta(ge=0.001, le=_LONGEST_S)] = 60.0
    """``until`` has to hold by so long after the step was done, otherwise the scenario has failed."""
    reason: str | None = None
    """stop, pause, emergency, renegotiate, standby, fault: what is said of it."""
    services: tuple[str, ...] | None = None
    """renegotiate-service: those that the vehicle is to choose from, the best first, as mcs-bpt."""
    departure_s: Seconds | None = None
    """needs: so long until the driver leaves."""
    minimum_soc: Annotated[int, Meta(ge=0, le=100)] | None = None
    """needs: the charge that he needs at least."""
    target_soc: Annotated[int, Meta(ge=0, le=100)] | None = None
    """needs: the charge that he wants."""
    power_kw: Kilowatts | None = None
    """limits: most power; set-point: the power wanted, negative from the vehicle."""
    current_a: Annotated[float, Meta(ge=0.0, le=10_000.0)] | None = None
    """limits: most current, with AC of each phase."""
    voltage_v: Annotated[float, Meta(ge=0.0, le=2_000.0)] | None = None
    """limits: highest voltage."""
    plan: tuple[str, ...] | None = None
    """schedule: texts such as "600 s 50 kW", one after the other."""
    port: str | None = None
    """fault: the port that is said to have failed."""
    signal: Literal["A", "B", "C", "D", "E", "F"] | None = None
    """signal: what the control pilot shows from now on."""
    call: str | None = None
    """call: the port call of the simulated hardware; reading: the measurement."""
    how: str | None = None
    """call: raises, late or never; reading: over-voltage, over-current, reverse, frozen or stale."""
    by: Annotated[float, Meta(ge=0.0, le=10_000.0)] | None = None
    """reading: so many V or A."""
    wire: str | None = None
    """wire: the fault's name, as drop or truncated-exi."""
    message: str | None = None
    """wire: the message that it befalls; without it, the next one that this end sends."""
    nth: Count | None = None
    """wire: the nth such message from now on (1)."""
    times: Count | None = None
    """wire and call: so many messages or calls (1 for wire; for call, all until the end)."""
    seconds: Seconds | None = None
    """wire: the delay; call: how late."""
    factor: Annotated[float, Meta(ge=0.001, le=100.0)] | None = None
    """wire, limits-ignored: so many times what it should be (2)."""
    cut: str | None = None
    """cut: fin, reset, alert or silence."""


_FAULTS: Final = tuple(kind.value for kind in WireFaultKind)
_CUTS: Final = tuple(kind.value for kind in WireFaultKind if kind.cut is not None)
_BOTH: Final = ("secc", "evcc")
_NEEDS: Final = ("departure_s", "minimum_soc", "target_soc")


class _Doing(Struct, frozen=True):
    """What belongs to one value of ``do``: the sides it can be done to, keys that it needs,
    and others that it may have."""

    sides: tuple[str, ...] = _BOTH
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    choices: dict[str, tuple[str, ...]] = {}
    any_of: tuple[str, ...] = ()
    """At least one of these."""


DOINGS: Final[dict[str, _Doing]] = {
    "nothing": _Doing(),
    "stop": _Doing(may=("reason",)),
    "pause": _Doing(may=("reason",)),
    "emergency": _Doing(may=("reason",)),
    "renegotiate": _Doing(may=("reason",)),
    "renegotiate-service": _Doing(may=("reason", "services")),
    "standby": _Doing(sides=("evcc",), may=("reason",)),
    "standby-over": _Doing(may=("reason",)),
    "needs": _Doing(may=_NEEDS, any_of=_NEEDS),
    "fault": _Doing(needs=("port",), may=("reason",)),
    "signal": _Doing(needs=("signal",)),
    "limits": _Doing(
        may=("power_kw", "current_a", "voltage_v"), any_of=("power_kw", "current_a", "voltage_v")
    ),
    "limits-restored": _Doing(),
    "set-point": _Doing(sides=("secc",), may=("power_kw",)),
    "schedule": _Doing(sides=("secc",), needs=("plan",)),
    "call": _Doing(
        needs=("call", "how"), may=("times", "seconds"), choices={"how": ("raises", "late", "never")}
    ),
    "reading": _Doing(
        needs=("call", "how"),
        may=("by",),
        choices={"how": ("over-voltage", "over-current", "reverse", "frozen", "stale")},
    ),
    "hardware-restored": _Doing(may=("call",)),
    "wire": _Doing(
        needs=("wire",), may=("message", "nth", "times", "seconds", "factor"), choices={"wire": _FAULTS}
    ),
    "wire-restored": _Doing(),
    "cut": _Doing(needs=("cut",), choices={"cut": _CUTS}),
}
"""By the value of ``do``."""

_OPTIONS: Final = tuple(
    name for name in Step.__struct_fields__ if name not in ("side", "do", "when", "until", "within_s")
)


class Expect(Struct, frozen=True, kw_only=True):
    """What has to come of it. What is not said is not judged, but for safety, which always is."""

    secc: tuple[str, ...] = ()
    """How the station's session ended: names of ``iso15118.EndReason``, one of which is right."""
    evcc: tuple[str, ...] = ()
    """How the vehicle's session ended."""
    edition: Literal["iso20", "iso2", "din"] | None = None
    """What was spoken."""
    messages: tuple[str, ...] = ()
    """Messages that have to be sent, by either end."""
    never: tuple[str, ...] = ()
    """Messages that must not be sent."""
    soc: Percent | None = None
    """The battery's state of charge at the end, at least."""
    most_power_kw: Kilowatts | None = None
    """No more power flowed at any time."""


class Scenario(Struct, frozen=True, kw_only=True):
    """One scenario: its name, the session in which it takes place, its steps in order,
    and what has to come of it."""

    name: str = ""
    requirements: tuple[str, ...] = ()
    """Ids of the requirements that it is about, as V2G20-1643; they go into reports."""
    session: LoopbackSpec = LoopbackSpec(transport="memory")
    steps: tuple[Step, ...] = ()
    expect: Expect = Expect()

    def __post_init__(self) -> None:
        for number, step in enumerate(self.steps):
            _check(step, f"step[{number}]")
        for key in ("secc", "evcc"):
            for reason in getattr(self.expect, key):
                choose(f"expect.{key}", reason, [one.name for one in EndReason])
        for key in ("messages", "never"):
            for message in getattr(self.expect, key):
                check_message(f"expect.{key}", message)

    def of(self, *sides: str) -> Scenario:
        """The same with the steps of these ends only, and of what is expected what they see: not how another
        end ends, and the state of charge only where the vehicle is one of them."""
        others = {side: () for side in ("secc", "evcc") if side not in sides}
        soc = self.expect.soc if "evcc" in sides else None
        return Scenario(
            name=self.name,
            requirements=self.requirements,
            session=self.session,
            steps=tuple(step for step in self.steps if step.side in sides),
            expect=replace(self.expect, soc=soc, **others),
        )


class _Head(Struct, frozen=True, kw_only=True):
    """What a scenario is called."""

    name: str = ""
    """Its name, for reports."""
    requirements: tuple[str, ...] = ()
    """Ids of the requirements that it is about."""


def read(path: Path) -> Scenario:
    """The scenario in a TOML file: ``[scenario]``, ``[session]`` with the keys of `iso15118
    loopback` (underscores for hyphens), ``[[step]]`` in their order, ``[expect]``. Raises
    ``ConfigError`` naming the key."""
    return parse(read_toml(path), path.stem)


def parse(tables: dict[str, Any], name: str = "") -> Scenario:
    """The same of tables that were read already."""
    for key in tables:
        choose("table", key, ["scenario", "session", "step", "expect"])
    head = read_struct(_Head, _table(tables, "scenario"), "scenario")
    session = {"transport": "memory", **_table(tables, "session")}
    steps = tables.get("step", [])
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise ConfigError("step", "is no list of tables", "write each one as [[step]] with its keys below")
    if len(steps) > _MOST_STEPS:
        raise ConfigError("step", f"there are {len(steps)}", f"at most {_MOST_STEPS}")
    return Scenario(
        name=head.name or name,
        requirements=head.requirements,
        session=read_struct(LoopbackSpec, session, "session"),
        steps=tuple(read_struct(Step, step, f"step[{number}]") for number, step in enumerate(steps)),
        expect=read_struct(Expect, _table(tables, "expect"), "expect"),
    )


def _table(tables: dict[str, Any], key: str) -> dict[str, Any]:
    table = tables.get(key, {})
    if not isinstance(table, dict):
        raise ConfigError(key, "is no table", f"write it as [{key}] with its keys below")
    return table


def _check(step: Step, where: str) -> None:
    doing = DOINGS[choose(f"{where}.do", step.do, list(DOINGS))]
    if step.side not in doing.sides:
        raise ConfigError(
            f"{where}.side", f"{step.do!r} cannot be done to {step.side}", f"{' or '.join(doing.sides)}"
        )
    for key in _OPTIONS:
        given = getattr(step, key) is not None
        if given and key not in (*doing.needs, *doing.may):
            raise ConfigError(f"{where}.{key}", f"means nothing with do = {step.do!r}", "leave it out")
        if not given and key in doing.needs:
            raise ConfigError(f"{where}.{key}", f"is missing: do = {step.do!r} needs it")
    if doing.any_of and all(getattr(step, key) is None for key in doing.any_of):
        raise ConfigError(where, f"do = {step.do!r} says nothing", f"one of {', '.join(doing.any_of)}")
    for key, choices in doing.choices.items():
        choose(f"{where}.{key}", getattr(step, key), choices)
    if step.message is not None:
        check_message(f"{where}.message", step.message)
    for key in ("when", "until"):
        moment = getattr(step, key)
        if moment is not None:
            _check_moment(moment, f"{where}.{key}")


def _check_moment(moment: When, where: str) -> None:
    if moment.nth != 1 and moment.message is None:
        raise ConfigError(f"{where}.nth", "counts messages, and none is named", "give message too")
    if moment.message is not None:
        check_message(f"{where}.message", moment.message)
    if moment.state is not None:
        check_state(f"{where}.state", moment.state)
