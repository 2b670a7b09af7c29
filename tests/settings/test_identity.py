"""Certificates and keys of TLS from single files and from a store: what they come to in both roles, and
what is refused by which key."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.pki import Credential, IssuedPki, Store, issue_test_pki
from iso15118.pki.issuing.issue import key_pem, load_key, pem
from iso15118.pki.keys.exchange import export_credential, export_key
from iso15118.pki.keys.protect import encrypted_key
from iso15118.settings.identity import Role, TlsMaterial, read_material, state_of_material
from iso15118.settings.roles import load_evcc, load_secc
from iso15118.settings.trust import common_name, evcc_context, secc_context

PASSWORD = "correct horse battery"
PKI = issue_test_pki("iso20", "ed448", at=datetime.now(UTC))
OTHER = issue_test_pki("iso20", "ed448", at=datetime.now(UTC))
ROLES: list[Role] = ["secc", "evcc"]
OWN: dict[Role, Credential] = {"secc": PKI.secc, "evcc": PKI.vehicle}
ANCHOR: dict[Role, bytes] = {"secc": PKI.oem_root, "evcc": PKI.v2g_root}
LOADERS: dict[Role, Callable[[Path], Any]] = {"secc": load_secc, "evcc": load_evcc}


def secret(path: Path, data: bytes | str) -> None:
    path.touch(0o600)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def written(folder: Path, role: Role) -> None:
    """leaf.pem, chain.pem, root.pem (of our own chain), peers.pem, and the key in every form."""
    own = OWN[role]
    (folder / "leaf.pem").write_text(pem(own.chain[0]))
    (folder / "leaf.der").write_bytes(own.chain[0])
    (folder / "chain.pem").write_text("".join(map(pem, own.chain[1:])))
    root = PKI.v2g_root if role == "secc" else PKI.oem_root
    (folder / "withroot.pem").write_text("".join(map(pem, (*own.chain[1:], root))))
    (folder / "whole.pem").write_text("".join(map(pem, own.chain)))
    (folder / "peers.pem").write_text(pem(ANCHOR[role]))
    for name, data in secrets_of(role).items():
        secret(folder / name, data)


@cache
def secrets_of(role: Role) -> dict[str, bytes]:
    """Made once: encrypting a key is made costly."""
    own, password = OWN[role], PASSWORD.encode()
    return {
        "clear.key": key_pem(own.key),
        "clear.der": own.key,
        "sealed.key": encrypted_key(load_key(own.key), password),
        "sealed.der": export_key(own, passphrase=password),
        "both.p12": export_credential(own, "p12", passphrase=password),
        "clear.p12": export_credential(own, "p12"),
        "both.pem": export_credential(own, "pem", passphrase=password),
        "password": password + b"\n",
    }


@pytest.fixture(params=ROLES)
def role(request: pytest.FixtureRequest, tmp_path: Path) -> Role:
    made: Role = request.param
    written(tmp_path, made)
    return made


def settings(folder: Path, role: Role, tls: str, rest: str = "") -> Any:
    path = folder / f"{role}.toml"
    path.write_text(f"[tls]\n{tls}\n{rest}")
    return LOADERS[role](path)


def material(folder: Path, role: Role, tls: str) -> TlsMaterial:
    return read_material(settings(folder, role, tls).tls, role)


FORMS = [
    'certificate = "leaf.pem"\nchain = "chain.pem"\nkey = "clear.key"',
    'certificate = "leaf.der"\nchain = "chain.pem"\nkey = "clear.der"',
    'certificate = "whole.pem"\nkey = "clear.key"',
    'certificate = "whole.pem"\nkey = "sealed.key"\nkey_password_file = "password"',
    'certificate = "whole.pem"\nkey = "sealed.der"\nkey_password_file = "password"',
    'certificate = "both.pem"\nkey = "both.pem"\nkey_password_file = "password"',
    'key = "both.p12"\nkey_password_file = "password"',
    'key = "clear.p12"',
    'key = "clear.p12"\nkey_password_file = "password"',
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_files_comes_to_the_same(form: str, role: Role, tmp_path: Path) -> None:
    made = material(tmp_path, role, form + '\nanchors = ["peers.pem"]')
    assert made.own == OWN[role]
    assert made.anchors == (ANCHOR[role],)
    assert made.pki is None
    context = (secc_context if role == "secc" else evcc_context)(made)
    assert context.chains == (OWN[role].chain,)
    assert context.anchors == (ANCHOR[role],)
    assert common_name(made)


@pytest.mark.parametrize("key", ["sealed.key", "sealed.der", "both.pem", "both.p12"])
def test_the_password_may_be_in_the_environment(
    key: str, role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = f'certificate = "whole.pem"\nkey = "{key}"\nanchors = ["peers.pem"]'
    monkeypatch.delenv("ISO15118_KEY_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match=rf"^tls\.key: \S+/{key} is encrypted.*ISO15118_KEY_PASSWORD"):
        material(tmp_path, role, tls)
    monkeypatch.setenv("ISO15118_KEY_PASSWORD", PASSWORD)
    assert material(tmp_path, role, tls).own == OWN[role]
    monkeypatch.setenv("ISO15118_KEY_PASSWORD", "")
    with pytest.raises(ConfigError, match="ISO15118_KEY_PASSWORD is empty"):
        material(tmp_path, role, tls)


def test_a_root_at_the_end_of_the_chain_is_known_and_not_sent(role: Role, tmp_path: Path) -> None:
    made = material(
        tmp_path,
        role,
        'certificate = "leaf.pem"\nchain = "withroot.pem"\nkey = "clear.key"\nanchors = ["peers.pem"]',
    )
    assert made.own is not None
    assert made.own.chain == OWN[role].chain
    assert made.roots == (PKI.v2g_root if role == "secc" else PKI.oem_root,)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_store_has_all_of_it(
    sealed: bool, role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ISO15118_KEY_PASSWORD", raising=False)
    store = Store(tmp_path / "store", passphrase=PASSWORD.encode() if sealed else None)
    name, purpose = ("secc", "oem") if role == "secc" else ("vehicle", "v2g")
    with pytest.raises(ConfigError, match=r"tls\.store: there is no folder .*/store .*pki import"):
        material(tmp_path, role, 'store = "store"')
    store.add_anchor(purpose, "root", ANCHOR[role])
    with pytest.raises(ConfigError, match=rf"tls\.store: .*no own/{name} .*--name {name}"):
        material(tmp_path, role, 'store = "store"')
    store.add_own(name, OWN[role])
    tls = 'store = "store"'
    if sealed:
        with pytest.raises(ConfigError, match=r"tls\.store: .*key\.pem.*is encrypted.*key_password_file"):
            material(tmp_path, role, tls)
        tls += '\nkey_password_file = "password"'
    made = material(tmp_path, role, tls)
    assert made.own == OWN[role]
    assert made.anchors == (ANCHOR[role],)
    store.remove_anchor(purpose, "root")
    with pytest.raises(ConfigError, match=rf"tls\.store: .*no root in anchors/{purpose}.*--anchor {purpose}"):
        material(tmp_path, role, tls)


COMPLETE = 'certificate = "whole.pem"\nkey = "clear.key"\nanchors = ["peers.pem"]'


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        (COMPLETE + '\npki = "keys"', r"^tls\.certificate: tls\.pki is set too"),
        (COMPLETE + '\nstore = "store"', r"^tls\.certificate: tls\.store is set too"),
        ('pki = "keys"\nstore = "store"', r"^tls\.pki: tls\.store is set too"),
        ('pki = "keys"\nkey_password_file = "password"', r"^tls\.key_password_file: there is no tls\.key"),
        ('certificate = "leaf.pem"\nanchors = ["peers.pem"]', r"^tls\.key: is missing: tls\.certificate"),
        ('key = "clear.key"\nanchors = ["peers.pem"]', r"^tls\.certificate: is missing: only .*PKCS#12"),
        (
            'certificate = "leaf.pem"\nkey = "clear.key"',
            r"^tls\.anchors: is missing: nobody would be trusted",
        ),
        ('anchors = ["peers.pem"]', r"^tls\.key: is missing: tls\.anchors needs it"),
        ("", r"^tls\.pki: is missing: .*pki init.*tls\.certificate.*tls\.store.*plaintext"),
        ('key_pasword = "x"', r"tls\.key_pasword: there is no such key"),
        ('password = "x"', r"tls\.password: there is no such key"),
    ],
)
def test_what_a_file_may_not_say(tls: str, said: str, role: Role, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        settings(tmp_path, role, tls)


def spoil(folder: Path, name: str) -> None:
    (folder / name).write_text("spoilt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda at: (at / "clear.key").unlink(), r"^tls\.key: \S+clear\.key: No such file .*can be read"),
        (lambda at: (at / "clear.key").chmod(0o640), r"^tls\.key: \S+clear\.key: group.*chmod 600"),
        (lambda at: spoil(at, "clear.key"), r"^tls\.key: \S+clear\.key has no private key.*PKCS#12"),
        (
            lambda at: (at / "clear.key").write_bytes(key_pem(OTHER.secc.key)),
            r"^tls\.key: \S+clear\.key and the certificates in \S+whole\.pem do not belong together",
        ),
        (lambda at: (at / "whole.pem").unlink(), r"^tls\.certificate: \S+whole\.pem cannot be read: No such"),
        (lambda at: spoil(at, "whole.pem"), r"^tls\.certificate: \S+whole\.pem: .*PEM, or one in DER"),
        (lambda at: (at / "peers.pem").unlink(), r"^tls\.anchors\[0\]: \S+peers\.pem cannot be read"),
        (lambda at: (at / "peers.pem").chmod(0o666), r"^tls\.anchors\[0\]: \S+peers\.pem: .*chmod go-w"),
        (
            lambda at: shutil.copy(at / "leaf.pem", at / "peers.pem"),
            r"^tls\.anchors\[0\]: \S+peers\.pem: .* is no root",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_key(
    change: Callable[[Path], Any], said: str, role: Role, tmp_path: Path
) -> None:
    change(tmp_path)
    with pytest.raises(ConfigError, match=said):
        material(tmp_path, role, COMPLETE)


def test_a_stranger_in_the_chain_is_named(role: Role, tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_text("".join(map(pem, (*OWN[role].chain[1:], OTHER.secc.chain[1]))))
    with pytest.raises(ConfigError, match=r"^tls\.chain: \S+chain\.pem: .* is not above the certificate"):
        material(tmp_path, role, COMPLETE.replace("whole", "leaf") + '\nchain = "chain.pem"')


def test_plug_and_charge_needs_a_store_then(tmp_path: Path) -> None:
    written(tmp_path, "secc")
    for extra, said in (
        ("offer = true", r"^contracts\.store: is missing"),
        ('offer = true\nstore = "c"\ninstall = true', r"^contracts\.install: .*test PKI"),
        ('offer = true\nstore = "c"\ncentral_validation = true', r"^contracts\.central_validation: "),
    ):
        with pytest.raises(ConfigError, match=said):
            settings(tmp_path, "secc", COMPLETE, f"[contracts]\n{extra}\n")
    with pytest.raises(ConfigError, match=r"^contracts\.store: is missing"):
        settings(tmp_path, "evcc", COMPLETE, "[contracts]\nuse = true\n")


def leaves_no_trace(text: str, pki: IssuedPki = PKI) -> None:
    assert PASSWORD not in text
    for own in OWN.values():
        for form in (repr(own.key), repr(own.key)[2:60], own.key.hex()):
            assert form not in text
    assert "PRIVATE KEY" not in text


@pytest.mark.parametrize("sealed", FORMS)
def test_neither_key_nor_password_shows(
    sealed: str,
    role: Role,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    wanted = sealed + '\nanchors = ["peers.pem"]'
    made = material(tmp_path, role, wanted)
    context = (secc_context if role == "secc" else evcc_context)(made)
    leaves_no_trace(f"{made!r} {made.own!r} {context!r} {settings(tmp_path, role, wanted)!r}")
    secret(tmp_path / "password", "wrong horse staple\n")
    if "password" in sealed and "clear.p12" not in sealed:
        with pytest.raises(ConfigError, match=r"^tls\.key: the password does not open \S+") as refused:
            material(tmp_path, role, wanted)
        assert "wrong horse" not in str(refused.value)
    leaves_no_trace(caplog.text)
    assert capsys.readouterr() == ("", "")


def test_the_state_of_the_files_changes_with_each_of_them(role: Role, tmp_path: Path) -> None:
    tls = settings(
        tmp_path,
        role,
        'certificate = "leaf.pem"\nchain = "chain.pem"\nkey = "sealed.key"\nkey_password_file = "password"\nanchors = ["peers.pem"]',
    ).tls
    seen = {state_of_material(tls)}
    for name in ("leaf.pem", "chain.pem", "sealed.key", "password", "peers.pem"):
        with (tmp_path / name).open("ab") as file:
            file.write(b"\n")
        state = state_of_material(tls)
        assert state not in seen
        seen.add(state)
    assert state_of_material(tls) == state
