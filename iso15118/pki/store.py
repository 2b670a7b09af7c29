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
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509 import ocsp

from iso15118.errors import ConfigError, PkiError
from iso15118.files import locked, make_folder, remove_whole, sweep, write_whole
from iso15118.pki.chain.identifiers import normal_emaid
from iso15118.pki.chain.parsed import UnreadableError, parse
from iso15118.pki.contents import PURPOSES, Contents, Problem
from iso15118.pki.issuing.issue import key_der, key_pem, load_key, pem
from iso15118.pki.keys.credential import Credential
from iso15118.pki.keys.protect import Passphrase, checked_passphrase, encrypted_key, opened_key, protection_of
from iso15118.pki.store_files import (
    MAX_CRL_OCTETS,
    MAX_OCTETS,
    OF_ISO2,
    bounded,
    certificates,
    check_root,
    contract_folder,
    contract_name,
    match,
    split_key,
)
from iso15118.pki.store_reading import Known, leftovers, read_contents, state_of

__all__ = ["PURPOSES", "Contents", "Problem", "Store"]

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


class Store:
    """The directory. ``passphrase``: what keys are encrypted with, all of them, or a callable that is asked
    for it once, when the first one is met; None for none.

    Nothing is read until :meth:`read`. Every change happens whole or not at all, also when the process is
    killed. Raises ConfigError for an empty passphrase.
    """

    def __init__(self, directory: Path, *, passphrase: Passphrase | None = None) -> None:
        self.directory = directory
        self._passphrase = passphrase if callable(passphrase) else checked_passphrase(passphrase)
        self._last: Contents | None = None
        self._known: Known = {}
        self._all_strong = False

    def __repr__(self) -> str:
        return f"Store({self.directory}, {'keys encrypted' if self._passphrase else 'keys not encrypted'})"

    def read(self, *, keys: bool = True) -> Contents:
        """Everything there is now, or without ``keys`` the anchors and the evidence only, for those who need
        no passphrase.

        A file that is unreadable, out of place, or may be written by others, and a key that others may read,
        are not used: ``problems`` names them, and the log. Raises PkiError if others may write the directory
        itself (whoever changes an anchor decides whom we trust), and if there are encrypted keys and the
        passphrase opens none of them.
        """
        try:
            if self.directory.exists() and leftovers(self.directory):
                with suppress(OSError), locked(self.directory, wait_s=0.0):
                    sweep(self.directory)
            # Of its own: a driver reads in a thread what it wrote there, and a session may read meanwhile.
            known = dict(self._known) if keys else {}
            contents = read_contents(self.directory, self._secret, known, keys=keys)
        except OSError as error:
            raise PkiError(f"certificate store {self.directory}: {error}") from error
        before = self._last
        for one in contents.problems:
            if before is None or one not in before.problems:
                _log.warning("certificate store: not used: %s", one)
        for one in contents.warnings:
            if before is None or one not in before.warnings:
                _log.warning("certificate store: %s", one)
        if keys:
            self._last, self._known = contents, known
        return contents

    def refreshed(self) -> Contents:
        """What :meth:`read` gave last, read again if any file was changed since.

        Raises as :meth:`read`; the caller then still has the contents that it uses. Raises ``PkiError``
        if the store cannot be used.
        """
        try:
            if self._last is not None and self._last.state == state_of(self.directory):
                return self._last
        except OSError as error:
            raise PkiError(f"certificate store {self.directory}: {error}") from error
        return self.read()

    def add_anchor(self, purpose: str, name: str, der: bytes) -> None:
        """Trust a root for a purpose (``v2g``, ``oem``, ``mo``, ``cps``, ``pe``).

        Raises ConfigError for another purpose, PkiError for what is no self-signed CA certificate: trust in
        anything else is a mistake.
        """
        path = self._path("anchors", _purpose(purpose), f"{_checked(name)}.pem")
        try:
            check_root(der)
        except PkiError as error:
            raise PkiError(f"trust anchor {name}: {error}") from error
        with self._at_work():
            self._write(path, pem(der).encode())

    def add_own(self, name: str, credential: Credential) -> None:
        """Keep a chain of ours with its key. Raises PkiError if they do not belong together."""
        folder = self._path("own", _checked(name))
        files = self._files_of(credential)
        with self._at_work():
            self._add(folder, files)

    def add_contract(self, credential: Credential) -> str:
        """Keep a contract; returns its EMAID, by which it replaces an older one of the same edition: a
        contract of ISO 15118-2 and one of ISO 15118-20 may have the same EMAID. Raises as :meth:`add_own`,
        and PkiError if the one that is there is newer: who wants the older one removes that first.
        """
        emaid = contract_name(credential.chain)
        folder = self._path("contracts", _checked(contract_folder(credential.chain)))
        files = self._files_of(credential)
        with self._at_work():
            _check_newer(credential.chain[0], folder, emaid)
            self._add(folder, files)
        return emaid

    def remove_contract(self, emaid: str) -> None:
        """Forget a contract and its key: what there is of this EMAID, or that of ISO 15118-2 alone, by the
        name that ``Contents.contracts`` has for it. Raises PkiError if there is none."""
        name = emaid.removesuffix(OF_ISO2)
        wanted = [_checked(normal_emaid(name)) + OF_ISO2]
        if name == emaid:
            wanted.insert(0, _checked(normal_emaid(name)))
        folders = [self._path("contracts", one) for one in wanted]
        there = [one for one in folders if one.exists()]
        for folder in there or folders[:1]:
            self._remove(folder, f"no contract {emaid!r}")

    def remove_own(self, name: str) -> None:
        """Forget a chain of ours and its key. Raises PkiError if there is none."""
        self._remove(self._path("own", _checked(name)), f"no chain {name!r}")

    def remove_anchor(self, purpose: str, name: str) -> None:
        """Trust a root no more. Raises ConfigError for another purpose, PkiError if there is none."""
        path = self._path("anchors", _purpose(purpose), f"{_checked(name)}.pem")
        self._remove(path, f"no anchor {name!r} for {purpose}")

    def prune(self, at: datetime) -> int:
        """Delete OCSP responses and lists that are past their next update; returns how many. Unreadable ones
        stay.
        """
        count = 0
        with self._at_work():
            for kind in ("ocsp", "crl"):
                for path in self._path(kind).glob("[!.]*"):
                    with suppress(OSError, PkiError):
                        until = _next_update(bounded(path, MAX_CRL_OCTETS), crl=kind == "crl")
                        if until is not None and until < at:
                            path.unlink(missing_ok=True)
                            count += 1
        return count

    def add_crl(self, name: str, der: bytes) -> None:
        """Keep a revocation list; it is judged when it is used."""
        path = self._path("crl", f"{_checked(name)}.crl")
        with self._at_work():
            self._write(path, der)

    def add_response(self, certificate_der: bytes, der: bytes) -> None:
        """Keep the OCSP response of a certificate; it is judged when it is used."""
        path = self._path("ocsp", f"{hashlib.sha256(certificate_der).hexdigest()}.der")
        with self._at_work():
            self._write(path, der)

    def _path(self, *parts: str) -> Path:
        return self.directory.joinpath(*parts)

    def _secret(self) -> bytes | None:
        if callable(self._passphrase):
            self._passphrase = checked_passphrase(self._passphrase)
        return self._passphrase

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Alone in the directory, with what an earlier process left undone put in order. Raises PkiError for
        what the system refuses.
        """
        try:
            make_folder(self.directory)
            with locked(self.directory):
                sweep(self.directory)
                self._mend()
                yield
        except BlockingIOError as error:
            raise PkiError(
                f"certificate store {self.directory}: another process is writing into it"
            ) from error
        except OSError as error:
            raise PkiError(f"certificate store: {error.filename or self.directory}: {error}") from error

    def _files_of(self, credential: Credential) -> dict[str, bytes]:
        """Key and chain in one file, so that no crash leaves a key with another one's certificates; the chain
        again for other tools.
        """
        key = load_key(opened_key(credential.key, credential.passphrase))
        match(credential.chain, key)
        secret = self._secret()
        chain = "".join(pem(der) for der in credential.chain).encode()
        text = key_pem(key_der(key)) if secret is None else encrypted_key(key, secret)
        return {"key.pem": text + chain, "chain.pem": chain}

    def _add(self, folder: Path, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            self._write(folder / name, data)

    def _remove(self, path: Path, otherwise: str) -> None:
        with self._at_work():
            try:
                remove_whole(path)
            except FileNotFoundError as error:
                raise PkiError(f"{otherwise}: {error}") from error

    def _write(self, path: Path, data: bytes) -> None:
        for folder in path.relative_to(self.directory).parents:
            if (self.directory / folder).is_symlink() and folder.name:
                raise PkiError(
                    f"certificate store: {self.directory / folder} is a link, which is not followed"
                )
        make_folder(path.parent)
        write_whole(path, data)

    def _mend(self) -> None:
        """Chains for other tools that a killed process did not come to, keys that were encrypted at
        yesterday's cost, and contracts of ISO 15118-2 in folders as older releases named them.
        """
        for old in self._path("contracts").glob("[!.]*"):
            with suppress(PkiError, OSError):
                wanted = contract_folder(_chain_in(old))
                if old.name == wanted.removesuffix(OF_ISO2) != wanted and not old.with_name(wanted).exists():
                    old.rename(old.with_name(wanted))
                    _log.info("certificate store: the contract in %s is in %s now", old, wanted)
        for file in (
            *self._path("own").glob("[!.]*/key.pem"),
            *self._path("contracts").glob("[!.]*/key.pem"),
        ):
            chain = file.with_name("chain.pem")
            with suppress(PkiError, OSError):
                key, certificates_ = split_key(bounded(file, MAX_OCTETS))
                if certificates_ and (not chain.exists() or bounded(chain, MAX_OCTETS) != certificates_):
                    write_whole(chain, certificates_)
                secret = None if self._all_strong else self._secret()
                if secret is not None and protection_of(key) != "strong":
                    anew = encrypted_key(load_key(opened_key(key, secret)), secret)
                    write_whole(file, anew + certificates_)
                    _log.info("certificate store: %s is encrypted anew", file)
        self._all_strong = True  # what is written from now on is


def _check_newer(leaf: bytes, folder: Path, emaid: str) -> None:
    """Raises PkiError if the contract in the folder is newer, by the beginning of its validity and then its
    end.
    """
    try:
        there = parse(next(iter(_chain_in(folder))))
        new = parse(leaf)
    except (StopIteration, OSError, PkiError, UnreadableError):
        return  # what cannot be read is no contract
    if (new.not_before, new.not_after) < (there.not_before, there.not_after):
        raise PkiError(
            f"contract {emaid}: the store has a newer one, valid from {there.not_before:%Y-%m-%d}; remove it first"
        )


def _chain_in(folder: Path) -> list[bytes]:
    if not (folder / "key.pem").exists():
        return []
    return certificates(folder / "key.pem") or certificates(folder / "chain.pem")


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
