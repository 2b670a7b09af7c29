"""A station's evidence of revocation as its file wants it: what it has, what it asks for, and who is held
against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from iso15118.aio.identity import RenewableTls, anchors_of, chains_of, roots_of
from iso15118.aio.net.http_client import HttpClient
from iso15118.aio.net.ocsp_client import OcspClient
from iso15118.aio.net.online import CheckedContracts, CheckedStream, PeerStatus
from iso15118.aio.net.stream import MessageStream
from iso15118.aio.status import StatusKeeper
from iso15118.pki import Store
from iso15118.pki.status.evidence import Evidence
from iso15118.pki.status.revocation import Demand
from iso15118.session import ports
from iso15118.settings.parts import StationStatusSettings
from iso15118.settings.roles import SeccSettings

__all__ = ["StationStatus"]


class StationStatus:
    """What ``secc`` needs for ``settings.status``. Raises ConfigError for ``online`` without the extra
    ``ocsp``.
    """

    def __init__(self, settings: SeccSettings) -> None:
        self._settings = settings
        self._status: StationStatusSettings = settings.status
        store = None if self._status.store is None else Store(self._status.store)
        wanted = store is not None or self._status.online or bool(self._status.lists)
        self.evidence = Evidence(store) if wanted else None
        """None if the file says nothing about any."""
        self._client: OcspClient | None = None
        if self._status.online or self._status.lists:
            HttpClient.require()
            self._client = OcspClient(
                HttpClient(timeout_s=self._status.timeout_s),
                responder=self._status.responder,
                nonce=self._status.nonce,
            )

    @property
    def handshake_demand(self) -> Demand | None:
        """What a vehicle's chain is held against in the handshake: what is asked for comes only after it."""
        return "none" if self._status.online else None

    @property
    def contract_demand(self) -> Demand | None:
        """The same for contracts, before the backend is asked."""
        return "none" if self._status.online else None

    def connection(self, tls: RenewableTls | None) -> Callable[..., MessageStream]:
        """How connections are made: with the check of vehicles after the handshake, if somebody is asked."""
        lab = self._settings.tls.profile == "lab"
        demand = self._settings.tls.revocation or ("none" if lab else "all")
        if self._client is None or self.evidence is None or not self._status.online or tls is None:
            return MessageStream
        check = PeerStatus(
            self._client,
            self.evidence,
            role="vehicle",
            anchors_der=lambda: {"OEM": anchors_of(tls)},
            edition=self._settings.tls.profile,
            demand=demand,
        )
        return partial(CheckedStream, check=check)

    def checked(self, station: ports.Station) -> ports.Station:
        """The station with contracts held against what responders say."""
        behind = station.contract_authorizer
        if self._client is None or self.evidence is None or not self._status.online or behind is None:
            return station
        demand = self._settings.contracts.revocation or "all"
        return replace(
            station, contract_authorizer=CheckedContracts(behind, self._client, self.evidence, demand=demand)
        )

    async def keep(self, tls: RenewableTls | None) -> None:
        """Keep the evidence fresh until cancelled."""
        if self.evidence is None:
            return
        keeper = StatusKeeper(
            self._client,
            self.evidence,
            chains=lambda: () if tls is None else chains_of(tls),
            roots=lambda: roots_of(tls),
            lists=self._status.lists,
            responses=self._status.online,
        )
        try:
            await keeper.run()
        finally:
            if self._client is not None:
                await self._client.http.close()
