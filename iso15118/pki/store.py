"""A directory of certificates and keys: whom we trust and for what, who we are, our contracts, and evidence.

::

    anchors/<purpose>/<name>.pem      roots: v2g, oem, mo, cps, pe (a private environment's)
    own/<name>/key.pem                the key of a chain of ours with the chain, leaf first, in one file
    contracts/<EMAID>/key.pem         the same of a contract; beside both a chain.pem for other tools
    crl/<name>.crl, ocsp/<name>.der   revocation lists, and OCSP responses by the SHA-256 of their certificate

Reading gives a value that never changes; reading again gives a new one, so that nothing has to restart. A
key.pem without certificates is taken with the chain.pem beside it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import ocsp

from iso15118.errors import ConfigError, PkiError
from iso15118.pki.build import PrivateKey
from iso15118.pki.credential import Credential
from iso15118.pki.identifiers import IDENTIFIERS, normal_emaid
from iso15118.pki.issue import load_key, pem
from iso15118.pki.parsed import UnreadableError, parse
from iso15118.pki.profiles import AnchorRole
from iso15118.pki.revocation import Revocation
from iso15118.pki.signer import SoftwareSigner, signer_of

__all__ = ["Contents", "Store"]

PURPOSES: dict[str, AnchorRole] = {"v2g": "V2G", "oem": "OEM", "mo": "MO", "cps": "CPS", "pe": "PE"}
_CERTIFICATE = b"-----BEGIN CERTIFICATE"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_MAX_OCTETS = 256 * 1024
_MAX_CRL_OCTETS = 4 * 1024 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What was in the store when it was read; keys are hidden in its repr."""

    anchors: MappingProxyType[AnchorRole, tuple[bytes, ...]]
    """Roots (DER) by the kind of root they are."""
    own: MappingProxyType[str, Credential]
    contracts: MappingProxyType[str, Credential]
    """By EMAID: 14 capitals and digits."""
    crls: tuple[bytes, ...]
    responses: MappingProxyType[str, bytes]
    """OCSP responses (DER) by the SHA-256 (hexadecimal) of the certificate."""
    state: tuple[tuple[str, int, int], ...]
    """Names, sizes and times of change of the files that were read."""

    def staples(self, chain: Sequence[bytes]) -> tuple[bytes | None, ...]:
        """The response for each certificate of a chain, as far as there is one."""
        return tuple(self.responses.get(hashlib.sha256(der).hexdigest()) for der in chain)

    def revocation(self, chain: Sequence[bytes], *, required: bool = True) -> Revocation:
        """What is known about a chain, for ``verify_chain`` and ``peer_verifier``."""
        return Revocation(staples=self.staples(chain), crls=self.crls, required=required)

    def signer(self, name: str) -> SoftwareSigner:
        """The signer of a chain of ours or, by its EMAID, of a contract. Raises ConfigError if there is none."""
        known = {**self.own, **self.contracts}
        if name not in known:
            raise ConfigError("name", f"{name!r} is not in the store", f"one of {', '.join(known) or 'none'}")
        return signer_of(known[name])


