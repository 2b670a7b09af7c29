"""``iso15118 evcc`` with a file of several inlets: one visit to a site, at the preferred inlet first, with
one battery and an arbiter behind all of them."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from iso15118.aio.evcc import EvccClient
from iso15118.aio.inlets import Attempt, SeveralInlets
from iso15118.aio.output import by_thread
from iso15118.aio.run import Clock, Sleep
from iso15118.aio.run_inlets import run_inlets
from iso15118.cli.configured import Asking
from iso15118.cli.ending import ExitStatus
from iso15118.cli.link import tell_link
from iso15118.cli.prepared_inlet import Contracts, PreparedInlet
from iso15118.cli.recorded import Kept
from iso15118.cli.session import exit_status, listen_to, tell
from iso15118.cli.terminal import echo_soon, json_line
from iso15118.connector.inlet_ports import behind_inlet
from iso15118.connector.inlets import InletArbiter
from iso15118.errors import ConfigError, LinkError, V2GError
from iso15118.settings.hardware import battery_of
from iso15118.settings.inlets import TABLE, VehicleInlets
from iso15118.settings.wireless import search_of
from iso15118.simulation import Battery

if TYPE_CHECKING:
    from iso15118.aio.plug.plugged_evcc import PluggedEvcc

__all__ = ["visit"]


def visit(vehicle: VehicleInlets, *, kept: Kept, as_json: bool) -> int:
    """Charge at one inlet after the other until a session has gone as wanted, or at all of them, printing
    each attempt; the exit status, which is that of the attempt that was decisive.

    Raises what the last inlet raised where no session came about at any, otherwise as ``iso15118 evcc`` does.
    """
    battery = battery_of(vehicle.inlets[0].settings)
    with by_thread(), ExitStack() as stack:
        prepared = _prepared(vehicle, battery, kept, stack)
        told = _Told(prepared, battery, as_json=as_json, together=vehicle.together.several)

        def made(sleep: Sleep, clock: Clock) -> SeveralInlets:
            arbiter = InletArbiter([one.inlet() for one in vehicle.inlets], vehicle.together)
            clients = {name: _client(one, arbiter, sleep, clock) for name, one in prepared.items()}
            told.inlets = SeveralInlets(arbiter, clients, told=told.attempt)
            return told.inlets

        attempts, stopped = run_inlets(made)
    if attempts is None:
        return ExitStatus.INTERRUPTED
    if told.status is not None:
        return told.status
    if stopped:
        return ExitStatus.INTERRUPTED
    raise _nowhere(attempts)


def _prepared(
    vehicle: VehicleInlets, battery: Battery, kept: Kept, stack: ExitStack
) -> dict[str, PreparedInlet]:
    asking = Asking()
    contracts: Contracts = {}
    prepared: dict[str, PreparedInlet] = {}
    for number, one in enumerate(vehicle.inlets):
        try:
            prepared[one.name] = PreparedInlet(one, kept, stack, asking, battery=battery, contracts=contracts)
        except ConfigError as error:
            raise ConfigError(f"{TABLE}[{number}].{error.key}", error.reason, error.hint) from error
    asking.over()
    return prepared


class _Told:
    """Prints each attempt when it is over, and knows the exit status."""

    def __init__(
        self, prepared: dict[str, PreparedInlet], battery: Battery, *, as_json: bool, together: bool
    ) -> None:
        self._prepared, self._battery = prepared, battery
        self._as_json, self._together = as_json, together
        self._soc = battery.soc
        self.inlets: SeveralInlets | None = None
        self.status: int | None = None
        """Of the session that was decisive: the last one, or where several run at the same time the first
        that did not go as wanted; None where there was none."""

    def attempt(self, one: Attempt) -> None:
        """What came of one inlet."""
        inlet = self._prepared[one.inlet]
        if one.result is None:
            echo_soon(f"{inlet.words}: no session: {one.error}", err=True)
            if self._as_json:
                said = {"role": "evcc", "connector": one.inlet, "result": "none", "detail": str(one.error)}
                echo_soon(json_line(said))
            return
        counted = inlet.counted
        summary = inlet.summary(
            one.result,
            soc=self._soc,
            charged_wh=counted.charged_wh,
            discharged_wh=counted.discharged_wh,
            stopped=self.inlets is not None and bool(self.inlets.stopped_because),
        )
        echo_soon(json_line(summary)) if self._as_json else tell(summary)
        if self._together:
            self.status = exit_status(summary) if not self.status else self.status
        else:
            self.status, self._soc = exit_status(summary), self._battery.soc


def _client(
    one: PreparedInlet, arbiter: InletArbiter, sleep: Sleep, clock: Clock
) -> EvccClient | PluggedEvcc:
    settings = one.settings
    ports = behind_inlet(one.vehicle.ports(sleep, clock), arbiter, one.name, clock)
    listened = listen_to(one.reported, one.words)
    if one.link is None:
        return EvccClient(
            one.session,
            ports,
            settings.interface,
            one.secured.tls,
            sdp_port=settings.sdp_port,
            observer=listened,
            recorder=one.recorder,
            wireless=search_of(settings.wireless),
        )
    from iso15118.aio.plug.plugged_evcc import PluggedEvcc  # with everything below IP

    return PluggedEvcc(
        one.session,
        ports,
        settings.interface,
        one.secured.tls,
        one.link(),
        sdp_port=settings.sdp_port,
        observer=listened,
        news=partial(tell_link, words=one.words),
        recorder=one.recorder,
    )


def _nowhere(attempts: list[Attempt]) -> V2GError:
    """Why there was no session at any inlet: what is no matter of the link says more."""
    errors = [(one.inlet, one.error) for one in attempts if one.error is not None]
    for _, error in errors:
        if not isinstance(error, LinkError):
            return error
    kinds = {type(error) for _, error in errors}
    kind = LinkError if len(kinds) > 1 else kinds.pop()
    return kind("; ".join(f"{name}: {error}" for name, error in errors))
