"""Paths from a leaf to an anchor: all there are, whatever order the certificates came in, and why there is
none.

Only names and signatures count here; whether the certificates on the path may stand there is for ``verify``
to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from iso15118.pki.parsed import Parsed, is_issued_by
from iso15118.pki.violations import Violation, violation

__all__ = ["Path", "find_paths"]

Path = tuple[tuple[int, ...], int]
"""Places in the given chain from the leaf up, and the place of the anchor."""

_MAX_LENGTH = 5
"""Certificates below the anchor: a leaf, two Sub-CAs and a cross-certificate, or one more Sub-CA than profiles
allow, so that it can be called by its name; and one.
"""
_MAX_PATHS = 16
_MAX_SIGNATURES = 64
"""Signature checks for one chain; honest chains need a handful."""


def find_paths(
    certificates: dict[int, Parsed], anchors: Sequence[Parsed]
) -> tuple[list[Path], list[Violation]]:
    """All paths of certificate 0; if there is none, what stopped the longest attempt."""
    search = _Search(certificates, anchors)
    search.extend((0,))
    return search.paths, [] if search.paths else [search.obstacle]


class _Search:
    """Depth first, with every signature checked once."""

    def __init__(self, certificates: dict[int, Parsed], anchors: Sequence[Parsed]) -> None:
        self.certificates = certificates
        self.anchors = anchors
        self.paths: list[Path] = []
        self.obstacle = violation("issuer-unknown", 0)
        self._deepest = 0
        self._signatures: dict[tuple[bytes, bytes], bool] = {}
        known = {anchor.der for anchor in anchors}
        # A root sent along is no link of the chain: trust comes from our copy of it.
        self._pool = [place for place, one in certificates.items() if place != 0 and one.der not in known]

    def extend(self, path: tuple[int, ...]) -> None:
        child = self.certificates[path[-1]]
        issuer = child.issuer
        named_anchors = [n for n, anchor in enumerate(self.anchors) if anchor.subject == issuer]
        named = [n for n in self._pool if n not in path and self.certificates[n].subject == issuer]
        went_on = False
        for place in named_anchors:
            if len(self.paths) < _MAX_PATHS and self._signed(child, self.anchors[place]):
                self.paths.append((path, place))
                went_on = True
        if len(path) < _MAX_LENGTH:
            for place in named:
                if len(self.paths) < _MAX_PATHS and self._signed(child, self.certificates[place]):
                    went_on = True
                    self.extend((*path, place))
        if not went_on and len(path) > self._deepest:
            self._deepest = len(path)
            if named:
                self.obstacle = violation("signature", path[-1], f"by {child.issuer_name}")
            elif named_anchors:
                self.obstacle = violation("root-mismatch", path[-1], child.issuer_name)
            else:
                self.obstacle = violation("issuer-unknown", path[-1], child.issuer_name)

    def _signed(self, child: Parsed, parent: Parsed) -> bool:
        pair = (child.der, parent.der)
        if pair not in self._signatures:
            if len(self._signatures) >= _MAX_SIGNATURES:
                return False
            self._signatures[pair] = is_issued_by(child, parent)
        return self._signatures[pair]
