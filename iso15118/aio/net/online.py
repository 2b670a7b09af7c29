"""Vehicles and contracts held against what responders say now: a TLS peer after its handshake and before its
session, a contract before the backend is asked. [V2G20-2443, V2G20-2448]

A handshake waits for nobody, so what has to be asked for is asked between it and the first message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from iso15118.aio.logs import Log
from iso15118.aio.status import fetch_missing
from iso15118.errors import TlsError
from iso15118.pki.chain.profiles import AnchorRole
from iso15118.pki.chain.verify import Environment, verify_chain
from iso15118.pki.status.revocation import Demand
from iso15118.pnc.authorization import refusal_of
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.printable import printable

from .ending import Ending, StreamEnd
from .stream import MessageStream

if TYPE_CHECKING:
    from iso15118.channel import Item
    from iso15118.pki.status.evidence import Evidence
    from iso15118.pnc.authorization import ContractTrust
    from iso15118.session import ports
    from iso15118.tls import TlsInfo

    from .ending import StreamLimits, StreamOwner, TlsEndpoint
    from .ocsp_client import OcspClient

__all__ = ["CheckedContracts", "CheckedStream", "PeerStatus"]

_log = Log(__name__)

CHECK_S: Final = 1.5

Check = Callable[["TlsInfo"], Awaitable[tuple[str, str] | None]]
"""Judges a TLS peer after its handshake: None accepts it, a pair of alert name and reason refuses it."""


class PeerStatus:
    """Asks for what is missing about a peer's chain, and then demands it; a :data:`Check` for
    :class:`CheckedStream`.

    ``demand``, ``role``, ``anchors_der``, ``edition``, ``environment``: as for ``verify_chain``.
    ``older_edition``: on a connection of TLS 1.2.
    """

    def __init__(
        self,
        client: OcspClient,
        evidence: Evidence,
        *,
        role: str,
        anchors_der: Callable[[], Mapping[AnchorRole, Sequence[bytes]]],
        edition: str,
        demand: Demand = "all",
        environment: Environment = "public",
        older_edition: str | None = None,
    ) -> None:
        self._client, self._evidence = client, evidence
        self._role, self._anchors = role, anchors_der
        self._edition, self._older = edition, older_edition
        self._demand: Demand = demand
        self._environment: Environment = environment
        self._asking: set[asyncio.Task[None]] = set()

    async def __call__(self, info: TlsInfo) -> tuple[str, str] | None:
        """None for a peer without certificate, about which there is nothing to ask: TLS has let it in."""
        if not info.peer_chain or self._demand == "none":
            return None
        edition = self._edition if info.version == "TLSv1.3" else self._older or self._edition
        anchors = self._anchors()
        first = verify_chain(
            info.peer_chain,
            role=self._role,
            anchors_der=anchors,
            at=self._client.clock(),
            edition=edition,
            environment=self._environment,
        )
        if first.path and first.anchor is not None:
            path = [info.peer_chain[place] for place in first.path]
            if self._demand == "leaf":
                path, anchor = path[:1], (path[1:] or [first.anchor])[0]
            else:
                anchor = first.anchor
            # What comes too late for this connection is there for the next one.
            task = asyncio.create_task(fetch_missing(self._client, self._evidence, path, anchor))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            await asyncio.shield(task)
        verdict = verify_chain(
            info.peer_chain,
            role=self._role,
            anchors_der=anchors,
            at=self._client.clock(),
            edition=edition,
            environment=self._environment,
            revocation=self._evidence.policy(self._demand).evidence(
                info.peer_chain, info.staples, leaf_only=False
            ),
        )
        return None if verdict.ok else (verdict.violations[0].alert, f"{self._role} certificates: {verdict}")


class CheckedStream(MessageStream):
    """A connection whose peer is judged once more after the handshake: ``stream_ready`` comes when ``check``
    accepts it. What it sends meanwhile is kept. Give ``partial(CheckedStream, check=...)`` to a server as
    ``connection``.

    ``check_s``: how long the check may take; then the peer is refused. A vehicle waits 2 s for the answer to
    its first message, which it sends at once.
    """

    def __init__(
        self,
        owner: StreamOwner,
        *,
        check: Check,
        check_s: float = CHECK_S,
        tls: TlsEndpoint | None = None,
        limits: StreamLimits | None = None,
        plain_too: bool = False,
        speaks_first: bool = False,
    ) -> None:
        super().__init__(_Gate(owner), tls=tls, limits=limits, plain_too=plain_too, speaks_first=speaks_first)
        self._real_owner = owner
        self._check, self._check_s = check, check_s
        self._judging: asyncio.Task[None] | None = None

    def begin_check(self) -> None:
        """The connection is open."""
        info = self.tls_info
        if info is None:
            self._owner = self._real_owner
            self._real_owner.stream_ready(self)
            return
        self.hold()
        self._judging = asyncio.get_running_loop().create_task(self._judge(info), name="revocation of a peer")

    def end_check(self) -> None:
        """The connection has ended."""
        if self._judging is not None:
            self._judging.cancel()

    async def _judge(self, info: TlsInfo) -> None:
        try:
            async with asyncio.timeout(self._check_s):
                refusal = await self._check(info)
        except TimeoutError:
            refusal = (
                "certificate_unknown",
                f"what is demanded about it did not come in {self._check_s:g} s",
            )
        except Exception as error:
            _log.error("the check of a peer failed; it is refused", error=error)
            refusal = ("internal_error", "the check of the peer failed")
        self._judging = None
        if self.end is not None:
            return  # its owner knows
        if refusal is None:
            self.adopt(self._real_owner)
            return
        alert, reason = refusal
        self._finish(StreamEnd(Ending.TLS_REFUSED, reason, TlsError(reason, alert=alert)))


class _Gate:
    """Owner of a stream until its peer is accepted."""

    def __init__(self, owner: StreamOwner) -> None:
        self._owner = owner

    def stream_ready(self, stream: MessageStream) -> None:
        if isinstance(stream, CheckedStream):
            stream.begin_check()

    def stream_received(self, stream: MessageStream, item: Item) -> None:
        """Never called: the stream is held before anything can come in."""

    def stream_ended(self, stream: MessageStream, end: StreamEnd) -> None:
        if isinstance(stream, CheckedStream):
            stream.end_check()
        self._owner.stream_ended(stream, end)


class CheckedContracts:
    """A station's contract authorizer that asks for what is missing about a contract's chain, demands it, and
    asks the one behind it only then. Use it in its place.

    A chain that ends in no root of ours is passed on as it is: nobody here can ask about it.
    """

    def __init__(
        self,
        behind: ports.ContractAuthorizer,
        client: OcspClient,
        evidence: Evidence,
        *,
        demand: Demand = "all",
    ) -> None:
        self.behind = behind
        self._client, self._evidence = client, evidence
        self._demand: Demand = demand
        self._trust: tuple[ContractTrust, ContractTrust] | None = None

    @property
    def trust(self) -> ContractTrust:
        """Whom the station believes. Where it has no evidence of its own, what responders have said
        so far counts: a paused session goes on before this has answered, and not with a contract
        that is known to be revoked."""
        behind = self.behind.trust
        if behind.revocation is not None:
            return behind
        if self._trust is None or self._trust[0] is not behind:
            knowing = msgspec.structs.replace(behind, revocation=self._evidence.policy("none"))
            self._trust = behind, knowing
        return self._trust[1]

    async def authorize_contract(self, claim: ContractClaim) -> bool | Refusal:
        """As the one behind it, or a refusal of our own."""
        trust, at = self.behind.trust, self._client.clock()
        first = trust.verify(claim.chain, at.timestamp())
        if first.path and first.anchor is not None and self._demand != "none":
            path = [claim.chain[place] for place in first.path]
            below = path if self._demand == "all" else path[:1]
            anchor = first.anchor if len(below) == len(path) else path[1]
            await fetch_missing(self._client, self._evidence, below, anchor)
            refusal = self._refusal(trust, claim, at)
            if refusal is not None:
                return refusal
        return await self.behind.authorize_contract(claim)

    def _refusal(self, trust: ContractTrust, claim: ContractClaim, at: datetime) -> Refusal | None:
        demanding = msgspec.structs.replace(trust, revocation=self._evidence.policy(self._demand))
        verdict = demanding.verify(claim.chain, at.timestamp())
        if verdict.ok:
            return None
        _log.warning("the contract %s is refused: %s", printable(claim.emaid), verdict)
        if {one.code for one in verdict.violations} == {"status-missing"}:
            return Refusal.NOT_AVAILABLE  # no responder could be asked, which says nothing about the contract
        return refusal_of(verdict)
