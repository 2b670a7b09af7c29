"""One connector of a station's file, ready to be served: hardware, certificates,
contracts, evidence and the link."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from iso15118.aio.results import SessionResult
from iso15118.aio.run import Clock, Sleep, side_by_side
from iso15118.cli.configured import Asking
from iso15118.cli.contracts import followed_backend
from iso15118.cli.link import link_of
from iso15118.cli.recorded import Kept, recorder_in, recording
from iso15118.cli.session import Secured, SessionSummary, summary_of, tls_of
from iso15118.cli.status import StationStatus
from iso15118.cli.terminal import echo_soon
from iso15118.session import ports
from iso15118.settings.contracts import price_signers_of
from iso15118.settings.hardware import station_of
from iso15118.settings.roles import SeccSettings

if TYPE_CHECKING:
    from iso15118.aio.net.stream import MessageStream
    from iso15118.aio.plug.connector import LinkParts
    from iso15118.aio.secc import SeccServer

__all__ = ["PreparedConnector"]


class PreparedConnector:
    """What a file says of one connector, made; what has to be closed again is in ``stack``.

    ``asking``: who types passphrases, until it is over. ``name``: of the connector in a file of several; it
    records in a folder of this name then.
    Raises ``ConfigError`` for what the file names and cannot be used, ``LinkError`` for an
    interface behind a plug that does not exist.
    """

    def __init__(
        self, settings: SeccSettings, kept: Kept, stack: ExitStack, asking: Asking, *, name: str = ""
    ) -> None:
        self.settings, self.name = settings, name
        self.hardware, self.reported = station_of(settings.station)
        known = StationStatus(settings)
        self.recorder = recorder_in(kept.folder(name))
        """Writes each session into a folder; None if that is not wanted."""
        stack.enter_context(recording(self.recorder))
        self.secured: Secured = stack.enter_context(
            tls_of(
                settings.tls,
                "secc",
                kept.keylog,
                asking=asking,
                editions=settings.session.editions,
                evidence=known.evidence,
                demand=known.handshake_demand,
                disclose=kept.keylog_udp,
                secret=None if self.recorder is None else self.recorder.secret,
            )
        )
        secured, hardware = self.secured, self.hardware
        hardware.contracts, contracts = followed_backend(settings, secured, known)
        self.connection: Callable[..., MessageStream] = known.connection(secured.tls)
        """How connections are made."""
        if hardware.timetable is not None and settings.station.sign_prices:
            hardware.timetable.price_signers = price_signers_of(secured.pki, secured.older_pki)
        self.link: Callable[[], LinkParts] | None = link_of(settings.link, settings.interface, station=True)
        self.beside: Callable[[], Coroutine[Any, Any, None]] = partial(
            side_by_side, partial(known.keep, secured.tls), *secured.beside, *contracts
        )
        """What runs as long as the connector is served."""
        self._known = known
        self._counted = 0.0, 0.0

    @property
    def words(self) -> str:
        """What stands before a line for people that is about this connector."""
        return f"iso15118: {self.name}" if self.name else "iso15118"

    def ports(self, sleep: Sleep, clock: Clock) -> ports.Station:
        """Its hardware, under the clock of a loop."""
        return self._known.checked(self.hardware.ports(sleep, clock))

    def tell_listening(self, server: SeccServer) -> None:
        """Where vehicles find it, on stderr."""
        if server.unreachable_because:
            echo_soon(f"{self.words}: waiting: {server.unreachable_because}", err=True)
            return
        listed = ", ".join(f"{port} ({security.name})" for security, port in server.ports.items())
        where = f"[{server.interface.address}] on {server.interface.name}"
        discovery = f"UDP port {server.sdp_port}" if server.sdp_port else "once the link is ready"
        echo_soon(f"{self.words}: listening at {where}, TCP port {listed}, discovery {discovery}", err=True)

    def summary(self, result: SessionResult) -> SessionSummary:
        """A session that has ended at this connector, with what its meter has counted since the last one."""
        meter, (charged, discharged) = self.hardware.meter, self._counted
        self._counted = meter.charged_wh, meter.discharged_wh
        return summary_of(
            result,
            charged_wh=meter.charged_wh - charged,
            discharged_wh=meter.discharged_wh - discharged,
            connector=self.name,
        )
