"""Plug and Charge in the files of both roles: what they come to, and what is refused by its key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from iso15118.errors import ConfigError, PkiError
from iso15118.evcc.config import Identification, InstallContracts
from iso15118.pki import Store, issue_test_pki
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.pnc.vehicle_contracts import HeldContracts, StoredContracts
from iso15118.settings.contracts import backend_of, store_of
from iso15118.settings.roles import load_evcc, load_secc
from iso15118.settings.trust import read_pki
from iso15118.simulation.backend import accept_emaids


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files")
    issue_test_pki("iso20", "ed448", at=datetime.now(UTC)).write(made / "pki")
    return made


def written(folder: Path, text: str) -> Path:
    path = folder / "file.toml"
    path.write_text(text)
    return path


def test_a_station_takes_contracts_if_its_file_says_so(folder: Path) -> None:
    settings = load_secc(written(folder, '[tls]\npki = "pki"\n'))
    pki = read_pki(folder / "pki")
    assert backend_of(settings.contracts, settings.tls, pki) is None
    text = (
        '[tls]\npki = "pki"\n[contracts]\noffer = true\ninstall = true\naccept = ["DE8AA"]\n'
        'providers = ["DE8AA"]\ncentral_validation = true\ndecision_s = 1.5\n'
    )
    settings = load_secc(written(folder, text))
    backend = backend_of(settings.contracts, settings.tls, pki)
    assert backend is not None
    assert backend.service is not None
    assert backend.trust.mo_anchors == (pki.certificates["mo-root"],)
    assert backend.trust.v2g_anchors == (pki.v2g_root,)
    assert (backend.trust.providers, backend.trust.central_validation) == (("DE8AA",), True)
    assert backend.decision_s == 1.5


def test_a_station_with_a_store_believes_the_store(folder: Path) -> None:
    pki = read_pki(folder / "pki")
    text = '[tls]\npki = "pki"\n[contracts]\noffer = true\nstore = "anchors"\n'
    settings = load_secc(written(folder, text))
    assert settings.contracts.store == folder / "anchors"
    with pytest.raises(ConfigError, match=r"contracts\.store: .*has no root of a provider"):
        backend_of(settings.contracts, settings.tls, pki)
    Store(folder / "anchors").add_anchor("mo", "mo", pki.certificates["mo-root"])
    backend = backend_of(settings.contracts, settings.tls, pki)
    assert backend is not None
    assert (backend.trust.mo_anchors, backend.trust.v2g_anchors) == ((pki.certificates["mo-root"],), ())


def test_a_vehicle_has_its_contracts_from_the_pki_or_from_a_store(folder: Path) -> None:
    pki = read_pki(folder / "pki")
    text = (
        '[session]\nidentification = ["pnc"]\ninstall_contracts = "always"\n'
        'contract_preferences = ["DE8AA"]\n[tls]\npki = "pki"\n[contracts]\nuse = true\n'
    )
    settings = load_evcc(written(folder, text))
    assert settings.session.identification == (Identification.PNC,)
    assert settings.session.install_contracts is InstallContracts.ALWAYS
    held = store_of(settings.contracts, settings.tls, pki)
    assert isinstance(held, HeldContracts)
    assert len(held.present.usable()) == 1
    settings = load_evcc(written(folder, text + "names = []\n"))
    held = store_of(settings.contracts, settings.tls, pki)
    assert held is not None
    assert held.present.signers == ()
    Store(folder / "store").add_contract(pki.credential("contract"))
    extra = 'store = "store"\nx448_key = "pki/oemprov.x448.key"\n'
    settings = load_evcc(written(folder, text + extra))
    stored = store_of(settings.contracts, settings.tls, pki)
    assert isinstance(stored, StoredContracts)
    assert len(stored.present.signers) == 1
    assert store_of(load_evcc(written(folder, '[tls]\npki = "pki"\n')).contracts, settings.tls, pki) is None


@pytest.mark.parametrize(
    ("role", "text", "said"),
    [
        (
            "secc",
            '[tls]\nmode = "plaintext"\n[contracts]\noffer = true\n',
            r"contracts\.offer: .*without TLS",
        ),
        ("evcc", '[tls]\nmode = "plaintext"\n[contracts]\nuse = true\n', r"contracts\.use: .*without TLS"),
        ("evcc", '[session]\nidentification = []\n[tls]\npki = "pki"\n', r"session\.identification"),
        ("evcc", '[session]\nidentification = ["pin"]\n[tls]\npki = "pki"\n', r"session\.identification"),
        ("evcc", '[session]\ninstall_contracts = "yes"\n[tls]\npki = "pki"\n', r"session\.install_contracts"),
        ("evcc", '[session]\nmaximum_contracts = 0\n[tls]\npki = "pki"\n', r"session\.maximum_contracts"),
        ("evcc", '[session]\ncontract_attempts = 0\n[tls]\npki = "pki"\n', r"session\.contract_attempts"),
        (
            "secc",
            '[session]\nauthorization_attempts = 0\n[tls]\npki = "pki"\n',
            r"session\.authorization_attempts",
        ),
        (
            "secc",
            '[session]\nmetering_confirmation_s = -1\n[tls]\npki = "pki"\n',
            r"session\.metering_confirm",
        ),
        ("secc", '[tls]\npki = "pki"\n[contracts]\nofer = true\n', r"contracts\.ofer: .*contracts\.offer"),
    ],
)
def test_what_cannot_work_is_refused_by_its_key(folder: Path, role: str, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        (load_secc if role == "secc" else load_evcc)(written(folder, text))


def test_a_folder_without_the_certificate_is_said(folder: Path) -> None:
    pki = read_pki(folder / "pki")
    text = '[tls]\npki = "pki"\n[contracts]\nuse = true\n'
    for extra, said in (
        ('names = ["contract-7"]\n', "there is no certificate 'contract-7'"),
        ('store = "store"\nx448_key = "nowhere.pem"\n', "x448_key"),
    ):
        settings = load_evcc(written(folder, text + extra))
        with pytest.raises(ConfigError, match=said):
            store_of(settings.contracts, settings.tls, pki)
    settings = load_evcc(written(folder, text + 'store = "store"\nx448_key = "pki/pki.json"\n'))
    Store(folder / "store").add_own("oemprov", pki.credential("oemprov"))
    (folder / "pki" / "pki.json").chmod(0o644)
    with pytest.raises(ConfigError, match=r"contracts\.x448_key: .*chmod 600"):
        store_of(settings.contracts, settings.tls, pki)
    (folder / "pki" / "pki.json").chmod(0o600)
    with pytest.raises(PkiError, match="private key"):
        store_of(settings.contracts, settings.tls, pki)


@pytest.mark.parametrize("source", ["file", "variable"])
def test_an_encrypted_store_is_opened_from_the_files(
    folder: Path, tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pki = read_pki(folder / "pki")
    sealed = Store(folder / "sealed", passphrase=b"correct horse")
    sealed.add_contract(pki.credential("contract"))
    sealed.add_anchor("mo", "mo", pki.certificates["mo-root"])
    text = f'[tls]\npki = "{folder / "pki"}"\n[contracts]\nuse = true\nstore = "{folder / "sealed"}"\n'
    settings = load_evcc(written(tmp_path, text))
    with pytest.raises(PkiError, match="the passphrase is needed"):
        store_of(settings.contracts, settings.tls, pki)
    (tmp_path / "word").touch(0o600)
    (tmp_path / "word").write_text("correct horse\n")
    monkeypatch.setenv("STORE_WORD", "correct horse")
    line = {"file": 'passphrase_file = "word"\n', "variable": 'passphrase_variable = "STORE_WORD"\n'}
    settings = load_evcc(written(tmp_path, text + line[source]))
    stored = store_of(settings.contracts, settings.tls, pki)
    assert stored is not None
    assert len(stored.present.signers) == 1
    both = load_evcc(written(tmp_path, text + "".join(line.values())))
    with pytest.raises(ConfigError, match=r"contracts\.passphrase_variable is set too"):
        store_of(both.contracts, both.tls, pki)
    station = f'[tls]\npki = "{folder / "pki"}"\n[contracts]\noffer = true\nstore = "{folder / "sealed"}"\n'
    offered = load_secc(written(tmp_path, station))
    backend = backend_of(offered.contracts, offered.tls, pki)  # roots only, for which no passphrase is needed
    assert backend is not None
    assert backend.trust.mo_anchors == (pki.certificates["mo-root"],)


def test_a_store_without_anything_of_use_is_refused_with_the_reason(folder: Path, tmp_path: Path) -> None:
    pki = read_pki(folder / "pki")
    Store(tmp_path / "store").add_contract(pki.credential("contract"))
    key = tmp_path / "store" / "contracts" / "DE8AACA2B3C4D5" / "key.pem"
    key.chmod(0o666)
    text = f'[tls]\npki = "{folder / "pki"}"\n[contracts]\nuse = true\nstore = "store"\n'
    settings = load_evcc(written(tmp_path, text))
    with pytest.raises(ConfigError, match=r"contracts\.store: .*no contract.*key\.pem: .*chmod"):
        store_of(settings.contracts, settings.tls, pki)


def test_a_test_pki_whose_keys_others_can_read_is_refused(folder: Path, tmp_path: Path) -> None:
    read_pki(folder / "pki").write(tmp_path)
    (tmp_path / "secc.key").chmod(0o666)
    with pytest.raises(PkiError, match=f"secc.key: .*`chmod 600 {tmp_path / 'secc.key'}`"):
        read_pki(tmp_path)


def test_what_a_backend_accepts() -> None:
    def claim(emaid: str, verified: bool = True) -> ContractClaim:
        return ContractClaim(emaid=emaid, chain=(), evccid="", verified=verified)

    any_good = accept_emaids(("*",))
    assert any_good(claim("DE8AA1")) is None
    assert any_good(claim("DE8AA1", verified=False)) is Refusal.PROVIDER_UNKNOWN
    some = accept_emaids(("DE-8AA-00000", "FRXYZ"))
    assert some(claim("DE-8AA-000000001")) is None
    assert some(claim("FRXYZ000000001")) is None
    assert (
        some(claim("FRXYZ000000001", verified=False)) is Refusal.PROVIDER_UNKNOWN
    )  # anybody may write that name
    assert some(claim("DE8AA999999999")) is Refusal.REJECTED
    assert some(claim("NLABC999999999")) is Refusal.PROVIDER_UNKNOWN
