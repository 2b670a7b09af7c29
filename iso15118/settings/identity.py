"""Who a role is in TLS and whom it trusts, from where its file has it: single files, a
certificate store, or a test PKI.

Whatever is wrong with them is refused with the key, the file and the way to mend it; neither a key nor a
password is ever part of that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from msgspec import Struct
from msgspec.structs import replace

from iso15118.errors import ConfigError, PkiError
from iso15118.files import read_secret
from iso15118.pki import Credential, IssuedPki, Store, load
from iso15118.pki.chain.parsed import UnreadableError, parse
from iso15118.pki.chain.profiles import AnchorRole
from iso15118.pki.issuing.build import PrivateKey
from iso15118.pki.issuing.issue import key_der
from iso15118.pki.keys.exchange import import_certificates, join_credential
from iso15118.pki.keys.protect import PassphraseError, opened_key, passphrase_of, protection_of
from iso15118.pki.store_files import check_root, split_key
from iso15118.pki.store_reading import state_of
from iso15118.settings.parts import KEY_VARIABLE, PKCS12_ENDINGS, Iso2TlsSettings, TlsSettings
from iso15118.settings.reading import read_file

__all__ = [
    "OWN",
    "Ask",
    "Role",
    "TlsMaterial",
    "from_test_pki",
    "read_material",
    "read_pki",
    "state_of_material",
    "typed_for_store",
]

Role: TypeAlias = Literal["secc", "evcc"]
"""The two ends, as in the names of their commands."""
Named: TypeAlias = TlsSettings | Iso2TlsSettings
Ask: TypeAlias = Callable[[str], bytes | None]
"""Asks a person for the passphrase of what is named; None if there is none to ask."""
State: TypeAlias = tuple[tuple[str, int, int, int, int], ...]

OWN: Final[dict[Role, str]] = {"secc": "secc", "evcc": "vehicle"}
"""Name of a role's chain in a store and in a test PKI."""
_ANCHORS: Final[dict[Role, tuple[AnchorRole, str]]] = {"secc": ("OEM", "oem"), "evcc": ("V2G", "v2g")}
"""The kind of roots that the far end's chain ends in, and their folder in a store."""
_KEYS: Final = re.compile(r"\btls\.(?=(certificate|key|chain|anchors|store|pki|key_password_file)\b)")
_LONGEST: Final = 256 * 1024
_NO_PASSWORD = (
    f"name a file with the password in tls.key_password_file, set {KEY_VARIABLE}, or be there to type it"
)
_WRONG_PASSWORD = f"the password is in tls.key_password_file or in {KEY_VARIABLE}"


class TlsMaterial(Struct, frozen=True, kw_only=True):
    """What a TLS context is made of. Its repr shows no key."""

    own: Credential | None
    """Our chain and its key; None for a vehicle of ISO 15118-2, which has none."""
    anchors: tuple[bytes, ...]
    """Roots (DER) that the far end's chain has to end in."""
    roots: tuple[bytes, ...] = ()
    """Roots (DER) of our own chain, as far as they are known: whoever asks about its
    uppermost certificate needs one."""
    pki: IssuedPki | None = None
    """The test PKI that it is from, if it is."""


def read_material(tls: Named, role: Role, ask: Ask | None = None) -> TlsMaterial:
    """What the file's ``[tls]`` or ``[tls.iso2]`` names; its paths are absolute. ``ask``: for the passphrase
    of a key, where neither a file nor the environment has one. Keys of CAs are read from a test PKI only.

    Raises ConfigError for files that are missing, that others may write or read where that matters, that are
    not what they should be, or that do not belong together; PkiError for a test PKI that cannot be used.
    """
    if tls.pki is not None:
        made = from_test_pki(read_pki(tls.pki, keys_when_used=True), role)
        return replace(made, own=None) if _bare(tls, role) else made
    try:
        if tls.store is not None:
            return _from_store(tls.store, tls, role, ask)
        if _bare(tls, role):
            return TlsMaterial(own=None, anchors=_anchors_of(tls))
        return _from_files(tls, ask)
    except ConfigError as error:
        if not isinstance(tls, Iso2TlsSettings):
            raise
        own = (_KEYS.sub("tls.iso2.", text) for text in (error.key, error.reason, error.hint))
        raise ConfigError(*own) from error


def _bare(tls: Named, role: Role) -> bool:
    """A vehicle of ISO 15118-2 shows no certificate of its own."""
    return role == "evcc" and isinstance(tls, Iso2TlsSettings)