class Store:
    """The directory. ``passphrase``: what keys are encrypted with, all of them; None for none.

    Nothing is read until :meth:`read`. Every file is written whole or not at all.
    """

    def __init__(self, directory: Path, *, passphrase: bytes | None = None) -> None:
        self.directory = directory
        self._passphrase = passphrase
        self._last: Contents | None = None

    def __repr__(self) -> str:
        return f"Store({self.directory}, {'keys encrypted' if self._passphrase else 'keys not encrypted'})"

    def read(self) -> Contents:
        """Everything there is now. Raises PkiError for a file that is unreadable, a key that others may read, and
        anything that others may write or own: whoever changes an anchor decides whom we trust.
        """
        try:
            contents = self._read()
        except OSError as error:
            raise PkiError(f"certificate store {self.directory}: {error}") from error
        self._last = contents
        return contents

    def refreshed(self) -> Contents:
        """What :meth:`read` gave last, read again if any file was changed since.

        Raises as :meth:`read`; the caller then still has the contents that it uses.
        """
        try:
            if self._last is not None and self._last.state == self._state():
                return self._last
        except OSError as error:
            raise PkiError(f"certificate store {self.directory}: {error}") from error
        return self.read()

    def add_anchor(self, purpose: str, name: str, der: bytes) -> None:
        """Trust a root for a purpose (``v2g``, ``oem``, ``mo``, ``cps``, ``pe``).

        Raises ConfigError for another purpose, PkiError for what is no self-signed CA certificate: trust in
        anything else is a mistake.
        """
        _purpose(purpose)
        try:
            one = parse(der)
        except UnreadableError as error:
            raise PkiError(f"trust anchor {name}: {error}") from error
        if one.subject != one.issuer or not one.ca:
            raise PkiError(f"trust anchor {name}: {one.name} is no root")
        self._write(self._path("anchors", purpose, f"{_checked(name)}.pem"), pem(der).encode())

    def add_own(self, name: str, credential: Credential) -> None:
        """Keep a chain of ours with its key. Raises PkiError if they do not belong together."""
        self._add(self._path("own", _checked(name)), credential)

    def add_contract(self, credential: Credential) -> str:
        """Keep a contract; returns its EMAID, by which it replaces an older one. Raises as :meth:`add_own`."""
        try:
            names = parse(credential.chain[0]).common_names
        except (IndexError, UnreadableError) as error:
            raise PkiError(f"contract: {error}") from error
        if len(names) != 1 or not IDENTIFIERS["EMAID"](names[0], "any"):
            raise PkiError(
                f"contract: its name {' '.join(names)[:80]!r} is no EMAID; a chain of our own needs a name"
            )
        emaid = normal_emaid(names[0])
        self._add(self._path("contracts", _checked(emaid)), credential)
        return emaid

    def remove_contract(self, emaid: str) -> None:
        """Forget a contract and its key. Raises PkiError if there is none."""
        self._remove(self._path("contracts", _checked(normal_emaid(emaid))), f"no contract {emaid!r}")

    def remove_own(self, name: str) -> None:
        """Forget a chain of ours and its key. Raises PkiError if there is none."""
        self._remove(self._path("own", _checked(name)), f"no chain {name!r}")

    def remove_anchor(self, purpose: str, name: str) -> None:
        """Trust a root no more. Raises ConfigError for another purpose, PkiError if there is none."""
        path = self._path("anchors", _purpose(purpose), f"{_checked(name)}.pem")
        try:
            path.unlink()
        except OSError as error:
            raise PkiError(f"no anchor {name!r} for {purpose}: {error}") from error

    def prune(self, at: datetime) -> int:
        """Delete OCSP responses and lists that are past their next update; returns how many. Unreadable ones stay."""
        count = 0
        for path in (*self._files("ocsp"), *self._files("crl")):
            until = _next_update(_bounded(path, _MAX_CRL_OCTETS), crl=path.suffix == ".crl")
            if until is not None and until < at:
                path.unlink(missing_ok=True)
                count += 1
        return count

    def add_crl(self, name: str, der: bytes) -> None:
        """Keep a revocation list; it is judged when it is used."""
        self._write(self._path("crl", f"{_checked(name)}.crl"), der)

    def add_response(self, certificate_der: bytes, der: bytes) -> None:
        """Keep the OCSP response of a certificate; it is judged when it is used."""
        self._write(self._path("ocsp", f"{hashlib.sha256(certificate_der).hexdigest()}.der"), der)

    def _path(self, *parts: str) -> Path:
        return self.directory.joinpath(*parts)

    def _add(self, folder: Path, credential: Credential) -> None:
        key = load_key(_decrypted(credential.key, credential.passphrase))
        _match(credential.chain, key)
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if self._passphrase is not None:
            encryption = serialization.BestAvailableEncryption(self._passphrase)
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        chain = "".join(pem(der) for der in credential.chain).encode()
        # Key and chain in one file, so that no crash leaves a key with another one's certificates.
        self._write(folder / "key.pem", text + chain)
        self._write(folder / "chain.pem", chain)

    def _remove(self, folder: Path, otherwise: str) -> None:
        try:
            (folder / "key.pem").unlink()  # the key first: a chain alone is nothing
            (folder / "chain.pem").unlink(missing_ok=True)
            folder.rmdir()
        except OSError as error:
            raise PkiError(f"{otherwise}: {error}") from error

    def _write(self, path: Path, data: bytes) -> None:
        """Whole or not at all: a new file in the same folder takes the old one's name when it is complete."""
        try:
            self._make(path.parent)
            handle, temporary = tempfile.mkstemp(
                dir=path.parent, prefix=".new-"
            )  # readable by the owner only
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise PkiError(f"certificate store: {path}: {error}") from error

    def _make(self, folder: Path) -> None:
        """The folder and what is missing above it, each for the owner only, whatever the umask."""
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir(mode=0o700, exist_ok=True)

    def _files(self, *parts: str) -> list[Path]:
        folder = self._path(*parts)
        return sorted(one for one in folder.rglob("*") if one.is_file() and not one.name.startswith("."))

    def _state(self) -> tuple[tuple[str, int, int], ...]:
        found = []
        for path in self._files():
            told = path.stat()
            found.append((str(path.relative_to(self.directory)), told.st_size, told.st_mtime_ns))
        return tuple(found)

    def _read(self) -> Contents:
        state = self._state()  # before the files: what changes meanwhile is read again next time
        self._check_writers()
        return Contents(
            anchors=MappingProxyType(
                {
                    kind: tuple(
                        der for path in self._files("anchors", purpose) for der in _certificates(path)
                    )
                    for purpose, kind in PURPOSES.items()
                }
            ),
            own=self._credentials("own"),
            contracts=self._credentials("contracts"),
            crls=tuple(_bounded(path, _MAX_CRL_OCTETS) for path in self._files("crl")),
            responses=MappingProxyType(
                {path.stem: _bounded(path, _MAX_OCTETS) for path in self._files("ocsp")}
            ),
            state=state,
        )

    def _check_writers(self) -> None:
        """Refuses what somebody else owns or may write, the folders included."""
        if not self.directory.exists():
            return
        for path in (self.directory, *self.directory.rglob("*")):
            # Hidden files are not read; what is in a hidden folder is.
            if path.name.startswith(".") and not path.is_dir():
                continue
            told = path.stat()
            if told.st_mode & _OTHERS_WRITE:
                raise PkiError(f"{path} may be written by others; chmod go-w mends it")
            if told.st_uid not in (0, os.geteuid()):
                raise PkiError(f"{path} belongs to another user ({told.st_uid}); chown mends it")

    def _credentials(self, kind: str) -> MappingProxyType[str, Credential]:
        found = {}
        for path in self._files(kind):
            if path.name == "key.pem":
                found[path.parent.name] = self._credential(path.parent)
        return MappingProxyType(found)

    def _credential(self, folder: Path) -> Credential:
        file = folder / "key.pem"
        if file.stat().st_mode & _OTHERS:
            raise PkiError(f"{file} may be read by others; chmod 600 mends it")
        text = _bounded(file, _MAX_OCTETS)
        try:
            key = load_key(_decrypted(text, self._passphrase))
            chain = tuple(_certificates(file if _CERTIFICATE in text else folder / "chain.pem"))
            _match(chain, key)
        except PkiError as error:
            raise PkiError(f"{file}: {error}") from error
        pkcs8 = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Credential(chain=chain, key=pkcs8)


