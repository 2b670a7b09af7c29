"""``iso15118 pki init`` and ``verify``: what they print, write and exit with."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from iso15118 import exi
from iso15118.messages.iso20.common_messages import AuthorizationReq
from tests.cli.rig import iso15118


def run(*arguments: str | Path) -> tuple[int, str]:
    printed = iso15118("pki", *(str(one) for one in arguments))
    assert "Traceback" not in printed.err
    return printed.status, printed.out + printed.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run("init", tmp_path / "pki", "--algorithm", "ed448")[0] == 0
    return tmp_path / "pki"


def judged(folder: Path, *options: str, leaf: str = "secc", role: str = "secc") -> tuple[int, str]:
    files = [folder / f"{name}.pem" for name in (leaf, "cpo-sub1", "cpo-sub2")]
    root = folder / "v2g-root.pem"
    return run("verify", *files, "--role", role, "--anchor", root, "--anchor-role", "V2G", *options)


def test_what_init_makes_is_accepted(folder: Path) -> None:
    assert judged(folder) == (0, "ok\n")
    status, text = judged(folder, "--json")
    assert status == 0
    assert json.loads(text) == {
        "ok": True,
        "violations": [],
        "tolerated": [],
        "path": [0, 2, 1],
        "anchor": "DC=V2G,O=Test,CN=V2GRootCA",
    }


def test_a_refused_chain_is_explained(folder: Path) -> None:
    status, text = judged(folder, "--at", "2099-01-01")
    assert status == 4
    assert text.startswith("refused\n")
    assert "expired: certificate 0: past its validity" in text
    status, text = judged(folder, "--json", leaf="vehicle")
    assert status == 4
    assert json.loads(text)["violations"][0]["code"] == "issuer-unknown"


def test_a_tolerated_violation_is_still_shown(folder: Path) -> None:
    status, text = judged(
        folder, "--at", "2099-01-01", "--tolerate", "expired", "--tolerate", "anchor-expired"
    )
    assert status == 0
    assert "tolerated expired" in text


def test_a_folder_with_something_in_it_is_left_alone(folder: Path) -> None:
    before = (folder / "secc.key").read_bytes()
    status, text = run("init", folder)
    assert status == 2
    assert "not empty" in text
    assert (folder / "secc.key").read_bytes() == before
    assert run("init", folder, "--force")[0] == 0
    assert (folder / "secc.key").read_bytes() != before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--edition", "iso21"], "iso20"),
        (["--at", "yesterday"], "--at"),
        (["--tolerate", "all"], "all"),
    ],
)
def test_wrong_options_name_themselves(folder: Path, options: list[str], said: str) -> None:
    status, text = judged(folder, *options)
    assert status == 2
    assert said in text


def test_a_file_that_is_missing_or_no_certificate(folder: Path) -> None:
    (folder / "cpo-sub1.pem").write_bytes(b"\x00\x01")
    status, text = judged(folder)
    assert status == 4
    assert "malformed" in text
    (folder / "cpo-sub1.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n!\n")
    assert judged(folder)[0] == 4
    (folder / "cpo-sub1.pem").unlink()
    assert judged(folder)[0] == 2  # a file that is not there says nothing of certificates


@pytest.mark.parametrize(
    ("edition", "role", "root"), [("iso2", "secc", "v2g-root"), ("iso20", "vehicle", "oem-root")]
)
def test_each_edition_makes_what_it_accepts(tmp_path: Path, edition: str, role: str, root: str) -> None:
    folder = tmp_path / edition
    assert run("init", folder, "--edition", edition)[0] == 0
    subs = ("cpo-sub2", "cpo-sub1") if role == "secc" else ("vehicle-sub2", "vehicle-sub1")
    files = [folder / f"{name}.pem" for name in (role, *subs)]
    kind = root.split("-")[0].upper()
    options: list[str | Path] = [
        "--role",
        role,
        "--anchor",
        folder / f"{root}.pem",
        "--anchor-role",
        kind,
        "--edition",
        edition,
    ]
    assert run("verify", *files, *options) == (0, "ok\n")


def test_more_leaves_are_issued_and_accepted(folder: Path) -> None:
    assert run("contract", folder, "DE-8AA-001234567-0")[0] == 0
    files = [folder / f"{name}.pem" for name in ("contract-de8aa0012345670", "mo-sub2", "mo-sub1")]
    root: list[str | Path] = ["--anchor", folder / "mo-root.pem", "--anchor-role", "MO"]
    assert run("verify", *files, "--role", "contract", *root) == (0, "ok\n")
    status, text = run("contract", folder, "DE-8AA-001234567-1")
    assert status == 2
    assert "check digit" in text
    assert run("contract", folder, "DE-8AA-001234567-0")[0] == 2  # there already
    assert run("issue", folder, "vehicle", "second-car", "--id", "WVWV123456789ABCDEF7")[0] == 0
    assert run("issue", folder, "vehicle", "../car")[0] == 2
    assert run("issue", folder, "lorry", "car")[0] == 2
    text = run("explain", folder / "second-car.pem")[1]
    assert "CN=WVWV123456789ABCDEF7, a vehicle in TLS" in text


def test_cases_are_listed_and_broken_one_by_one(tmp_path: Path) -> None:
    status, text = run("cases")
    assert status == 0
    assert "expired-leaf" in text
    listed = json.loads(run("cases", "--json", "--area", "revocation")[1])
    assert {one["name"] for one in listed} >= {"revoked-leaf", "list-stale"}
    for name in (
        "expired-sub2",
        "revoked-leaf",
        "garbage-leaf",
        "list-stale",
        "client-only-aes-128",
        "top-bits-set",
    ):
        folder = tmp_path / name
        status, text = run("break", folder, "--case", name, "--json")
        assert status == 0, text
        told = json.loads(text)
        assert json.loads((folder / "case.json").read_bytes()) == told
        assert (folder / "v2g-root.pem").exists()
    status, text = run("break", tmp_path / "none", "--case", "expired-leave")
    assert status == 2
    assert "expired-leaf" in text
    status, text = run("break", tmp_path / "none", "--case", "emaid-check-digit", "--role", "secc")
    assert status == 2
    assert "contract/iso20/p521" in text


def test_what_is_broken_is_refused_by_verify_and_explained(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    assert run("break", folder, "--case", "revoked-sub2", "--role", "secc", "--algorithm", "ed448")[0] == 0
    chain = [folder / "chain" / f"{place}.der" for place in range(3)]
    options: list[str | Path] = [
        "--role",
        "secc",
        "--anchor",
        folder / "anchors" / "0.der",
        "--anchor-role",
        "V2G",
    ]
    assert run("verify", *chain, *options) == (0, "ok\n")
    for place in range(3):
        options += ["--ocsp", folder / "ocsp" / f"{place}.der"]
    status, text = run("verify", *chain, *options)
    assert status == 4
    assert "revoked: certificate 1" in text
    assert "revoked, from" in run("explain", folder / "ocsp" / "1.der")[1]
    folder = tmp_path / "c"
    assert run("break", folder, "--case", "list-names-leaf", "--role", "contract")[0] == 0
    assert "1 certificates revoked" in run("explain", folder / "crl" / "0.der")[1]
    expired = tmp_path / "d"
    assert run("break", expired, "--case", "expired-leaf", "--role", "contract")[0] == 0
    status, text = run(
        "explain", *(expired / "chain" / f"{n}.der" for n in range(3)), expired / "anchors" / "0.der"
    )
    assert status == 0
    assert "wrong (expired, rfc5280)" in text


def test_a_client_hello_is_explained(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    (tmp_path / "hello").write_bytes(outgoing.read())
    status, text = run("explain", tmp_path / "hello")
    assert status == 0
    assert "versions: TLSv1.3, TLSv1.2" in text
    assert "wrong: no certificate_authorities" in text
    (tmp_path / "hello").write_bytes((tmp_path / "hello").read_bytes()[:50])
    assert run("explain", tmp_path / "hello")[0] == 4


def word(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(f"{text}\n")
    return path


def test_export_and_import(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, secret = tmp_path / "contract.p12", word(tmp_path / "word", "secret")
    assert run("export", folder, "contract", file, "--passphrase-file", secret)[0] == 0
    assert file.stat().st_mode & 0o777 == 0o600
    status, text = run("import", file, tmp_path / "store", "--passphrase-file", secret)
    assert status == 0
    assert "DE8AACA2B3C4D5" in text
    assert (tmp_path / "store" / "contracts" / "DE8AACA2B3C4D5" / "key.pem").exists()
    wrong = word(tmp_path / "wrong", "wrong")
    assert run("import", file, tmp_path / "store", "--passphrase-file", wrong)[0] == 4
    monkeypatch.setenv("ISO15118_PASSPHRASE", "secret")
    assert run("import", file, tmp_path / "store")[0] == 0
    monkeypatch.setenv("ISO15118_PASSPHRASE", "")
    status, text = run("export", folder, "contract", tmp_path / "open.pem")
    assert (status, "ISO15118_PASSPHRASE is empty" in text) == (2, True)
    assert not (tmp_path / "open.pem").exists()
    monkeypatch.delenv("ISO15118_PASSPHRASE")
    secret.chmod(0o644)
    status, text = run("import", file, tmp_path / "store", "--passphrase-file", secret)
    assert (status, f"chmod 600 {secret}" in text) == (2, True)
    assert run("export", folder, "contract", tmp_path / "contract.jks")[0] == 2
    assert run("export", folder, "nobody", tmp_path / "n.pem")[0] == 2
    assert run("export", folder, "secc", tmp_path / "secc.pem")[0] == 0
    assert run("import", tmp_path / "secc.pem", tmp_path / "store", "--name", "secc")[0] == 0


def test_a_fleet_is_issued(folder: Path, tmp_path: Path) -> None:
    status, text = run("fleet", folder, tmp_path / "fleet", "--vehicles", "2", "--json")
    assert status == 0
    assert json.loads(text)["certificates"] == 10


def test_names_that_are_no_identifiers_are_refused_unless_asked_for(folder: Path, tmp_path: Path) -> None:
    for option, text in (("--seccid", "foo"), ("--evccid", "WVWV123456789ABCDEF8"), ("--organization", "")):
        status, said = run("init", tmp_path / "x", option, text)
        assert status == 2
        assert option in said
    assert not (tmp_path / "x").exists()
    assert run("issue", folder, "secc", "odd", "--id", "foo")[0] == 2
    assert run("issue", folder, "secc", "odd", "--id", "foo", "--unchecked")[0] == 0
    for like in ("cpo-sub2", "v2g-root", "oem-root-by-v2g"):
        status, said = run("issue", folder, like, "odd2")
        assert status == 2
        assert "no leaf" in said


def test_algorithms_are_mixed_by_option(tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    assert run("init", mixed, "--mix", "cpo-sub1=ed448", "--vehicle-algorithm", "ed448")[0] == 0
    status, text = judged(mixed)
    assert status == 4
    assert "mixed-algorithms: certificate 1" in text
    status, text = judged(mixed, "--tolerate", "mixed-algorithms")
    assert status == 0
    for wrong in ("cpo-sub1", "nobody=ed448", "secc=rsa"):
        assert run("init", tmp_path / "x", "--mix", wrong)[0] == 2


def test_verify_knows_no_clock_kinds_of_anchors_and_demands(folder: Path) -> None:
    status, text = judged(folder, "--at", "none", "--json")
    assert status == 4
    assert [one["code"] for one in json.loads(text)["violations"]] == ["clock-not-set"]
    status, text = judged(folder, "--demand-status")
    assert status == 4
    assert text.count("status-missing") == 3
    files = [
        folder / f"{name}.pem" for name in ("vehicle", "vehicle-sub1", "vehicle-sub2", "oem-root-by-v2g")
    ]
    both = ["--anchor", f"V2G={folder / 'v2g-root.pem'}", "--anchor", f"OEM={folder / 'oem-root.pem'}"]
    status, text = run("verify", *files, "--role", "vehicle", *both, "--json")
    assert status == 0
    assert json.loads(text)["anchor"] == "DC=OEM,O=Test,CN=OEMRootCA"
    status, text = run("verify", *files, "--role", "vehicle", "--anchor", f"XY={folder / 'oem-root.pem'}")
    assert status == 2
    assert "did you mean 'v2g'" in text


def test_private_environments_and_cross_certificates_are_explained(folder: Path) -> None:
    status, text = run("explain", folder / "pe-secc.pem", folder / "pe-root.pem")
    assert status == 0
    assert "judged as in a private environment" in text
    assert "verdict: good as a charging station" in text
    names = ("oemprov", "oem-sub2", "oem-sub1", "oem-root-by-v2g", "v2g-root")
    text = run("explain", *(folder / f"{name}.pem" for name in names))[1]
    assert "3: cross-certificate DC=OEM,O=Test,CN=OEMRootCA" in text
    assert "trust: DC=V2G,O=Test,CN=V2GRootCA, which vouches for DC=OEM,O=Test,CN=OEMRootCA" in text
    text = run("explain", folder / "secc.pem")[1]
    assert "missing: the certificate of DC=V2G,O=Test,CN=CPOSubCA2" in text
    text = run("explain", folder / "ocsp-cpo-sub2.pem")[1]
    assert "verdict: an OCSP responder" in text
    status, text = run("explain", folder / "secc.key")
    assert status == 4
    assert "a private key, no certificate" in text
    status, text = run("explain", folder / "pki.json")
    assert status == 4
    assert "no certificate (PEM or DER), ClientHello" in text


def test_a_broken_folder_is_explained_with_its_evidence(tmp_path: Path) -> None:
    for case, said in (
        ("revoked-leaf", "wrong (revoked, rfc5280)"),
        ("list-names-leaf", "is revoked"),
        ("garbage-leaf", "0: not a certificate"),
        ("reference-twice", "the fault is 'twice'"),
    ):
        folder = tmp_path / case
        assert run("break", folder, "--case", case, "--algorithm", "ed448")[0] == 0
        status, text = run("explain", folder)
        assert status == 0, text
        assert said in text
    assert run("explain", tmp_path)[0] == 4
    assert run("cases", "--area", "nothing")[0] == 2


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
def test_a_wrong_message_is_written_with_its_pki(tmp_path: Path, algorithm: str) -> None:
    folder = tmp_path / "signature"
    options = ("--role", "contract", "--algorithm", algorithm)
    assert run("break", folder, "--case", "reference-twice", *options)[0] == 0
    message = exi.decode("iso20-common", (folder / "message" / "authorization-req.exi").read_bytes())
    assert isinstance(message, AuthorizationReq)
    assert message.header.signature is not None
    assert len(message.header.signature.signed_info.reference) == 2
    folder = tmp_path / "key"
    assert (
        run("break", folder, "--case", "key-too-long", "--role", "oemprov", "--algorithm", algorithm)[0] == 0
    )
    blob = (folder / "message" / "encrypted-private-key.bin").read_bytes()
    assert len(blob) == {"p521": 94, "ed448": 84}[algorithm] + 6
    assert (folder / "transported-contract.pem").exists()


def test_roots_and_der_go_into_the_store_and_are_listed(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    secret = ("--store-passphrase-file", word(tmp_path / "word", "correct horse"))
    assert run("export", folder, "v2g-root", tmp_path / "root.der")[0] == 0
    assert run("import", tmp_path / "root.der", store, "--anchor", "v2g", *secret)[0] == 0
    assert run("export", folder, "contract", tmp_path / "c.der", "--key", tmp_path / "c.key")[0] == 0
    assert (tmp_path / "c.key").stat().st_mode & 0o777 == 0o600
    assert run("import", tmp_path / "c.der", store)[0] == 4  # without its key
    assert run("import", tmp_path / "c.der", store, "--key", tmp_path / "c.key", *secret)[0] == 0
    assert run("import", folder / "secc.pem", store, "--anchor", "v2g")[0] == 4  # no root
    assert run("export", folder, "secc", tmp_path / "secc.pem")[0] == 0
    status, text = run("import", tmp_path / "secc.pem", store, *secret)
    assert status == 4
    assert "is no EMAID" in text
    status, text = run("store", store, *secret)
    assert status == 0
    assert "v2g root" in text
    assert "DE8AACA2B3C4D5" in text
    status, text = run("store", store)
    assert status == 4
    assert "the passphrase is needed" in text
    assert "horse" not in text
    assert run("export", store, "DE8AACA2B3C4D5", tmp_path / "again.p12", *secret)[0] == 0
    assert run("export", store, "nobody", tmp_path / "again.p12", *secret)[0] == 2
    assert run("store", tmp_path / "none")[0] == 4
    key = store / "contracts" / "DE8AACA2B3C4D5" / "key.pem"
    key.chmod(0o644)
    status, text = run("store", store, *secret)
    assert status == 4
    assert f"chmod 600 {key}" in text
    assert "v2g root" in text
    status, text = run("export", store, "DE8AACA2B3C4D5", tmp_path / "again.p12", *secret)
    assert (status, f"chmod 600 {key}" in text) == (4, True)
    assert len(json.loads(run("store", store, *secret, "--json")[1].splitlines()[0])["problems"]) == 1


def test_a_cluster_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    status, text = run("fleet", folder, tmp_path / "fleet", "--dask", "nonsense://x")
    assert status == 2
    assert "dask" in text
