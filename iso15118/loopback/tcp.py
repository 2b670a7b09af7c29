"""A run over the network stack of this machine: discovery, TCP and mutual TLS on the loopback
interface, as between two machines.

The protocol runs in real time; the simulated hardware runs so much faster that a whole charge takes a
few seconds of it. The test PKI is issued for the run, goes through a temporary folder as a user's
would, and is gone afterwards.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iso15118.aio.net.keylog import KeyLogFile
from iso15118.aio.plug.connector import LinkParts
from iso15118.aio.plug.run_plugged import CableOfBoth, run_both_plugged
from iso15118.aio.run import Both, Clock, Sleep, run_both
from iso15118.channel import Received
from iso15118.errors import ConfigError
from iso15118.loopback.cable import cable_of, links_of
from iso15118.loopback.contracts import contracts_of
from iso15118.loopback.memory import OnMessage, Progress
from iso15118.loopback.midway import Midway
from iso15118.loopback.recording import SessionFolder
from iso15118.loopback.rig import Rig, evcc_config, secc_config
from iso15118.loopback.spec import LoopbackSpec
from iso15118.loopback.summary import LoopbackSummary, Tls, summarize
from iso15118.pki import IssuedPki, issue_test_pki
from iso15118.sdp import Answer, Ignored, Origin
from iso15118.session import ports
from iso15118.session.actions import Notify, Send
from iso15118.settings.trust import evcc_context, read_pki, secc_context
from iso15118.tls import TlsContext, TlsInfo, TlsPort

if TYPE_CHECKING:
    from iso15118.aio.directing import Directs

__all__ = ["run_over_tcp"]

_TRANSFER_S = 2.0
"""How long energy is to flow, in the protocol's time."""
_LOOP_INTERVAL_S = 0.002
_LOOP_S = 0.01
"""What one turn of the charge loop may take on a busy machine; targets are approached with it."""
_POLL_INTERVAL_S = 0.01
_AT_MOST_S = 120.0


def run_over_tcp(
    order: LoopbackSpec,
    *,
    progress: Progress | None = None,
    watch: OnMessage | None = None,
    keylog: Path | None = None,
    folder: SessionFolder | None = None,
    director: Callable[[Rig], Directs] | None = None,
) -> LoopbackSummary:
    """Run ``order`` to its end; ``folder`` gets states, bytes and the TLS secrets. ``director``, made for the
    hardware of the run, drives both ends; without a plug only.

    Raises ``LinkError`` if the loopback interface cannot be used, ``TrustError`` if TLS cannot be agreed,
    ``TimeoutError`` if there is no end, ``ConfigError`` if the key log cannot be written.
    """
    began = time.monotonic()
    plaintext = not order.tls
    pki = None if plaintext else _issued("iso20")
    older = None if plaintext else _issued("iso2")
    contracts = None
    if pki is not None and older is not None and order.auth == "pnc":
        contracts = contracts_of(pki, older, install=order.install_contract, clock=_now)
    plant = Rig.build(
        order,
        time_scale=max(1.0, order.expected_s / _TRANSFER_S),
        loop_s=_LOOP_S,
        contracts=contracts,
    )
    minute_s = 60.0 / plant.circuit.time_scale
    midway = Midway(order, minute_s=minute_s)
    with ExitStack() as stack:
        contexts = (
            None if pki is None or older is None else _contexts(order, pki, older, stack, keylog, folder)
        )
        clock = time.monotonic
        run: Callable[..., Both]
        if order.link == "none":
            run = partial(
                run_both,
                meddle=lambda now, tell: midway.look(plant.vehicle.battery.soc, now, tell),
                news=lambda news: midway.hear(news, clock()),
                rest_s=(order.pause or 0.0) * minute_s,
                director=None if director is None else director(plant),
            )
        elif director is None:
            run = partial(
                run_both_plugged,
                cable=partial(_cable, plant),
                meddle=lambda now, tell: midway.look(plant.vehicle.battery.soc, now, tell),
                rest_s=(order.pause or 0.0) * minute_s,
            )
        else:
            raise ConfigError(
                "link", "nobody drives the ends of a plug over tcp", "link none, or transport memory"
            )
        try:
            both = run(
                secc_config(order, allow_plaintext=order.allows_plaintext),
                evcc_config(
                    order,
                    allow_plaintext=order.allows_plaintext,
                    loop_interval_s=_LOOP_INTERVAL_S,
                    poll_interval_s=_POLL_INTERVAL_S,
                ),
                lambda sleep, clock: _ports(plant, sleep, clock),
                tls=contexts,
                at_most_s=_AT_MOST_S,
                observer=_observer(watch),
                station_observer=None if folder is None else partial(_show_news, folder),
                recorder=None if folder is None else folder.recorder,
                on_request=None if folder is None else partial(_show_discovery, folder),
                tick=None if progress is None else lambda: progress(plant.vehicle.battery.soc),
            )
        except TimeoutError as error:
            raise TimeoutError(f"the session was not over after {_AT_MOST_S:.0f} s") from error
    secc, evcc, first = both.secc, both.evcc, both.earlier
    parts = [evcc] if first is None else [first.evcc, evcc]
    return summarize(
        plant,
        secc.ended,
        evcc.ended,
        edition=secc.edition,
        tls=_tls(evcc.tls),
        exchanges=sum(part.exchanges for part in parts),
        charge_loops=sum(part.charge_loops for part in parts),
        transfer_s=sum(part.transfer_seconds for part in parts),
        session_s=evcc.finished - parts[0].started,
        link_s=None if both.linked is None else both.linked - both.begun,
        setup_s=None if parts[0].energy_from is None else parts[0].energy_from - both.begun,
        wall_s=time.monotonic() - began,
        secc_states=[*(() if first is None else first.secc.states), *secc.states],
        evcc_states=[state for part in parts for state in part.states],
        safe=secc.safe and all(part.safe for part in parts) and (first is None or first.secc.safe),
        emaid=secc.emaid,
        contracts_installed=sum(part.contracts_installed for part in parts),
        paused_s=None if first is None else round((evcc.started - first.evcc.finished) / minute_s * 60.0, 1),
        parts=[part.exchanges for part in parts],
        midway=midway,
        standby_scale=plant.circuit.time_scale,
        sdp=f"unicast to [::1], UDP port {both.sdp_port}, since the loopback interface has no multicast; station at TCP port {both.port}",
    )


