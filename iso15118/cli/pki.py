"""``iso15118 pki``: make test PKIs, good ones and broken ones, and judge and explain what others made.

Results go to stdout, as text or with ``--json`` as one JSON object; what went wrong goes to stderr. Exit
status: 0 as asked, 2 wrong options or configuration, 4 a chain that is refused or a certificate that cannot
be used.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iso15118.aio.ocsp import run_ocsp
from iso15118.errors import ConfigError, PkiError, TlsError
from iso15118.pki import IssuedPki, Verdict, issue_test_pki, load, load_profile, verify_chain
from iso15118.pki.cases import all_cases, find_case, variants
from iso15118.pki.cases.write import write_case
from iso15118.pki.exchange import FORMATS, export_credential, import_credential
from iso15118.pki.explain import explain_certificates, explain_crl, explain_ocsp_response
from iso15118.pki.fleet import issue_fleet, write_fleet
from iso15118.pki.identifiers import IDENTIFIERS
from iso15118.pki.issue import (
    DEFAULT_EMAID,
    DEFAULT_EVCCID,
    DEFAULT_PCID,
    DEFAULT_SECCID,
    issue_leaf,
)
from iso15118.pki.responder import ANSWERS, OcspResponder
from iso15118.pki.revocation import Revocation
from iso15118.pki.store import Store
from iso15118.tls.client_hello import parse_client_hello

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Certificates: make test PKIs, good and broken; judge and explain."
)

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


Directory = Annotated[Path, typer.Argument(help="Folder to write to; it must be empty or not there yet.")]
Existing = Annotated[Path, typer.Argument(help="Folder that pki init wrote.")]
Edition = Annotated[str, typer.Option(help="Certificate profiles: iso20, iso20amd1, iso2 or lab.")]
Algorithm = Annotated[
    str | None,
    typer.Option(help="p521 or ed448; p256 with --edition iso2 or lab. Default: the edition's first."),
]
Force = Annotated[bool, typer.Option(help="Write over what is in the folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def init(
    directory: Directory,
    edition: Edition = "iso20",
    algorithm: Algorithm = None,
    vehicle_algorithm: Annotated[
        str | None, typer.Option(help="Another algorithm for the branches under the OEM root.")
    ] = None,
    seccid: Annotated[str, typer.Option(help="Common name of the charging station.")] = DEFAULT_SECCID,
    evccid: Annotated[str, typer.Option(help="Common name of the vehicle.")] = DEFAULT_EVCCID,
    emaid: Annotated[str, typer.Option(help="Common name of the contract.")] = DEFAULT_EMAID,
    pcid: Annotated[str, typer.Option(help="Common name of the provisioning certificate.")] = DEFAULT_PCID,
    organization: Annotated[str, typer.Option(help="Organization in every name.")] = "Test",
    responders: Annotated[bool, typer.Option(help="With an OCSP responder for each CA.")] = True,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a test PKI: V2G, OEM, MO and private roots, Sub-CAs, and a leaf for each role."""
    with _told():
        _check_empty(directory, force)
        made = issue_test_pki(
            edition,
            algorithm or _first_algorithm(edition),
            at=datetime.now(UTC),
            vehicle_algorithm=vehicle_algorithm,
            organization=organization,
            seccid=seccid,
            evccid=evccid,
            emaid=emaid,
            pcid=pcid,
            responders=responders,
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
def issue(
    directory: Existing,
    like: Annotated[str, typer.Argument(help="Row of the profile: secc, vehicle, contract, oemprov, cps...")],
    name: Annotated[str, typer.Argument(help="What the files are called.")],
    identifier: Annotated[str | None, typer.Option("--id", help="SECCID, EVCCID, EMAID or PCID.")] = None,
    algorithm: Algorithm = None,
    organization: Annotated[str, typer.Option(help="Organization in the name.")] = "Test",
    as_json: AsJson = False,
) -> None:
    """Issue one more leaf in a test PKI, of the profile of a certificate that it has."""
    with _told():
        pki = _new_name(load(directory), name)
        kind = {"secc": "seccid", "pe-secc": "seccid", "vehicle": "evccid", "contract": "emaid"}.get(
            like, "pcid"
        )
        names = {kind: identifier} if identifier is not None else None
        made = issue_leaf(
            pki, like, name, at=datetime.now(UTC), names=names, organization=organization, algorithm=algorithm
        )
        made.write(directory)
    _say(as_json, {"directory": str(directory), "certificate": name}, f"{directory / name}.pem")


@app.command()
def contract(
    directory: Existing,
    emaid: Annotated[str, typer.Argument(help="EMAID, with or without check digit and hyphens.")],
    name: Annotated[
        str | None, typer.Option(help="What the files are called (default: by the EMAID).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Issue a contract certificate in a test PKI."""
    with _told():
        if not IDENTIFIERS["EMAID"](emaid, "any"):
            raise ConfigError(
                "EMAID", f"{emaid[:80]!r} is no EMAID, or its check digit is wrong", "DE-8AA-CA2B3C4D5"
            )
        called = name or f"contract-{emaid.replace('-', '').lower()}"
        pki = _new_name(load(directory), called)
        made = issue_leaf(pki, "contract", called, at=datetime.now(UTC), names={"emaid": emaid})
        made.write(directory)
    _say(as_json, {"directory": str(directory), "certificate": called}, f"{directory / called}.pem")


@app.command()
def fleet(
    directory: Existing,
    out: Annotated[Path, typer.Argument(help="Folder to write to; it must be empty or not there yet.")],
    vehicles: Annotated[int, typer.Option(min=1, help="How many vehicles.")] = 10,
    contracts: Annotated[int, typer.Option(min=0, help="Contracts of each vehicle.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes that issue.")] = 2,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Issue certificates for many vehicles under a test PKI, with a manifest."""
    with _told():
        _check_empty(out, force)
        with ProcessPoolExecutor(workers) as executor:
            made = issue_fleet(
                load(directory), vehicles, contracts=contracts, at=datetime.now(UTC), executor=executor
            )
            count = write_fleet(made, out)
    _say(
        as_json,
        {"directory": str(out), "certificates": count},
        f"{out}: {count} certificates, manifest.jsonl",
    )


@app.command(name="export")
def export_(
    directory: Existing,
    name: Annotated[str, typer.Argument(help="Certificate to export, with its chain and key.")],
    out: Annotated[Path, typer.Argument(help="File to write: .p12, .pem or .der (the leaf alone).")],
    passphrase: Annotated[
        str | None, typer.Option(envvar="ISO15118_PASSPHRASE", help="Encrypts the key.", show_envvar=True)
    ] = None,
) -> None:
    """Export a chain and its key as PKCS#12, PEM or DER."""
    with _told():
        kind = out.suffix.removeprefix(".")
        if kind not in FORMATS:
            raise ConfigError(
                "OUT", f"{out.name} is of no known kind", "a name that ends in .p12, .pem or .der"
            )
        pki = load(directory)
        pki.chain(name)
        secret = passphrase.encode() if passphrase else None
        data = export_credential(pki.credential(name), kind, passphrase=secret, name=name)
        out.touch(mode=0o600)
        out.write_bytes(data)
    typer.echo(str(out))


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="PKCS#12 or PEM with a key and its certificates.")],
    out: Annotated[Path, typer.Argument(help="Certificate store to put it in.")],
    name: Annotated[str | None, typer.Option(help="Name of our own chain; without it, a contract.")] = None,
    passphrase: Annotated[
        str | None, typer.Option(envvar="ISO15118_PASSPHRASE", help="Decrypts the key.", show_envvar=True)
    ] = None,
) -> None:
    """Import a chain and its key into a certificate store."""
    with _told():
        credential = import_credential(
            file.read_bytes(), passphrase=passphrase.encode() if passphrase else None
        )
        store = Store(out)
        if name is not None:
            store.add_own(name, credential)
        said = name or store.add_contract(credential)
    typer.echo(f"{out}: {said}")


@app.command()
def cases(
    area: Annotated[
        str | None, typer.Option(help="path, profile, revocation, tls, signature or installation.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the named negative cases."""
    listed = [one for one in all_cases().values() if area in (None, one.area)]
    if as_json:
        _print_json([_case_row(one) for one in listed])
        return
    for one in listed:
        expected = ", ".join(one.expect.codes) or "accepted"
        typer.echo(f"{one.name:<36}{one.area:<14}{expected:<40}{one.about}")
    typer.echo(f"{len(listed)} cases")


@app.command(name="break")
def break_(
    directory: Directory,
    case: Annotated[str, typer.Option(help="Name of the case; see pki cases.")],
    role: Annotated[
        str | None, typer.Option(help="Role whose chain is broken (default: the first it applies to).")
    ] = None,
    edition: Annotated[str | None, typer.Option(help="iso2 or iso20.")] = None,
    algorithm: Algorithm = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a complete PKI with exactly one defect, and what a receiver must say to it."""
    with _told():
        _check_empty(directory, force)
        fitting = [
            one
            for one in variants(find_case(case))
            if role in (None, one.role)
            and edition in (None, one.edition)
            and algorithm in (None, one.algorithm)
        ]
        if not fitting:
            known = sorted({f"{one.role}/{one.edition}/{one.algorithm}" for one in variants(find_case(case))})
            raise ConfigError("case", f"{case!r} does not apply to that", f"it applies to {', '.join(known)}")
        chosen = next((one for one in fitting if edition is None and one.edition == "iso20"), fitting[0])
        told = write_case(chosen, directory, at=datetime.now(UTC).replace(microsecond=0))
    expected = told["expected"]
    said = "accepted" if expected["accepted"] else f"refused with {', '.join(expected['codes'])}"
    _say(as_json, told, f"{directory}: {told['about']} ({chosen.role}, {chosen.algorithm}); must be {said}")


@app.command(name="serve-ocsp")
def serve_ocsp(
    directory: Existing,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 for any.")] = 8080,
    answer: Annotated[str, typer.Option(help=f"What is said: {', '.join(ANSWERS)}.")] = "good",
    say: Annotated[
        list[str] | None, typer.Option(help="NAME=ANSWER for one certificate; may be given again.")
    ] = None,
    delay: Annotated[float, typer.Option(min=0, max=600, help="Seconds before each answer.")] = 0.0,
) -> None:
    """Answer OCSP requests about a test PKI over HTTP, rightly or wrongly, until interrupted."""
    with _told():
        script = dict(one.partition("=")[::2] for one in say or ())
        responder = OcspResponder(load(directory), answer=answer, script=script)  # type: ignore[arg-type]
        with suppress(KeyboardInterrupt):
            run_ocsp(
                responder,
                host=host,
                port=port,
                delay=delay,
                started=lambda at, on: typer.echo(f"http://{at}:{on}/ answers {answer}"),
            )


@app.command()
def explain(
    files: Annotated[
        list[Path], typer.Argument(help="Certificates, a ClientHello, an OCSP response or a list.")
    ],
    edition: Annotated[
        str | None, typer.Option(help="Edition to judge by (default: by the kind of key).")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Time to judge by, ISO 8601 (default: now).")] = None,
) -> None:
    """Say in plain words what a file is, who trusts whom, and what is wrong."""
    with _told():
        for line in _explained(files, edition, _time(at)):
            typer.echo(line)


def _explained(files: list[Path], edition: str | None, at: datetime) -> Iterator[str]:
    data = files[0].read_bytes()
    if data[:2] == b"\x16\x03":
        try:
            hello = parse_client_hello(data)
        except TlsError as error:
            raise PkiError(f"{files[0]}: {error}") from error
        if hello is None:
            raise PkiError(f"{files[0]}: a ClientHello that is cut short")
        yield "ClientHello"
        yield from (f"   {line}" for line in hello.describe())
        yield from (f"wrong: {line}" for line in hello.objections())
        return
    if b"-----BEGIN" not in data:
        for kind in (explain_ocsp_response, explain_crl):
            try:
                yield from list(kind(data, at=at))
            except PkiError:
                continue
            return
    yield from explain_certificates([der for path in files for der in _read(path)], at=at, edition=edition)


def _check_empty(directory: Path, force: bool) -> None:
    if not force and directory.is_dir() and any(directory.iterdir()):
        raise ConfigError("DIRECTORY", f"{directory} is not empty", "--force writes over it")


def _first_algorithm(edition: str) -> str:
    return next(iter(load_profile(edition).algorithms))


def _new_name(pki: IssuedPki, name: str) -> IssuedPki:
    if name in pki.certificates:
        raise ConfigError("NAME", f"there is a certificate {name!r} already", "choose another name")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError("NAME", f"{name!r} is no name for files", "letters, digits, - and _")
    return pki


def _case_row(one: object) -> object:
    return msgspec.to_builtins(one)


def _say(as_json: bool, told: object, line: str) -> None:
    _print_json(told) if as_json else typer.echo(line)


@app.command()
def verify(
    chain: Annotated[list[Path], typer.Argument(help="Certificates, PEM or DER, the leaf first.")],
    role: Annotated[
        str, typer.Option(help="What the leaf is used as: secc, vehicle, contract, oemprov or cps.")
    ],
    anchor: Annotated[list[Path], typer.Option(help="Trusted roots, PEM or DER; may be given again.")],
    anchor_role: Annotated[str, typer.Option(help="Kind of these roots: V2G, OEM, MO, CPS or PE.")],
    edition: Annotated[str, typer.Option(help="iso20, iso20amd1, iso2 or lab.")] = "iso20",
    at: Annotated[str | None, typer.Option(help="Time to judge by, ISO 8601 (default: now).")] = None,
    ocsp: Annotated[
        list[Path] | None, typer.Option(help="OCSP response (DER) of each certificate, the leaf's first.")
    ] = None,
    crl: Annotated[list[Path] | None, typer.Option(help="Revocation list (DER); may be given again.")] = None,
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
            revocation=(
                Revocation(
                    staples=tuple(path.read_bytes() for path in ocsp or ()),
                    crls=tuple(path.read_bytes() for path in crl or ()),
                )
                if ocsp or crl
                else None
            ),
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