def _purpose(purpose: str) -> str:
    if purpose not in PURPOSES:
        raise ConfigError("purpose", f"{purpose!r} is none", f"one of {', '.join(PURPOSES)}")
    return purpose


def _next_update(data: bytes, *, crl: bool) -> datetime | None:
    try:
        if crl:
            return x509.load_der_x509_crl(data).next_update_utc
        return ocsp.load_der_ocsp_response(data).next_update_utc
    except (ValueError, TypeError):
        return None


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ConfigError("name", f"{name[:80]!r} is no name for a file", "letters, digits, . _ and -")
    return name


def _bounded(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise PkiError(f"{path}: more than {limit} octets")
    return data


def _certificates(path: Path) -> Iterable[bytes]:
    data = _bounded(path, _MAX_OCTETS)
    try:
        ders = [one.public_bytes(serialization.Encoding.DER) for one in x509.load_pem_x509_certificates(data)]
        for der in ders:
            parse(der)
    except (ValueError, TypeError, UnreadableError) as error:
        raise PkiError(f"{path}: {error}") from error
    return ders


def _decrypted(data: bytes, passphrase: bytes | None) -> bytes:
    """PKCS#8 without encryption. Raises PkiError if the passphrase is missing, superfluous or wrong."""
    try:
        if data.startswith(b"-----BEGIN"):
            key = serialization.load_pem_private_key(data, passphrase)
        else:
            key = serialization.load_der_private_key(data, passphrase)
    except TypeError as error:
        hint = "give the passphrase" if passphrase is None else "it is not encrypted: give no passphrase"
        raise PkiError(f"private key: {error} ({hint})") from error
    except ValueError as error:
        raise PkiError(f"private key: {error}") from error
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _match(chain: Sequence[bytes], key: PrivateKey) -> None:
    if not chain:
        raise PkiError("a chain without certificates")
    try:
        public = x509.load_der_x509_certificate(chain[0]).public_key()
    except (ValueError, TypeError) as error:
        raise PkiError(f"certificate: {error}") from error
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != key.public_key().public_bytes(*form):
        raise PkiError("the key is not the one of the certificate")
