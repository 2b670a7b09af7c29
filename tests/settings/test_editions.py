"""Editions in the files of both roles: certificates of each, its settings and timers, and
what does not go together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from iso15118.cli.session import tls_of
from iso15118.errors import ConfigError
from iso15118.messages.iso2 import EnergyTransferMode
from iso15118.pki import issue_test_pki
from iso15118.pki.issuing.issue import key_pem, pem
from iso15118.settings.reading import read_struct
from iso15118.settings.roles import load_evcc, load_secc
from iso15118.tls import TlsContext, TlsPort

NEWER = issue_test_pki("iso20", "ed448", at=datetime.now(UTC))
OLDER = issue_test_pki("iso2", "p256", at=datetime.now(UTC))
LOADERS: dict[str, Callable[[Path], Any]] = {"secc": load_secc, "evcc": load_evcc}
ALL = '[session]\neditions = ["iso20", "iso2", "din"]\n'
TWO = '[tls]\npki = "p20"\n[tls.iso2]\npki = "p2"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    NEWER.write(tmp_path / "p20")
    OLDER.write(tmp_path / "p2")
    own = OLDER.secc
    (tmp_path / "leaf.pem").write_text(pem(own.chain[0]))
    (tmp_path / "chain.pem").write_text("".join(map(pem, own.chain[1:])))
    (tmp_path / "root.pem").write_text(pem(OLDER.v2g_root))
    key = tmp_path / "secc.key"
    key.touch(0o600)
    key.write_bytes(key_pem(own.key))
    return tmp_path


def load(folder: Path, role: str, text: str) -> Any:
    file = folder / "file.toml"
    file.write_text(text)
    return LOADERS[role](file)


def source(folder: Path, role: Any, text: str) -> Any:
    settings = load(folder, role, text)
    with tls_of(settings.tls, role, editions=settings.session.editions) as secured:
        return None if secured.tls is None else secured.tls.source


@pytest.mark.parametrize(
    ("text", "station", "vehicle"),
    [
        (ALL + TWO, ["iso20", "iso2"], "dual"),
        (ALL + '[tls]\npki = "p20"', ["iso20"], "iso20"),
        ('[session]\neditions = ["iso2", "din"]\n[tls.iso2]\npki = "p2"', ["iso2"], "iso2"),
        ('[session]\neditions = ["iso2"]', [], None),
        ('[session]\neditions = ["din"]', [], None),
        (ALL + '[tls]\nmode = "plaintext"', [], None),
        ('[tls]\npki = "p20"', ["iso20"], "iso20"),
    ],
)
def test_each_edition_has_its_certificates(
    folder: Path, text: str, station: list[str], vehicle: str | None
) -> None:
    made = source(folder, "secc", text)
    contexts = made.contexts if isinstance(made, TlsPort) else () if made is None else (made,)
    assert [one.profile.name for one in contexts] == station
    car = source(folder, "evcc", text)
    assert (car.profile.name if isinstance(car, TlsContext) else None) == vehicle


def test_single_files_of_the_older_edition(folder: Path) -> None:
    only = '[session]\neditions = ["iso2"]\nforbid_plaintext = true\n[tls.iso2]\n'
    station = source(folder, "secc", only + 'certificate = "leaf.pem"\nkey = "secc.key"\nchain = "chain.pem"')
    assert station.profile.name == "iso2"
    assert station.chains[0][0] == OLDER.secc.chain[0]
    vehicle = source(folder, "evcc", only + 'anchors = ["root.pem"]')
    assert vehicle.anchors == (OLDER.v2g_root,)
    assert list(vehicle.chains) == [], "a vehicle of ISO 15118-2 shows no certificate"


@pytest.mark.parametrize(
    ("role", "text", "said"),
    [
        (
            "both",
            '[session]\neditions = ["iso21"]',
            r"^session\.editions\[0\]: 'iso21'.*did you mean 'iso2'",
        ),
        ("both", '[session]\neditions = ["din", "din"]', r"^session\.editions\[1\]: 'din' is listed twice"),
        ("both", '[session]\neditions = []\n[tls]\nmode = "plaintext"', r"^session\.editions: none"),
        (
            "both",
            '[session]\neditions = ["din"]\nforbid_plaintext = true',
            r"^session\.forbid_plaintext: DIN 70121 knows no TLS",
        ),
        (
            "both",
            '[session]\neditions = ["iso2"]\nforbid_plaintext = true',
            r"^tls\.iso2\.pki: is missing",
        ),
        ("both", '[session]\neditions = ["iso2"]\n[tls]\npki = "p20"', r"^tls\.pki: is for iso20, which"),
        ("both", TWO, r"^tls\.iso2\.pki: is for iso2, which session\.editions does not have"),
        ("both", ALL, r"^tls\.pki: is missing"),
        ("both", ALL + TWO + 'store = "x"', r"^tls\.iso2\.pki: tls\.iso2\.store is set too"),
        ("both", ALL + TWO + 'stores = "x"', r"^tls\.iso2\.stores: .*'tls\.iso2\.store'"),
        (
            "secc",
            ALL + '[tls]\npki = "p20"\n[tls.iso2]\ncertificate = "leaf.pem"',
            r"^tls\.iso2\.key: is mis",
        ),
        (
            "evcc",
            ALL + '[tls]\npki = "p20"\n[tls.iso2]\nkey = "secc.key"',
            r"^tls\.iso2\.anchors: is missing",
        ),
        (
            "evcc",
            ALL + '[tls]\nprofile = "lab"\npki = "p20"\n[tls.iso2]\npki = "p2"',
            r"^tls\.profile: a vehicle",
        ),
        (
            "both",
            "[session.iso2]\nloop_intervall_s = 1",
            r"^session\.iso2\.loop_intervall_s: there is no such",
        ),
        ("both", "[session.din]\nprofile_chek = 1", r"^session\.din\.profile_chek: there is no such key"),
        (
            "both",
            "[session.din.timing]\nready = 1",
            r"^session\.din\.timing\.ready: .*din\.timing\.ready_to_ch",
        ),
        (
            "secc",
            '[session.iso2]\ncpd_isolation = "Valid"',
            r"^session\.iso2\.cpd_isolation: .*did you mean 'v",
        ),
        ("secc", "[session.iso2]\nstop_notice_s = 61", r"^session\.iso2\.stop_notice_s: 61 is out of range"),
        (
            "evcc",
            "[session.iso2]\nloop_interval_s = 41",
            r"^session\.iso2\.loop_interval_s: 41 is out of range",
        ),
        ("secc", '[session.ac]\nthree_phase_connector = "4"', r"^session\.ac\.three_phase_connector: '4'"),
        (
            "secc",
            ALL + TWO + "[session.iso2.timing]\npre_charge_performance = 0.5",
            r"^station\.time_scale: .*session\.iso2\.timing\.pre_charge_performance",
        ),
        (
            "secc",
            '[session]\neditions = ["din"]\n[contracts]\noffer = true',
            r"^contracts\.offer: DIN 70121 knows no Plug and Charge",
        ),
    ],
)
def test_what_does_not_go_together(folder: Path, role: str, text: str, said: str) -> None:
    for one in ("secc", "evcc") if role == "both" else (role,):
        with pytest.raises(ConfigError, match=said):
            load(folder, one, text)


def test_what_cannot_be_read_is_named_in_its_own_table(folder: Path) -> None:
    (folder / "secc.key").chmod(0o644)
    text = ALL + '[tls]\npki = "p20"\n[tls.iso2]\ncertificate = "leaf.pem"\nkey = "secc.key"\n'
    with pytest.raises(ConfigError, match=r"^tls\.iso2\.key: "):
        source(folder, "secc", text)


def test_the_settings_of_an_edition_have_their_table(folder: Path) -> None:
    text = (
        ALL
        + '[session.iso2]\nenergy_transfer_modes = ["ac-three-phase-core"]\n'
        + "[session.iso2.timing]\nclose_wait = 1.5\n[session.din.timing]\nclose_wait = 2.5\n"
        + TWO
    )
    session = load(folder, "secc", text).session
    assert session.iso2.energy_transfer_modes == (EnergyTransferMode.AC_three_phase_core,)
    assert (session.iso2.timing.close_wait, session.din.timing.close_wait) == (1.5, 2.5)


def test_a_text_with_choices_is_one_of_them() -> None:
    from iso15118.secc import SeccConfig

    assert read_struct(SeccConfig, {"editions": ["din", "iso20"]}).editions == ("din", "iso20")