def _ports(plant: Rig, sleep: Sleep, clock: Clock) -> tuple[ports.Station, ports.Vehicle]:
    return plant.station.ports(sleep, clock), plant.vehicle.ports(sleep, clock)


def _cable(plant: Rig, clock: Clock) -> tuple[CableOfBoth, LinkParts, LinkParts]:
    cable = cable_of(plant.order, plant.wired()[0], clock)
    ends = cable.station, cable.vehicle
    secc, evcc = (
        LinkParts(link=link, medium=end, signalling=end)
        for link, end in zip(links_of(plant.order), ends, strict=True)
    )
    return cable, secc, evcc


def _issued(edition: str) -> IssuedPki:
    """A fresh PKI, by way of its files."""
    algorithm = {"iso20": "p521", "iso2": "p256"}[edition]
    with tempfile.TemporaryDirectory(prefix="iso15118-pki-") as keys:
        issue_test_pki(edition, algorithm, at=_now()).write(Path(keys))
        return read_pki(Path(keys))


def _now() -> datetime:
    return datetime.now(UTC)


def _contexts(
    order: LoopbackSpec,
    pki: IssuedPki,
    older: IssuedPki,
    stack: ExitStack,
    keylog: Path | None,
    folder: SessionFolder | None,
) -> tuple[TlsPort | None, TlsContext | None]:
    """Both ends' view of the PKIs: the station has a chain for each of its editions, the vehicle trusts the
    roots of its own; None for a side that knows no TLS."""
    # One end's secrets are those of the connection.
    logs: list[Callable[[str], None]] = []
    if keylog is not None:
        logs.append(stack.enter_context(KeyLogFile(keylog)))
    if folder is not None and folder.recorder is not None:
        logs.append(folder.recorder.secret)
    log = partial(_log_to, logs) if logs else None
    station, car = set(order.secc_editions or ()), set(order.evcc_editions or ())
    served = [secc_context(pki)] if "iso20" in station else []
    if "iso2" in station:
        served.append(secc_context(older, profile="iso2"))
    client: TlsContext | None = None
    if "iso20" in car:
        dual = "iso2" in car
        client = evcc_context(
            pki, profile="dual" if dual else "iso20", older=older if dual else None, keylog=log
        )
    elif "iso2" in car:
        client = evcc_context(older, profile="iso2", keylog=log)
    return TlsPort(served) if served else None, client


def _log_to(logs: list[Callable[[str], None]], line: str) -> None:
    for log in logs:
        log(line)


def _observer(watch: OnMessage | None) -> Callable[[float, Any], None] | None:
    if watch is None:
        return None

    def observe(now: float, what: Any) -> None:
        if type(what) is Send:
            watch("evcc", what.message, now)
        elif type(what) is Received:
            watch("secc", what.message, now)

    return observe


def _show_news(folder: SessionFolder, now: float, what: Any) -> None:
    """The vehicle's end is recorded by its own connection; of the station's end
    this is what was not on that."""
    if isinstance(what, Notify):
        folder.told("secc", what, now)


def _show_discovery(folder: SessionFolder, port: int, origin: Origin, outcome: Answer | Ignored) -> None:
    if isinstance(outcome, Answer):
        car, station = (origin.address, origin.port), (outcome.response.address, port)
        folder.discovery(car, station, outcome.asked, outcome.data)


def _tls(info: TlsInfo | None) -> Tls | None:
    if info is None:
        return None
    return Tls(
        version=info.version,
        cipher=info.cipher,
        group=info.group,
        signature=info.server_signature,
        client_certificate=info.client_certificate,
        client_signature=info.client_signature,
        deviations=info.deviations,
    )
