"""A whole folder of certificates, keys and evidence: what each file is, and for every leaf the path to
a root there, with a verdict.

No private key is read beyond its first octets: a file is known for one by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509 import ocsp
from msgspec import Struct

from iso15118.errors import PkiError
from iso15118.pki.cases.make import ANCHOR_ROLES
from iso15118.pki.chain.parsed import Parsed, UnreadableError, is_issued_by, parse
from iso15118.pki.chain.profiles import load_profile
from iso15118.pki.chain.verify import verify_chain
from iso15118.pki.explain import guess_edition, guess_role
from iso15118.pki.keys.exchange import import_certificates
from iso15118.pki.status.revocation import Revocation

__all__ = ["FileSaid", "FolderSaid", "LeafSaid", "explain_folder", "lines_of", "read_folder"]

_MOST_FILES: Final = 5000
_MOST_OCTETS: Final = 1 << 20
_BEGINNING: Final = 64
_PEM: Final = b"-----BEGIN"
_KEY_SUFFIXES: Final = (".key",)
_LONGEST_CHAIN: Final = 10


class FileSaid(Struct, frozen=True, kw_only=True):
    """What one file is."""

    file: str
    """Relative to the folder."""
    kind: str
    """``certificate``, ``key``, ``PKCS#12``, ``revocation list``, ``OCSP response`` or ``other``."""
    text: str
    """In words."""


class LeafSaid(Struct, frozen=True, kw_only=True):
    """The verdict on one leaf, with what is in the folder."""

    file: str
    name: str
    role: str
    """What it is used as; empty if its name says nothing."""
    edition: str
    verdict: str
    """``good``, ``refused``, ``incomplete``: something above it is not here, or ``unused``:
    nothing for it to be used as."""
    path: tuple[str, ...]
    """From the root down, as far as it is there."""
    violations: tuple[str, ...] = ()


class FolderSaid(Struct, frozen=True, kw_only=True):
    """All that is to be said about a folder."""

    verdict: str
    """The worst of its leaves': ``refused``, ``incomplete`` or ``good``; ``empty`` without any."""
    files: tuple[FileSaid, ...]
    leaves: tuple[LeafSaid, ...]


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files in a folder and below it, by their names; of private keys only their beginning. Raises
    PkiError for more than 5,000 files, and OSError."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts) or not path.is_file():
            continue
        if len(found) >= _MOST_FILES:
            raise PkiError(f"{folder}: more than {_MOST_FILES} files")
        with path.open("rb") as file:
            data = file.read(_BEGINNING)
            if not _is_key(path.name, data):
                data += file.read(_MOST_OCTETS)
        found[inside.as_posix()] = data
    return found


def explain_folder(files: Mapping[str, bytes], *, at: datetime, edition: str | None = None) -> FolderSaid:
    """What ``files`` are, by name, and whether their chains hold at that time, by the rules of
    ``edition`` or by the kind of each key.

    Roots among them are taken as trusted; lists among them count, and nothing is demanded to be known. Raises
    ConfigError for an edition that there is not.
    """
    if edition is not None:
        load_profile(edition)
    said: list[FileSaid] = []
    certificates: dict[bytes, tuple[str, Parsed]] = {}
    lists: list[bytes] = []
    for name, data in files.items():
        kind, text, parsed = _file(name, data)
        said.append(FileSaid(file=name, kind=kind, text=text))
        for one in parsed:
            certificates.setdefault(one.der, (name, one))
        if kind == "revocation list":
            lists.append(data)
    known = [one for _, one in certificates.values()]
    leaves = tuple(
        _leaf(name, one, known, lists, at, edition) for name, one in certificates.values() if not one.ca
    )
    order = ("unused", "good", "incomplete", "refused")
    worst = max((one.verdict for one in leaves), key=order.index, default="empty")
    return FolderSaid(verdict="empty" if worst == "unused" else worst, files=tuple(said), leaves=leaves)


def _is_key(name: str, beginning: bytes) -> bool:
    return name.endswith(_KEY_SUFFIXES) or (_PEM in beginning and b"PRIVATE KEY-----" in beginning)


