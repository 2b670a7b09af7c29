"""Paths from a leaf to an anchor: all there are, whatever order the certificates came in; and where
there is none, how far it goes.

Only names and signatures count here; whether the certificates on the path may stand there is for ``verify``
to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from iso15118.pki.chain.parsed import Parsed, is_issued_by
from iso15118.pki.chain.violations import Violation, violation

__all__ = ["Dead", "Path", "find_paths"]

Path = tuple[tuple[int, ...], int]
"""Places in the given chain from the leaf up, and the place of the anchor."""
Dead = tuple[tuple[int, ...], Violation]
"""Places of a path that reaches no anchor, and what stopped it."""

_MAX_LENGTH = 5
"""Certificates below the anchor: a leaf, two Sub-CAs and a cross-certificate, or one more Sub-CA than
profiles allow, so that it can be called by its name; and one.
"""
_MAX_PATHS = 16
_MAX_SIGNATURES = 24
"""Signature checks for one chain, each of which takes half a millisecond with P-521. Honest chains need a
handful, and one for each of our roots of one name if nothing but the signature tells them apart."""


def find_paths(certificates: dict[int, Parsed], anchors: Sequence[Parsed]) -> tuple[list[Path], list[Dead]]:
    """All paths of certificate 0; if there is none, the longest of those that reach no anchor."""
    search = _Search(certificates, anchors)
    search.extend((0,))
    if search.paths:
        return search.paths, []
    longest = max(len(places) for places, _ in search.dead)
    return [], [one for one in search.dead if len(one[0]) == longest]


class _Search:
    """Depth first, with every signature checked once."""

    def __init__(self, certificates: dict[int, Parsed], anchors: Sequence[Parsed]) -> None:
        self.certificates = certificates
        self.anchors = anchors
        self.paths: list[Path] = []
        self.dead: list[Dead] = []
        self._signatures: dict[tuple[bytes, bytes], bool] = {}
        # A root sent along is no link of the chain: trust comes from our copy of it. A
        # certificate that was sent twice is one.
        known = {anchor.der for anchor in anchors}
        self._pool: list[int] = []
        for place, one in certificates.items():
            if place != 0 and one.der not in known:
                known.add(one.der)
                self._pool.append(place)

    def extend(self, path: tuple[int, ...]) -> None:
        child = self.certificates[path[-1]]
        issuer = child.issuer
        named_anchors = [n for n, anchor in enumerate(self.anchors) if anchor.subject == issuer]
        named = [n for n in self._pool if n not in path and self.certificates[n].subject == issuer]
        named_anchors.sort(key=lambda n: not _is_named_by_key(child, self.anchors[n]))
        named.sort(key=lambda n: not _is_named_by_key(child, self.certificates[n]))
        went_on = False
        for place in named_anchors:
            if len(self.paths) < _MAX_PATHS and self._signed(child, self.anchors[place]):
                self.paths.append((path, place))
                went_on = True
        if len(path) < _MAX_LENGTH:
            for place in named:
                if self._goes_on and self._signed(child, self.certificates[place]):
                    went_on = True
                    self.extend((*path, place))
        if not went_on and self._goes_on:
            self.dead.append((path, self._obstacle(path, bool(named), bool(named_anchors))))

    @property
    def _goes_on(self) -> bool:
        return len(self.paths) < _MAX_PATHS and len(self.dead) < _MAX_PATHS

    def _obstacle(self, path: tuple[int, ...], named: bool, named_anchors: bool) -> Violation:
        child = self.certificates[path[-1]]
        if named and len(path) >= _MAX_LENGTH:
            return violation("too-many-sub-cas", None, f"more than {_MAX_LENGTH - 1}")
        if named:
            return violation("signature", path[-1], f"by {child.issuer_name}")
        if named_anchors:
            return violation("root-mismatch", path[-1], child.issuer_name)
        return violation("issuer-unknown", path[-1], child.issuer_name)

    def _signed(self, child: Parsed, parent: Parsed) -> bool:
        pair = (child.der, parent.der)
        if pair not in self._signatures:
            if len(self._signatures) >= _MAX_SIGNATURES:
                return False
            self._signatures[pair] = is_issued_by(child, parent)
        return self._signatures[pair]


def _is_named_by_key(child: Parsed, parent: Parsed) -> bool:
    """The child says that this is the key which signed it: it is asked first, and proves it or not."""
    named = child.authority_key_identifier
    return named is not None and named == parent.subject_key_identifier
