"""Certificate chains that a listener sees: who they say they are, and what our own rules for the
role and edition find wrong.

Which roots the other side trusts is not in a capture, so that the path is judged as far as it goes
and the root is taken as known.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from iso15118.errors import V2GError

__all__ = ["Judge"]

_MOST_CHAINS: Final = 64
"""Chains that are judged: signatures take time, and a capture may have any number of them."""
_MOST_CERTIFICATES: Final = 8
_BEYOND: Final = frozenset(("issuer-unknown", "clock-not-set"))
"""What only who knows the roots, or the time, can say."""


class Judge:
    """Remembers chains that it has seen."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[bytes, ...], str, str], list[str]] = {}

    def judge(self, chain: Sequence[bytes], role: str, edition: str, t: float | None) -> list[str]:
        """What is wrong with a chain (DER, leaf first) at that time, a sentence each."""
        if not chain:
            return []
        key = tuple(chain[:_MOST_CERTIFICATES]), role, edition
        if key not in self._known:
            if len(self._known) >= _MOST_CHAINS:
                return [f"not judged: more than {_MOST_CHAINS} chains in the capture"]
            self._known[key] = self._violations(chain, role, edition, t)
        return self._known[key]

    def _violations(self, chain: Sequence[bytes], role: str, edition: str, t: float | None) -> list[str]:
        # Here: most captures have no certificate, and all of it takes a while to load.
        from iso15118.pki.chain.verify import verify_chain

        at: datetime | None = None
        with suppress(OverflowError, ValueError, OSError):  # a capture's clock may say anything
            at = None if t is None else datetime.fromtimestamp(t, UTC)
        try:
            verdict = verify_chain(chain, role=role, anchors_der={}, at=at, edition=edition)
        except V2GError as error:
            return [str(error)]
        return [str(one) for one in verdict.violations if one.code not in _BEYOND]

    def describe(self, chain: Sequence[bytes]) -> list[dict[str, Any]]:
        """The certificates as JSON values."""
        from iso15118.pki.chain.parsed import UnreadableError, parse

        found: list[dict[str, Any]] = []
        for der in chain[:_MOST_CERTIFICATES]:
            try:
                one = parse(der)
            except UnreadableError as error:
                found.append({"unreadable": str(error), "octets": len(der)})
                continue
            found.append(
                {
                    "subject": one.name,
                    "issuer": one.issuer_name,
                    "serial": f"{one.serial_number:x}",
                    "not_before": one.not_before.isoformat(),
                    "not_after": one.not_after.isoformat(),
                    "key": one.key,
                    "signature": one.signature,
                }
            )
        return found
