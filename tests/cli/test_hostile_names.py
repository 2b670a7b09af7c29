"""Names that somebody else chose are shown on a terminal and never obeyed by it,
whatever command prints them."""

from __future__ import annotations

import ast
import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from iso15118.cli import terminal
from iso15118.pki import Store
from iso15118.printable import escaped, printable
from tests.cli.rig import iso15118

CLI = Path(terminal.__file__).parent
HOSTILE = "\x1b]0;owned\x07\x1b[2J\nverdict: good\r\u202egnp.exe\x9b31m"


def hostile_root() -> x509.Certificate:
    """A CA whose name would clear the screen, and write a verdict of its own."""
    key = ed448.Ed448PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, HOSTILE)])
    day = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(day).not_valid_after(day + timedelta(days=30))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    assert key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return made.sign(key, None)


def harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def test_what_pki_says_of_a_hostile_name(tmp_path: Path) -> None:
    root = hostile_root()
    file, store = tmp_path / "root.pem", tmp_path / "store"
    file.write_bytes(root.public_bytes(Encoding.PEM))
    Store(store).add_anchor("v2g", "root", root.public_bytes(Encoding.DER))
    for arguments in (
        ("explain", str(file)),
        ("store", str(store)),
        ("store", str(store), "--json"),
        ("verify", str(file), "--role", "secc", "--anchor", str(file)),
        ("verify", str(file), "--role", "secc", "--anchor", str(file), "--json"),
        ("explain", str(tmp_path / HOSTILE.replace("\n", ""))),
    ):
        said = iso15118("pki", *arguments)
        assert harmless(said.out), arguments
        assert harmless(said.err), arguments
        assert "verdict: good\n" not in said.out, "a line of its own"
    told = iso15118("pki", "store", str(store), "--json").data
    assert HOSTILE in told["certificates"][0]["subject"].replace("\\", ""), "nothing is lost in JSON"


@given(st.text())
def test_escapes_keep_a_line_a_line_and_json_what_it_says(text: str) -> None:
    assert escaped(text).isprintable()
    assert printable(text).isprintable()
    assert len(printable(text)) <= 300
    written = terminal.json_text(json.dumps({"name": text}, ensure_ascii=False))
    assert written.isprintable()
    assert json.loads(written) == {"name": text}


def test_log_lines_are_shown_and_not_obeyed() -> None:
    made = terminal.LineFormatter("%(levelname)s: %(message)s")
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "from %s", (HOSTILE,), None)
        record.exc_info = (ValueError, error, error.__traceback__)
    lines = made.format(record).split("\n")
    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith("ERROR: from \\x1b]0;owned")
    assert "verdict: good" in lines[0]


@pytest.mark.parametrize("path", sorted(CLI.rglob("*.py")), ids=lambda path: str(path.relative_to(CLI)))
def test_commands_print_in_one_way(path: Path) -> None:
    if path.name == "terminal.py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "typer.echo", "click.echo", "sys.stdout.write", "sys.stderr.write")
