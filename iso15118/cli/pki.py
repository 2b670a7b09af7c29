"""``iso15118 pki``: make a test PKI, and judge a certificate chain in plain words.

Results go to stdout, as text or with ``--json`` as one JSON object; what went wrong goes to stderr. Exit
status: 0 as asked, 2 wrong options or configuration, 4 a chain that is refused or a certificate that cannot
be used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iso15118.errors import ConfigError, PkiError
from iso15118.pki import Verdict, issue_test_pki, verify_chain
from iso15118.pki.issue import DEFAULT_EVCCID, DEFAULT_SECCID

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Certificates: make a test PKI, judge a chain.")

_CONFIGURATION = 2
_TRUST = 4


@contextmanager
def _told() -> Iterator[None]:
    """Our errors as one line on stderr and the exit status that belongs to them."""
    try:
        yield
    except ConfigError as error:
        typer.echo(f"iso15118 pki: {error}", err=True)
        raise typer.Exit(_CONFIGURATION) from None
    except (PkiError, OSError) as error:
        typer.echo(f"iso15118 pki: {error}", err=True)
        raise typer.Exit(_TRUST) from None


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="Folder to write to; it must be empty or not there yet.")],
    edition: Annotated[str, typer.Option(help="Certificate profiles: iso20 or lab.")] = "iso20",
    algorithm: Annotated[str, typer.Option(help="p521 or ed448; p256 with --edition lab.")] = "p521",
    vehicle_algorithm: Annotated[
        str | None, typer.Option(help="Another algorithm for the vehicle's branch.")
    ] = None,
    seccid: Annotated[str, typer.Option(help="Common name of the charging station.")] = DEFAULT_SECCID,
    evccid: Annotated[str, typer.Option(help="Common name of the vehicle.")] = DEFAULT_EVCCID,
    organization: Annotated[str, typer.Option(help="Organization in every name.")] = "Test",
    force: Annotated[bool, typer.Option(help="Write over what is in the folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a test PKI: V2G and OEM root, Sub-CAs, and leaves for a charging station and a vehicle."""
    with _told():
        if not force and directory.is_dir() and any(directory.iterdir()):
            raise ConfigError("DIRECTORY", f"{directory} is not empty", "--force writes over it")
        made = issue_test_pki(
            edition,
            algorithm,
            at=datetime.now(UTC),
            vehicle_algorithm=vehicle_algorithm,
            organization=organization,
            seccid=seccid,
            evccid=evccid,
        )
        made.write(directory)
    if as_json:
        _print_json(
            {"directory": str(directory), "edition": edition, "certificates": list(made.certificates)}
        )
    else:
        typer.echo(f"{directory}: {', '.join(made.certificates)}")
        typer.echo("Keys are unencrypted and for tests only.")


@app.command()
def verify(
    chain: Annotated[list[Path], typer.Argument(help="Certificates, PEM or DER, the leaf first.")],
    role: Annotated[str, typer.Option(help="What the leaf is used as: secc or vehicle.")],
    anchor: Annotated[list[Path], typer.Option(help="Trusted roots, PEM or DER; may be given again.")],
    anchor_role: Annotated[str, typer.Option(help="Kind of these roots: V2G, OEM, MO, CPS or PE.")],
    edition: Annotated[str, typer.Option(help="iso20, iso2 or lab.")] = "iso20",
    at: Annotated[str | None, typer.Option(help="Time to judge by, ISO 8601 (default: now).")] = None,
    private: Annotated[bool, typer.Option(help="A private environment.")] = False,
    tolerate: Annotated[list[str] | None, typer.Option(help="Code of a violation to accept.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge a certificate chain, and name every violation."""
    with _told():
        verdict = verify_chain(
            [der for path in chain for der in _read(path)],
            role=role,
            anchors_der=[der for path in anchor for der in _read(path)],
            anchor_role=anchor_role,
            at=_time(at),
            edition=edition,
            environment="private" if private else "public",
            tolerate=tolerate or (),
        )
    _print_json(_plain(verdict)) if as_json else _print_text(verdict)
    if not verdict.ok:
        raise typer.Exit(_TRUST)


def _read(path: Path) -> list[bytes]:
    """Certificates of a file; what is no PEM is left as it is for the check to judge."""
    data = path.read_bytes()
    if b"-----BEGIN" not in data:
        return [data]
    try:
        return [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(data)]
    except ValueError as error:
        raise PkiError(f"{path}: {error}") from error


def _time(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError("--at", str(error), "for example 2027-01-01T00:00:00Z") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _plain(verdict: Verdict) -> dict[str, object]:
    return {
        "ok": verdict.ok,
        "violations": [_row(one) for one in verdict.violations],
        "tolerated": [_row(one) for one in verdict.tolerated],
    }


def _row(one: object) -> object:
    return {**msgspec.to_builtins(one), "text": str(one)}


def _print_text(verdict: Verdict) -> None:
    typer.echo("ok" if verdict.ok else "refused")
    for one in verdict.violations:
        typer.echo(f"  {one.code}: {one}")
    for one in verdict.tolerated:
        typer.echo(f"  tolerated {one.code}: {one}")


def _print_json(value: object) -> None:
    typer.echo(msgspec.json.encode(value).decode())