def _profile(tls: Named) -> str:
    return tls.profile if isinstance(tls, TlsSettings) else "iso2"


def read_pki(folder: Path, *, keys_when_used: bool = False) -> IssuedPki:
    """What `iso15118 pki init` wrote. ``keys_when_used``: as for ``pki.load``. Raises
    ``PkiError`` if it is not usable."""
    if not folder.is_dir():
        raise PkiError(f"there is no folder {folder} (tls.pki): make one with `iso15118 pki init {folder}`")
    return load(folder, keys_when_used=keys_when_used)


def from_test_pki(pki: IssuedPki, role: Role) -> TlsMaterial:
    """The part of a test PKI that is this role's."""
    name = OWN[role]
    own = pki.credential(name) if name in pki.certificates else None
    theirs = "oem-root" if role == "secc" else "v2g-root"
    anchors = (pki.certificates[theirs],) if theirs in pki.certificates else ()
    return TlsMaterial(own=own, anchors=anchors, roots=(pki.v2g_root,), pki=pki)


def state_of_material(tls: Named) -> State:
    """What changes when one of these files does, without opening any. Raises OSError."""
    for folder in (tls.pki, tls.store):
        if folder is not None:
            return state_of(folder)
    told = [
        (str(path), path.stat())
        for path in (tls.certificate, tls.key, tls.chain, tls.key_password_file, *tls.anchors)
        if path is not None
    ]
    return tuple((path, one.st_size, one.st_mtime_ns, one.st_ino, one.st_mode) for path, one in told)


# -- single files -------------------------------------------------------------------------------------------


def _anchors_of(tls: Named) -> tuple[bytes, ...]:
    anchors: list[bytes] = []
    for place, path in enumerate(tls.anchors):
        anchors += _roots(f"tls.anchors[{place}]", path, tls)
    return tuple(dict.fromkeys(anchors))


def _from_files(tls: Named, ask: Ask | None) -> TlsMaterial:
    if tls.key is None:  # the settings of a file have been checked; those of a program may not
        raise ConfigError("tls.key", "is missing", "the file with our private key, or tls.store")
    key, beside = _key(tls.key, tls, ask)
    leaf = [] if tls.certificate is None else _certificates("tls.certificate", tls.certificate)
    above = [] if tls.chain is None else _certificates("tls.chain", tls.chain)
    if not leaf and not beside:
        raise ConfigError(
            "tls.certificate", "is missing", f"the file with the certificate of the key in {tls.key}"
        )
    try:
        own = join_credential([*leaf, *beside, *above], key)
    except PkiError as error:
        where = tls.key if tls.certificate is None else tls.certificate
        raise ConfigError(
            "tls.key",
            f"{tls.key} and the certificates in {where} do not belong together: {error}",
            "the key that the certificate was made for; certificates of the CAs go into tls.chain",
        ) from error
    roots = []
    for der in above:
        if der not in own.chain:
            one = parse(der)
            if one.subject != one.issuer:
                raise ConfigError(
                    "tls.chain",
                    f"{tls.chain}: {one.name} is not above the certificate in {tls.certificate or tls.key}",
                    "the certificates of its CAs, from the one that issued it up, and nothing else",
                )
            roots.append(der)
    return TlsMaterial(own=own, anchors=_anchors_of(tls), roots=tuple(roots))


def _key(path: Path, tls: Named, ask: Ask | None) -> tuple[bytes, list[bytes]]:
    """The key (PKCS#8, DER), and what certificates are in the same file if it is PKCS#12."""
    data = read_secret(path, key="tls.key", limit=_LONGEST)
    if path.suffix.lower() in PKCS12_ENDINGS:
        return _pkcs12(path, data, lambda: _password(tls, ask, path))
    data, _ = split_key(data)  # certificates in the same file are named by tls.certificate
    sealed = protection_of(data) != "none"
    password = _password(tls, ask, path) if sealed else None
    if sealed and password is None:
        raise ConfigError("tls.key", f"{path} is encrypted, and there is no password", _NO_PASSWORD)
    try:
        return opened_key(data, password), []
    except PassphraseError as error:
        raise ConfigError("tls.key", f"the password does not open {path}", _WRONG_PASSWORD) from error
    except (PkiError, TypeError) as error:
        raise ConfigError(
            "tls.key",
            f"{path} has no private key that is used here",
            "PEM, DER (PKCS#8), or PKCS#12 in a file .p12 or .pfx",
        ) from error


