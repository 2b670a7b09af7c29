"""``pki verify`` and ``explain``: the verdict on a chain, and what a file is in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from iso15118.cli.options import choices
from iso15118.cli.pki.common import (
    TRUST,
    AsJson,
    app,
    print_json,
    read_certificates,
    read_file,
    time_of,
)
from iso15118.cli.terminal import echo
from iso15118.errors import ConfigError, PkiError, TlsError
from iso15118.pki import Revocation, Verdict, verify_chain
from iso15118.pki.cases.make import ANCHOR_ROLES
from iso15118.pki.chain.parsed import parse
from iso15118.pki.chain.profiles import AnchorRole
from iso15118.pki.contents import PURPOSES
from iso15118.pki.explain import explain_certificates, explain_crl, explain_ocsp_response
from iso15118.pki.explain_folder import explain_folder, lines_of, read_folder
from iso15118.settings import choose
from iso15118.tls.client_hello import parse_client_hello

_NO_CLOCK = "none"


@app.command()
def explain(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Certificates, a ClientHello, an OCSP response or a list; or a folder of any of them."
        ),
    ],
    edition: Annotated[
        str | None, typer.Option(help="Edition to judge by (default: by the kind of key).")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Time to judge by, ISO 8601 (default: now).")] = None,
    as_json: AsJson = False,
) -> None:
    """Say in plain words what a file is, who trusts whom, and what is wrong; of a folder:
    with a verdict on each leaf.

    Exit status 4 if a chain in a folder is refused.
    """
    moment = time_of(at)
    if files[0].is_dir() and not (files[0] / "case.json").exists():
        _folder_said(files, edition, moment, as_json=as_json)
        return
    lines = _explained(files, edition, moment)
    if as_json:
        print_json({"files": [str(file) for file in files], "lines": list(lines)})
        return
    for line in lines:
        echo(line)


def _folder_said(folders: list[Path], edition: str | None, at: datetime, *, as_json: bool) -> None:
    refused = False
    for folder in folders:
        said = explain_folder(read_folder(folder), at=at, edition=edition)
        refused = refused or said.verdict == "refused"
        if as_json:
            print_json({"folder": str(folder)} | msgspec.to_builtins(said))
        else:
            for line in lines_of(said):
                echo(line)
    if refused:
        raise typer.Exit(TRUST)


def _explained(files: list[Path], edition: str | None, at: datetime) -> Iterator[str]:
    first, *others = files
    if first.is_dir():
        yield from _folder(first, edition, at)
        return
    data = read_file(first)
    if data[:2] == b"\x16\x03":
        try:
            hello = parse_client_hello(data)
        except TlsError as error:
            raise PkiError(f"{first}: {error}") from error
        if hello is None:
            raise PkiError(f"{first}: a ClientHello that is cut short")
        yield "ClientHello"
        yield from (f"   {line}" for line in hello.describe())
        yield from (f"wrong: {line}" for line in hello.objections())
        return
    if b"-----BEGIN" not in data:
        beside = [der for path in others for der in read_certificates(path)]
        for kind in (explain_ocsp_response, explain_crl):
            try:
                lines = list(kind(data, at=at, certificates=beside))
            except PkiError:
                continue
            yield from lines
            return
        if data[:1] != b"\x30":
            raise PkiError(
                f"{first}: no certificate (PEM or DER), ClientHello, OCSP response or revocation list"
            )
    yield from explain_certificates(
        [der for path in files for der in read_certificates(path)], at=at, edition=edition
    )


def _folder(folder: Path, edition: str | None, at: datetime) -> Iterator[str]:
    """What pki break wrote: the case, the chain that is sent, and the evidence on revocation."""
    try:
        case = msgspec.json.decode(read_file(folder / "case.json"), type=dict)
    except (OSError, msgspec.DecodeError) as error:
        raise PkiError(f"{folder}: no folder that pki break wrote; name the files in it") from error
    yield f"case {case.get('case')}: {case.get('about')}"
    chain, anchors, evidence = (
        sorted((folder / kind).glob("*.der")) for kind in ("chain", "anchors", "ocsp")
    )
    if not chain:
        yield f"{case.get('area')}: the certificates are in order, the fault is {case.get('edit')!r}; see case.json"
        return
    ders = [read_file(path) for path in (*chain, *anchors)]
    yield from explain_certificates(ders, at=at, edition=edition or case.get("policy"))
    for path in evidence:
        try:
            yield from explain_ocsp_response(read_file(path), at=at, certificates=ders)
        except PkiError as error:
            yield f"wrong ({path.name}): {error}"
    for path in sorted((folder / "crl").glob("*.der")):
        try:
            yield from explain_crl(read_file(path), at=at, certificates=ders)
        except PkiError as error:
            yield f"wrong ({path.name}): {error}"


@app.command()
def verify(
    chain: Annotated[list[Path], typer.Argument(help="Certificates, PEM or DER, the leaf first.")],
    role: Annotated[
        str, typer.Option(help="What the leaf is used as: secc, vehicle, contract, oemprov or cps.")
    ],
    anchor: Annotated[
        list[str],
        typer.Option(help="Trusted roots, PEM or DER, or KIND=FILE as in oem=root.pem; may be given again."),
    ],
    anchor_role: Annotated[
        str | None,
        typer.Option(
            help="Kind of roots given without one: v2g, oem, mo, cps or pe (default: by the role).",
            autocompletion=choices(*PURPOSES),
        ),
    ] = None,
    edition: Annotated[str, typer.Option(help="iso20, iso20amd1, iso2 or lab.")] = "iso20",
    at: Annotated[
        str | None, typer.Option(help="Time to judge by, ISO 8601; none: no clock is set (default: now).")
    ] = None,
    skew: Annotated[float, typer.Option(min=0, help="Seconds that the clock may be off.")] = 0.0,
    ocsp: Annotated[
        list[Path] | None, typer.Option(help="OCSP response (DER) of each certificate, the leaf's first.")
    ] = None,
    crl: Annotated[list[Path] | None, typer.Option(help="Revocation list (DER); may be given again.")] = None,
    demand_status: Annotated[
        bool, typer.Option("--demand-status", help="Every certificate needs an OCSP response or a list.")
    ] = False,
    private: Annotated[bool, typer.Option("--private", help="A private environment.")] = False,
    tolerate: Annotated[list[str] | None, typer.Option(help="Code of a violation to accept.")] = None,
    refuse: Annotated[
        list[str] | None,
        typer.Option(help="Code of a violation that counts, though the edition tolerates it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a certificate chain, and name every violation."""
    verdict = verify_chain(
        [der for path in chain for der in read_certificates(path)],
        role=role,
        anchors_der=_anchors(anchor, _kind(anchor_role) or ANCHOR_ROLES.get(role, "V2G")),
        at=None if at == _NO_CLOCK else time_of(at),
        edition=edition,
        environment="private" if private else "public",
        revocation=(
            Revocation(
                staples=tuple(read_file(path) for path in ocsp or ()),
                crls=tuple(read_file(path) for path in crl or ()),
            )
            if ocsp or crl or demand_status
            else None
        ),
        skew=timedelta(seconds=skew),
        tolerate=tolerate or (),
        refuse=refuse or (),
    )
    print_json(_plain(verdict)) if as_json else _print_text(verdict)
    if not verdict.ok:
        raise typer.Exit(TRUST)


