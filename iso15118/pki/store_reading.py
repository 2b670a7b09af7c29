"""A certificate store read file by file: one that is bad costs itself, is named with the reason, and nothing
else.

Only what its owner alone may write is believed, and only keys that nobody else may read are used.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import msgspec

from iso15118.errors import PkiError
from iso15118.files import GONE, NEW, not_private
from iso15118.pki.contents import PURPOSES, Contents, Problem, State
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.keys.credential import Credential
from iso15118.pki.keys.protect import PassphraseError, Protection, opened_key, protection_of
from iso15118.pki.store_files import (
    CERTIFICATE,
    MAX_CRL_OCTETS,
    MAX_OCTETS,
    OF_ISO2,
    bounded,
    certificates,
    check_root,
    contract_folder,
    contract_name,
    crl_der,
    match,
    ocsp_der,
)

__all__ = ["Known", "leftovers", "read_contents", "state_of"]

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_KEY_DEPTH: Final = 3
"""``own/<name>/key.pem``"""

Known: TypeAlias = dict[State, tuple[Credential, Protection]]
"""Keys that were opened already, by the state of their files: opening one is made costly."""

_WAYS = (
    "--store-passphrase-file or ISO15118_STORE_PASSPHRASE for `iso15118 pki`, contracts.passphrase_file for contracts of "
    "`iso15118 evcc`, tls.key_password_file or ISO15118_KEY_PASSWORD for tls.store, "
    "Store(..., passphrase=...) in a program"
)
"""How the passphrase of a store is given."""


class _Entry(NamedTuple):
    path: Path
    parts: tuple[str, ...]
    told: os.stat_result

    @property
    def state(self) -> tuple[str, int, int, int, int]:
        told = self.told
        size = 0 if stat.S_ISDIR(told.st_mode) else told.st_size
        when = 0 if stat.S_ISDIR(told.st_mode) else told.st_mtime_ns
        return "/".join(self.parts), size, when, told.st_ino, told.st_mode


def state_of(directory: Path) -> State:
    """What would be looked at, without opening any file. Raises OSError."""
    return tuple(one.state for one in _listed(directory, []))


def leftovers(directory: Path) -> bool:
    """True if a process was killed while it wrote here. Raises OSError."""
    for _, folders, names in os.walk(directory):
        if any(name.startswith((NEW, GONE)) for name in (*names, *folders)):
            return True
        folders[:] = [name for name in folders if not name.startswith(".")]
    return False


def read_contents(
    directory: Path, passphrase: Callable[[], bytes | None], known: Known, *, keys: bool
) -> Contents:
    """Everything there is. ``known``: what was opened before, brought up to date. Raises PkiError and
    OSError.
    """
    return _Reader(directory, passphrase, known, keys).read()


class _Reader:
    def __init__(
        self, directory: Path, passphrase: Callable[[], bytes | None], known: Known, keys: bool
    ) -> None:
        self._directory = directory
        self._passphrase = passphrase
        self._known = known
        self._still_known: Known = {}
        self._keys = keys
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._sealed: list[Path] = []
        """Keys that the passphrase does not open."""
        self._opened = 0

    def read(self) -> Contents:
        if self._directory.exists() and (why := _not_ours(self._directory.stat(), self._directory)):
            raise PkiError(f"certificate store {self._directory}: {why}")
        unreadable: list[Problem] = []
        listing = _listed(self._directory, unreadable)
        self._problems += unreadable
        files = {one.parts: one for one in self._believed(listing)}
        contents = Contents(
            anchors=MappingProxyType({kind: self._anchors(files, name) for name, kind in PURPOSES.items()}),
            own=MappingProxyType(dict(self._credentials(files, "own")) if self._keys else {}),
            contracts=MappingProxyType(self._contracts(files) if self._keys else {}),
            crls=tuple(der for _, der in self._evidence(files, "crl", MAX_CRL_OCTETS)),
            responses=MappingProxyType(dict(self._evidence(files, "ocsp", MAX_OCTETS))),
            state=tuple(one.state for one in listing),
        )
        if self._sealed and not self._opened:
            first, more = self._sealed[0], len(self._sealed) - 1
            hint = "is wrong" if self._passphrase() is not None else f"is needed: {_WAYS}"
            also = f" and {more} more" if more else ""
            raise PassphraseError(
                f"certificate store: private key {first}{also} is encrypted, and the passphrase {hint}"
            )
        self._known.clear()
        self._known.update(self._still_known)
        return msgspec.structs.replace(
            contents, problems=tuple(self._problems), warnings=tuple(self._warnings)
        )

    def _believed(self, listing: Sequence[_Entry]) -> Iterator[_Entry]:
        """The files that only we can have written; of a folder that others may write, none."""
        refused: set[tuple[str, ...]] = set()
        for one in listing:
            if any(one.parts[:depth] in refused for depth in range(1, len(one.parts))):
                continue
            why = _not_ours(one.told, one.path)
            if why:
                refused.add(one.parts)
                self._problems.append(Problem(path=one.path, reason=why))
            elif stat.S_ISDIR(one.told.st_mode):
                if one.path.is_symlink():
                    why = "it is a link to a folder, which is not followed; put the folder itself there"
                    self._problems.append(Problem(path=one.path, reason=why))
            elif stat.S_ISREG(one.told.st_mode):
                yield one
            else:
                self._problems.append(Problem(path=one.path, reason="it is no ordinary file"))

    def _anchors(self, files: dict[tuple[str, ...], _Entry], purpose: str) -> tuple[bytes, ...]:
        found: list[bytes] = []
        for parts, one in files.items():
            if parts[:1] == ("anchors",) and len(parts) > 1 and parts[1] == purpose:
                with self._costs(one.path):
                    ders = certificates(one.path)
                    for der in ders:
                        check_root(der)
                    found += ders
            elif purpose == "v2g" and parts[:1] == ("anchors",) and parts[1:2] and parts[1] not in PURPOSES:
                why = f"it is trusted for nothing: a root is in anchors/ and one of {', '.join(PURPOSES)}"
                self._problems.append(Problem(path=one.path, reason=why))
        return tuple(found)

    def _contracts(self, files: dict[tuple[str, ...], _Entry]) -> dict[str, Credential]:
        """By EMAID; where there are two of one, that of ISO 15118-2 has the name of its folder."""
        found = dict(self._credentials(files, "contracts"))
        return {
            name.removesuffix(OF_ISO2) if name.removesuffix(OF_ISO2) not in found else name: one
            for name, one in found.items()
        }

    def _credentials(
        self, files: dict[tuple[str, ...], _Entry], kind: str
    ) -> Iterator[tuple[str, Credential]]:
        for parts, one in files.items():
            if len(parts) == _KEY_DEPTH and parts[0] == kind and parts[2] == "key.pem":
                with self._costs(one.path):
                    found = self._credential(one, files.get((*parts[:2], "chain.pem")))
                    if kind == "contracts" and parts[1] not in (
                        contract_folder(found.chain),
                        name := contract_name(found.chain),  # as older releases named it
                    ):
                        raise PkiError(f"it is the contract {name}, in the folder of another one")
                    yield parts[1], found

    def _credential(self, key: _Entry, chain: _Entry | None) -> Credential:
        if why := not_private(key.told, key.path):
            raise PkiError(why)
        state = (key.state, *(() if chain is None else (chain.state,)))
        if state not in self._known:
            text = bounded(key.path, MAX_OCTETS)
            protection = protection_of(text)
            try:
                pkcs8 = opened_key(text, self._passphrase() if protection != "none" else None)
            except PassphraseError:
                self._sealed.append(key.path)
                raise
            if CERTIFICATE in text:
                ders = certificates(key.path)
            elif chain is not None:
                ders = certificates(chain.path)
            else:
                raise PkiError("a key without certificates")
            match(ders, load_key(pkcs8))
            self._known[state] = Credential(chain=tuple(ders), key=pkcs8), protection
        found, protection = self._still_known[state] = self._known[state]
        if protection != "none":
            self._opened += 1
        if protection == "weak" or (protection == "none" and self._passphrase() is not None):
            what = (
                "is not encrypted" if protection == "none" else "is encrypted in a way that is easily guessed"
            )
            why = f"the key {what}; the next time that the store is written it is encrypted anew"
            self._warnings.append(Problem(path=key.path, reason=why))
        return found

    def _evidence(
        self, files: dict[tuple[str, ...], _Entry], kind: str, limit: int
    ) -> Iterator[tuple[str, bytes]]:
        for parts, one in files.items():
            if parts[0] == kind:
                with self._costs(one.path):
                    data = bounded(one.path, limit)
                    yield one.path.stem, crl_der(data) if kind == "crl" else ocsp_der(data)

    def _costs(self, path: Path) -> _Costs:
        return _Costs(self._problems, path)


class _Costs:
    """What goes wrong within costs this file, and is written down."""

    def __init__(self, problems: list[Problem], path: Path) -> None:
        self._problems, self._path = problems, path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, PkiError):
            self._problems.append(Problem(path=self._path, reason=str(error)))
            return True
        if isinstance(error, OSError):
            self._problems.append(Problem(path=self._path, reason=error.strerror or str(error)))
            return True
        return False


def _listed(directory: Path, problems: list[Problem]) -> list[_Entry]:
    """Folders and files, sorted, without hidden ones and what is in them."""
    found: list[_Entry] = []

    def failed(error: OSError) -> None:
        problems.append(Problem(path=Path(error.filename), reason=error.strerror or str(error)))

    if not directory.exists():
        return found
    for folder, folders, names in os.walk(directory, onerror=failed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (*folders, *(name for name in names if not name.startswith("."))):
            path = Path(folder, name)
            try:
                told = path.stat()
            except OSError as error:
                failed(error)
                continue
            found.append(_Entry(path, path.relative_to(directory).parts, told))
    return sorted(found, key=lambda one: one.parts)


def _not_ours(told: os.stat_result, path: Path) -> str:
    """Why what is there must not be believed; empty if only its owner, who is us or root, can have written
    it.
    """
    if told.st_mode & _OTHERS_WRITE:
        return f"it may be written by others; `chmod go-w {path}` mends it"
    if told.st_uid not in (0, os.geteuid()):
        return f"it belongs to another user ({told.st_uid}); `chown {os.geteuid()} {path}` mends it"
    return ""
