"""Answers of stations from public captures, given to our vehicle: how far it goes with
each, and why it ends there.

``python -m tests.evcc.iso2.replay`` prints how far. The collection holds each message once, whichever
captures it is in: what one does not have is answered as an ordinary station would, and said. The last answer
of a kind is repeated; session ids are those of the play.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.messages import app, iso2
from iso15118.messages.iso2 import EnergyTransferMode
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import EndReason
from tests.evcc.iso2.contracts import TLS, held
from tests.evcc.iso2.station import BATTERY_V, Host, response_of
from tests.exi.reference import octets, vectors

LOOPS = 12
"""Turns of the charge loop before the battery has enough."""
_LONGEST = 600


class Capture(Struct, frozen=True):
    """What one station said."""

    source: str
    answers: dict[type, list[Any]]
    """By response type: Ongoing before Finished, refusals only where there is nothing else."""

    @property
    def alternating(self) -> bool:
        """It is an outlet of alternating current."""
        for bodies in self.answers.values():
            for body in bodies:
                for name in ("evse_status", "ac_evse_status", "evse_charge_parameter"):
                    if type(getattr(body, name, None)).__name__.startswith("AC"):
                        return True
        discovered = self.answers.get(iso2.ServiceDiscoveryRes)
        if not discovered:
            return False
        modes = discovered[0].charge_service.supported_energy_transfer_mode.energy_transfer_mode
        return all(mode.value.startswith("AC") for mode in modes)


class Outcome(Struct, frozen=True):
    """How far the vehicle went."""

    source: str
    states: tuple[str, ...]
    reason: EndReason | None
    """None: it would go on."""
    detail: str
    used: int
    """Captured answers that the vehicle was given."""
    filled: tuple[str, ...]
    """Answers that the capture does not have, and that were those of an ordinary station."""
    notes: tuple[str, ...]
    closed: bool
    """The vehicle's contactors were left closed."""


def captures() -> Iterator[Capture]:
    """Every source that has answers of a station."""
    found: dict[str, dict[type, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in vectors("iso2"):
        if row["fragment"] or not str(row["message"]).endswith("Res"):
            continue
        try:
            message = exi.decode("iso2", octets(row))
        except ExiError:
            continue
        if isinstance(message, iso2.V2GMessage) and message.body.body_element is not None:
            body = message.body.body_element
            found[row["source"]][type(body)].append(body)
    for source, answers in sorted(found.items()):
        yield Capture(source, {kind: _ordered(bodies) for kind, bodies in answers.items()})


def _ordered(bodies: list[Any]) -> list[Any]:
    good = [body for body in bodies if not body.response_code.value.startswith("FAILED")]
    return sorted(good or bodies, key=lambda body: not _is_ongoing(body))


def _is_ongoing(body: Any) -> bool:
    return getattr(body, "evse_processing", None) not in (None, iso2.EVSEProcessing.Finished)


def play(capture: Capture) -> Outcome:
    """Our vehicle, with whatever way to charge and to pay the station offers."""
    host = _vehicle(capture)
    given: dict[type, int] = defaultdict(int)
    filled: set[str] = set()
    for _ in range(_LONGEST):
        if host.ended is not None:
            break
        if not host.waiting or isinstance(host.request, app.SupportedAppProtocolReq):
            host.step()
            continue
        kind = response_of(type(host.request))
        bodies = capture.answers.get(kind, [])
        given[kind] += 1
        if kind is iso2.PreChargeRes:
            host.measure(BATTERY_V)
        if kind in (iso2.CurrentDemandRes, iso2.ChargingStatusRes) and given[kind] >= LOOPS:
            host.full()
        body = bodies[min(given[kind], len(bodies)) - 1] if bodies else None
        if body is None or (_is_ongoing(body) and given[kind] > len(bodies)):
            filled.add(kind.__name__)
            host.answer()
        else:
            host.tell(ev.MessageReceived(host.message(body)))
    ended = host.ended
    return Outcome(
        source=capture.source,
        states=tuple(host.session.states),
        reason=None if ended is None else ended.reason,
        detail="" if ended is None else ended.detail,
        used=sum(min(count, len(capture.answers.get(kind, ()))) for kind, count in given.items()),
        filled=tuple(sorted(filled)),
        notes=tuple(dict.fromkeys(one.name for one in host.news if isinstance(one, act.PeerDeviates))),
        closed=host.watch.told_closed,
    )


def _vehicle(capture: Capture) -> Host:
    """With the hardware and the way to pay that the station offers."""
    settings: dict[str, Any] = {"iso2": {"energy_transfer_modes": tuple(EnergyTransferMode)}}
    if capture.alternating:
        settings["charger"] = AcVehicleLimits.of(current_a=16.0)
    discovered = capture.answers.get(iso2.ServiceDiscoveryRes)
    if discovered is None or iso2.PaymentOption.ExternalPayment in (
        discovered[0].payment_option_list.payment_option
    ):
        return Host(**settings)
    return Host(contracts=held("contract-0"), tls=TLS, **settings)


def main() -> None:
    """Print how far each went."""
    for capture in captures():
        outcome = play(capture)
        reached = outcome.states[-2] if outcome.reason is not None else outcome.states[-1]
        how = "goes on" if outcome.reason is None else outcome.reason.name
        print(f"{reached:24} {how:24} {outcome.used:3} answers of {outcome.source}")
        for name, text in (
            ("because", outcome.detail),
            ("noted", ", ".join(outcome.notes)),
            ("not captured", ", ".join(outcome.filled)),
        ):
            if text:
                print(f"    {name}: {text}")


if __name__ == "__main__":
    main()
