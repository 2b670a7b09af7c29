"""A negative case as a folder: the complete PKI, what is sent, what is trusted, and what a receiver must say.

``chain/`` has what is sent, by its order (DER as it is, bad bytes among it), ``anchors/`` what is trusted,
``ocsp/`` and ``crl/`` the evidence on revocation, ``case.json`` all the rest.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from iso15118.pki.cases import Variant, response_code
from iso15118.pki.cases.make import Broken, judge, make
from iso15118.pki.issue import issue_test_pki

__all__ = ["write_case"]


def write_case(variant: Variant, directory: Path, *, at: datetime) -> dict[str, Any]:
    """Make the case and write it; returns what ``case.json`` says."""
    case, expect = variant.case, variant.case.expect
    if case.is_chain:
        broken = make(variant, at=at, whole=True)
        pki = broken.pki
    else:
        broken = None
        pki = issue_test_pki(variant.edition, variant.algorithm, at=at, responders=True)
    pki.write(directory)
    told: dict[str, Any] = {
        "case": case.name,
        "about": case.about,
        "area": case.area,
        "matrix": case.matrix,
        "role": variant.role,
        "edition": variant.edition,
        "algorithm": variant.algorithm,
        "expected": {
            "accepted": not expect.codes,
            "codes": list(expect.codes),
            "certificate": expect.place,
            "alert": expect.alert if variant.role in ("secc", "vehicle") else None,
            "response_code": response_code(expect.response, variant.edition) if expect.response else None,
        },
    }
    if broken is not None:
        told |= _chain(broken, directory)
    else:
        told |= {"edit": case.edit, "client": case.client, "server": case.server}
    (directory / "case.json").write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    return told


def _chain(broken: Broken, directory: Path) -> dict[str, Any]:
    sent = _write(directory / "chain", broken.chain)
    anchors = _write(directory / "anchors", broken.anchors)
    staples: list[str | None] = []
    lists: list[str] = []
    if broken.revocation is not None:
        for place, staple in enumerate(broken.revocation.staples):
            staples.append(None if staple is None else _write(directory / "ocsp", [staple], place)[0])
        lists = _write(directory / "crl", broken.revocation.crls)
    return {
        "chain": sent,
        "key": f"{broken.places['leaf']}.key",
        "anchors": anchors,
        "anchor_role": broken.anchor_role,
        "policy": broken.variant.case.policy or broken.variant.edition,
        "clock": broken.at.isoformat() if broken.at is not None else None,
        "ocsp": staples,
        "crl": lists,
        "verdict": [str(one) for one in judge(broken).violations],
    }


def _write(folder: Path, files: tuple[bytes, ...] | list[bytes], first: int = 0) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for place, data in enumerate(files, first):
        (folder / f"{place}.der").write_bytes(data)
        names.append(f"{folder.name}/{place}.der")
    return names