def _kind(given: str | None) -> str | None:
    """A kind of root as it is typed, in the spelling of the library."""
    return None if given is None else choose("--anchor-role", given.lower(), PURPOSES).upper()


def _anchors(given: list[str], otherwise: str) -> dict[AnchorRole, list[bytes]]:
    found: dict[Any, list[bytes]] = {}  # whether a kind is one is for the check to say
    for one in given:
        kind, sign, file = one.partition("=")
        if sign and not Path(one).exists():
            found.setdefault(choose("--anchor", kind.lower(), PURPOSES).upper(), []).extend(
                read_certificates(Path(file))
            )
        else:
            found.setdefault(otherwise, []).extend(read_certificates(Path(one)))
    if not found:
        raise ConfigError("--anchor", "no root is trusted", "the file of a root")
    return found


def _plain(verdict: Verdict) -> dict[str, object]:
    return {
        "ok": verdict.ok,
        "violations": [_row(one) for one in verdict.violations],
        "tolerated": [_row(one) for one in verdict.tolerated],
        "path": list(verdict.path),
        "anchor": parse(verdict.anchor).name if verdict.anchor is not None else None,
    }


def _row(one: object) -> object:
    return {**msgspec.to_builtins(one), "alert": getattr(one, "alert", None), "text": str(one)}


def _print_text(verdict: Verdict) -> None:
    echo("ok" if verdict.ok else "refused")
    for one in verdict.violations:
        echo(f"  {one.code}: {one} ({one.level})")
    for one in verdict.tolerated:
        echo(f"  tolerated {one.code}: {one} ({one.level})")
