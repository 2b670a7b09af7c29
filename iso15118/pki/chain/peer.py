"""The check of a TLS peer: :func:`iso15118.pki.verify_chain` with its arguments
kept, asked in each handshake.

Which path was verified is told with the verdict, so that a connection can say who the
peer is, and not what it sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from iso15118.errors import ConfigError
from iso15118.pki.chain.verify import Anchors, Environment, anchor_problems, verify_chain
from iso15118.pki.chain.violations import Verdict
from iso15118.pki.status.crl import read_ahead
from iso15118.pki.status.revocation import Revocation, RevocationPolicy
from iso15118.ranges import shown

__all__ = ["PeerVerifier", "peer_verifier"]

_log = logging.getLogger(__name__)


class PeerVerifier:
    """The check of a TLS peer, for ``iso15118.tls.TlsContext(verify=...)``; the arguments are
    those of :func:`verify_chain`.

    ``revocation``: what is demanded and known when a chain comes, as a policy that also takes what the peer
    has stapled, or as a callable that leaves that out; None: nothing is said about it. ``older_edition``:
    what holds instead of ``edition`` on a connection of TLS 1.2. The first violation decides the alert; the
    text names them all. ``report`` gets each verdict, also the good ones. A trust anchor that nobody's chain
    can end in (expired, no CA, no root) is logged as a warning when the check is made.

    Raises ConfigError and PkiError as ``verify_chain``, when it is made.
    """

    def __init__(
        self,
        *,
        role: str,
        anchors_der: Anchors,
        anchor_role: str = "",
        clock: Callable[[], datetime | None],
        edition: str,
        environment: Environment = "public",
        revocation: RevocationPolicy | Callable[[Sequence[bytes]], Revocation | None] | None = None,
        skew: timedelta = timedelta(),
        tolerate: Collection[str] = (),
        refuse: Collection[str] = (),
        report: Callable[[Verdict], None] | None = None,
        older_edition: str | None = None,
    ) -> None:
        if (
            revocation is not None
            and not callable(revocation)
            and not isinstance(revocation, RevocationPolicy)
        ):
            raise ConfigError(
                "revocation", f"{shown(revocation)} is none", "a RevocationPolicy, or a function"
            )
        self._role, self._clock, self._environment = role, clock, environment
        self._anchors, self._anchor_role = anchors_der, anchor_role
        self._edition, self._older_edition = edition, older_edition
        self._revocation, self._skew, self._report = revocation, skew, report
        self._tolerate, self._refuse = tolerate, refuse
        # Once now, so that wrong names and anchors show when the station starts and not when a car
        # arrives, and lists are known then.
        if isinstance(revocation, RevocationPolicy):
            for der in revocation.crls():
                read_ahead(der)
        now = clock()
        self._judge([], now, edition, None)
        problems = anchor_problems(
            anchors_der, anchor_role, at=now, edition=edition, older_edition=older_edition, skew=skew
        )
        for name, problem in problems:
            if problem.code not in tolerate:
                _log.warning("trust anchor %s for %s certificates: %s", name, role, problem)

    def verdict(
        self, chain: list[bytes], staples: list[bytes] | None = None, version: str = "TLSv1.3"
    ) -> Verdict:
        """Everything that is to be said about the certificates of a peer (DER, leaf first)."""
        older = version != "TLSv1.3"
        pending = staples is None and older  # they come, and then this is called again
        evidence: Revocation | None = None
        if self._revocation is not None and not pending:
            if isinstance(self._revocation, RevocationPolicy):
                evidence = self._revocation.evidence(chain, staples or (), leaf_only=older)
            else:
                evidence = self._revocation(chain)
        own = self._older_edition if older and self._older_edition is not None else self._edition
        verdict = self._judge(chain, self._clock(), own, evidence)
        if verdict.ok and verdict.tolerated and not pending:
            accepted = "; ".join(map(str, verdict.tolerated))
            _log.info("%s certificates are accepted, although %s", self._role, accepted)
        if self._report is not None and not (pending and verdict.ok):
            self._report(verdict)
        return verdict

    def refusal(self, verdict: Verdict) -> tuple[str, str] | None:
        """What a verdict means to TLS: None, or an alert and the reason."""
        return None if verdict.ok else (verdict.violations[0].alert, f"{self._role} certificates: {verdict}")

    def __call__(
        self, chain: list[bytes], staples: list[bytes] | None = None, version: str = "TLSv1.3"
    ) -> tuple[str, str] | None:
        """The verdict as ``iso15118.tls.PeerCheck`` has it."""
        return self.refusal(self.verdict(chain, staples, version))

    def _judge(
        self, chain: Sequence[bytes], at: datetime | None, edition: str, evidence: Revocation | None
    ) -> Verdict:
        return verify_chain(
            chain,
            role=self._role,
            anchors_der=self._anchors,
            anchor_role=self._anchor_role,
            at=at,
            edition=edition,
            environment=self._environment,
            revocation=evidence,
            skew=self._skew,
            tolerate=self._tolerate,
            refuse=self._refuse,
        )


peer_verifier = PeerVerifier
"""The same, by the name of what it makes."""