def _file(name: str, data: bytes) -> tuple[str, str, Sequence[Parsed]]:
    if _is_key(name, data[:_BEGINNING]):
        sealed = ", encrypted" if b"ENCRYPTED" in data else ""
        return "key", f"a private key{sealed}, which is not opened here", ()
    if name.lower().endswith((".p12", ".pfx")):
        return "PKCS#12", "a key with its certificates, which is not opened here", ()
    try:
        parsed = [parse(der) for der in import_certificates(data)]
    except (PkiError, UnreadableError):
        pass
    else:
        return "certificate", "; ".join(_described(one) for one in parsed), parsed
    try:
        listed = x509.load_der_x509_crl(data)
        return "revocation list", f"of {listed.issuer.rfc4514_string()}, {len(listed)} revoked", ()
    except (ValueError, TypeError):
        pass
    try:
        response = ocsp.load_der_ocsp_response(data)
        return "OCSP response", response.response_status.name.lower(), ()
    except (ValueError, TypeError):
        return "other", "neither a certificate, nor a key, nor evidence of revocation", ()


def _described(one: Parsed) -> str:
    kind = "root" if one.subject == one.issuer else "CA" if one.ca else "leaf"
    return f"{kind} {one.name}, {one.key}, until {one.not_after:%Y-%m-%d}"


def _leaf(
    file: str,
    leaf: Parsed,
    known: Sequence[Parsed],
    lists: Sequence[bytes],
    at: datetime,
    edition: str | None,
) -> LeafSaid:
    role, chosen = guess_role(leaf) or "", edition or guess_edition(leaf)
    chain = _above(leaf, known)
    top = chain[-1]
    whole = top.subject == top.issuer
    names = tuple(one.name for one in reversed(chain))
    responder = "OCSPSigning" in (leaf.extended_key_usage or ())
    if responder or role not in load_profile(chosen).roles:
        why = "an OCSP responder" if responder else f"nothing that {chosen} knows: its name (DC) says no role"
        return LeafSaid(
            file=file,
            name=leaf.name,
            role="",
            edition=chosen,
            verdict="unused",
            path=names,
            violations=(why,),
        )
    private = role == "secc" and whole and len(chain) == 2
    verdict = verify_chain(
        [one.der for one in chain if one.subject != one.issuer],
        role=role,
        anchors_der=[top.der] if whole else [],
        anchor_role="PE" if private else ANCHOR_ROLES[role],
        at=at,
        edition=chosen,
        environment="private" if private else "public",
        revocation=Revocation(crls=tuple(lists), required=False) if lists else None,
        tolerate=() if whole else ("issuer-unknown",),
    )
    wrong = [f"{one.code}: {one}" for one in verdict.violations]
    if not whole:
        wrong.append(f"missing: the certificate of {top.issuer_name}")
    return LeafSaid(
        file=file,
        name=leaf.name,
        role=role,
        edition=chosen,
        verdict="refused" if not verdict.ok else "good" if whole else "incomplete",
        path=names,
        violations=tuple(wrong),
    )


def _above(leaf: Parsed, known: Sequence[Parsed]) -> list[Parsed]:
    """The leaf and what is above it: at each step the one whose key signed, if
    there are several of the name."""
    chain = [leaf]
    while chain[-1].subject != chain[-1].issuer and len(chain) <= _LONGEST_CHAIN:
        below = chain[-1]
        above = [one for one in known if one.subject == below.issuer and one not in chain and one.ca]
        if not above:
            break
        # A root before a certificate that another root made for the same key.
        above.sort(key=lambda one: (not is_issued_by(below, one), one.subject != one.issuer))
        chain.append(above[0])
    return chain


def lines_of(said: FolderSaid) -> Iterator[str]:
    """The same for people."""
    for file in said.files:
        yield f"{file.file}: {file.kind}, {file.text}"
    for leaf in said.leaves:
        yield f"{leaf.verdict}: {leaf.file}, {leaf.name}" + (
            f", as {leaf.role} by the rules of {leaf.edition}" if leaf.role else ""
        )
        if leaf.verdict != "unused":
            yield "   path: " + ", which vouches for ".join(leaf.path)
        yield from (
            f"   {'wrong' if leaf.verdict == 'refused' else 'note'}: {one}" for one in leaf.violations
        )
    counts = {
        one: sum(leaf.verdict == one for leaf in said.leaves) for one in ("good", "refused", "incomplete")
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no chain to judge"
    yield f"verdict: {said.verdict}: {len(said.files)} files, {told}"