def _pkcs12(path: Path, data: bytes, passphrase: Callable[[], bytes | None]) -> tuple[bytes, list[bytes]]:
    password: bytes | None = None
    try:
        try:
            key, leaf, others = pkcs12.load_key_and_certificates(data, None)
        except ValueError:
            password = passphrase()
            if password is None:
                raise
            key, leaf, others = pkcs12.load_key_and_certificates(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if password is None:
            raise ConfigError(
                "tls.key", f"{path} is encrypted, and there is no password, or it is no PKCS#12", _NO_PASSWORD
            ) from error
        raise ConfigError(
            "tls.key", f"the password does not open {path}, or it is no PKCS#12", _WRONG_PASSWORD
        ) from error
    if not isinstance(key, PrivateKey):
        raise ConfigError("tls.key", f"{path} has no private key that is used here", "export it with its key")
    found = [leaf, *others] if leaf is not None else list(others)
    return key_der(key), [one.public_bytes(serialization.Encoding.DER) for one in found]


def _password(tls: Named, ask: Ask | None, what: Path) -> bytes | None:
    variable = KEY_VARIABLE
    if tls.key_password_file is None and variable not in os.environ:
        return None if ask is None else ask(str(what))
    return passphrase_of(
        file=tls.key_password_file,
        variable=variable if tls.key_password_file is None else None,
        keys=("tls.key_password_file", variable),
    )


def _certificates(key: str, path: Path) -> list[bytes]:
    data = read_file(path, key, _LONGEST)
    try:
        found = import_certificates(data)
        for der in found:
            parse(der)
    except (PkiError, UnreadableError) as error:
        raise ConfigError(key, f"{path}: {error}", "certificates in PEM, or one in DER") from error
    return found


def _roots(key: str, path: Path, tls: Named) -> Sequence[bytes]:
    """Whoever writes this file decides whom we trust."""
    found = _certificates(key, path)
    if path.stat().st_mode & 0o022:
        raise ConfigError(
            key, f"{path}: group or others may write it, and so decide whom we trust", f"`chmod go-w {path}`"
        )
    if _profile(tls) != "lab":  # where a peer is trusted by a certificate below its root
        for der in found:
            try:
                check_root(der)
            except PkiError as error:
                raise ConfigError(key, f"{path}: {error}", "self-signed certificates of root CAs") from error
    return found


# -- a certificate store ------------------------------------------------------------------------------------


def typed_for_store(folder: Path, ask: Ask) -> bytes | None:
    """The passphrase of a store whose keys are encrypted, as somebody types it; None where there is none to
    ask. Whether they are shows when they were tried: nobody is asked about keys that are not encrypted, or
    not there.
    """
    if folder.is_dir():
        try:
            Store(folder).read()
        except PassphraseError:
            return ask(str(folder))
        except PkiError:  # said by who reads it next
            return None
    return None


def _from_store(folder: Path, tls: Named, role: Role, ask: Ask | None) -> TlsMaterial:
    name, (kind, below) = OWN[role], _ANCHORS[role]
    if not folder.is_dir():
        raise ConfigError("tls.store", f"there is no folder {folder}", "`iso15118 pki import` makes one")
    try:
        password = _password(tls, None, folder)
        try:
            contents = Store(folder, passphrase=password).read()
        except PkiError:
            # Whether it is encrypted is known when it has been tried: nobody is asked about one that is not.
            password = ask(str(folder)) if password is None and ask is not None else None
            if password is None:
                raise
            contents = Store(folder, passphrase=password).read()
    except PkiError as error:
        raise ConfigError("tls.store", str(error), _NO_PASSWORD) from error
    bad = "".join(f"; not used: {one}" for one in contents.problems)
    bare, asks = _bare(tls, role), role == "evcc" or isinstance(tls, TlsSettings)
    if name not in contents.own and not bare:
        there = ", ".join(contents.own) or "none"
        raise ConfigError(
            "tls.store",
            f"{folder} has no own/{name} (it has: {there}){bad}",
            f"`iso15118 pki import FILE {folder} --name {name}`",
        )
    if not contents.anchors[kind] and asks:
        raise ConfigError(
            "tls.store",
            f"{folder} has no root in anchors/{below}{bad}",
            f"`iso15118 pki import ROOT.pem {folder} --anchor {below}`",
        )
    own = None if bare else contents.own[name]
    return TlsMaterial(own=own, anchors=contents.anchors[kind], roots=contents.anchors["V2G"])
