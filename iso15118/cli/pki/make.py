"""``pki init``, ``issue``, ``contract``, ``fleet``: certificates made from the profiles."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from iso15118.cli.pki.common import (
    Algorithm,
    AsJson,
    Directory,
    Existing,
    Force,
    app,
    check_empty,
    print_json,
    say,
)
from iso15118.cli.terminal import echo
from iso15118.errors import ConfigError
from iso15118.pki import IssuedPki, issue_test_pki, load, load_profile
from iso15118.pki.chain.identifiers import IDENTIFIERS, fault_of
from iso15118.pki.issuing.fleet import dask_executor, issue_fleet, write_fleet
from iso15118.pki.issuing.issue import (
    DEFAULT_EMAID,
    DEFAULT_EVCCID,
    DEFAULT_PCID,
    DEFAULT_SECCID,
    issue_leaf,
)

Edition = Annotated[str, typer.Option(help="Certificate profiles: iso20, iso20amd1, iso2 or lab.")]
Unchecked = Annotated[bool, typer.Option("--unchecked", help="Take identifiers that are none.")]

_NAMED = {"secc": "SECCID", "pe-secc": "SECCID", "vehicle": "EVCCID", "contract": "EMAID", "oemprov": "PCID"}
"""Which identifier is the common name of a row."""
_LONGEST_NAME = 64


@app.command()
def init(
    directory: Directory,
    edition: Edition = "iso20",
    algorithm: Algorithm = None,
    vehicle_algorithm: Annotated[
        str | None, typer.Option(help="Another algorithm for the branches under the OEM root.")
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option(help="NAME=ALGORITHM for a certificate and all under it; may be given again."),
    ] = None,
    seccid: Annotated[str, typer.Option(help="Common name of the charging station.")] = DEFAULT_SECCID,
    evccid: Annotated[str, typer.Option(help="Common name of the vehicle.")] = DEFAULT_EVCCID,
    emaid: Annotated[str, typer.Option(help="Common name of the contract.")] = DEFAULT_EMAID,
    pcid: Annotated[str, typer.Option(help="Common name of the provisioning certificate.")] = DEFAULT_PCID,
    organization: Annotated[str, typer.Option(help="Organization in every name.")] = "Test",
    responders: Annotated[bool, typer.Option(help="With an OCSP responder for each CA.")] = True,
    unchecked: Unchecked = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a test PKI: V2G, OEM, MO and private roots, Sub-CAs, cross-certificates,
    and a leaf for each role."""
    check_empty(directory, force)
    if not unchecked:
        for kind, text in (("SECCID", seccid), ("EVCCID", evccid), ("EMAID", emaid), ("PCID", pcid)):
            _check_identifier(f"--{kind.lower()}", kind, text, edition)
        _check_organization(organization)
    made = issue_test_pki(
        edition,
        algorithm or next(iter(load_profile(edition).algorithms)),
        at=datetime.now(UTC),
        vehicle_algorithm=vehicle_algorithm,
        algorithms=dict(_pair("--mix", one) for one in mix or ()),
        organization=organization,
        seccid=seccid,
        evccid=evccid,
        emaid=emaid,
        pcid=pcid,
        responders=responders,
    )
    made.write(directory)
    if as_json:
        print_json({"directory": str(directory), "edition": edition, "certificates": list(made.certificates)})
    else:
        echo(f"{directory}: {', '.join(made.certificates)}")
        echo("Keys are unencrypted and for tests only.")


@app.command()
def issue(
    directory: Existing,
    like: Annotated[str, typer.Argument(help="Row of the profile: secc, vehicle, contract, oemprov, cps...")],
    name: Annotated[str, typer.Argument(help="What the files are called.")],
    identifier: Annotated[str | None, typer.Option("--id", help="SECCID, EVCCID, EMAID or PCID.")] = None,
    algorithm: Algorithm = None,
    organization: Annotated[str, typer.Option(help="Organization in the name.")] = "Test",
    unchecked: Unchecked = False,
    as_json: AsJson = False,
) -> None:
    """Issue one more leaf in a test PKI, of the profile of a certificate that it has."""
    pki = _new_name(load(directory), name)
    rows = load_profile(pki.edition).certificates
    leaves = [one for one, row in rows.items() if not row.ca]
    if like not in leaves:
        raise ConfigError("LIKE", f"{like!r} is no leaf of {pki.edition}", f"one of {', '.join(leaves)}")
    if identifier is not None:
        if like not in _NAMED:
            raise ConfigError("--id", f"the name of {like!r} is fixed", "leave it out")
        if not unchecked:
            _check_identifier("--id", _NAMED[like], identifier, pki.edition)
    if not unchecked:
        _check_organization(organization)
    names = {_NAMED[like].lower(): identifier} if identifier is not None else None
    made = issue_leaf(
        pki, like, name, at=datetime.now(UTC), names=names, organization=organization, algorithm=algorithm
    )
    made.write(directory)
    say(as_json, {"directory": str(directory), "certificate": name}, f"{directory / name}.pem")


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
    pki = load(directory)
    _check_identifier("EMAID", "EMAID", emaid, pki.edition)
    called = name or f"contract-{emaid.replace('-', '').lower()}"
    made = issue_leaf(
        _new_name(pki, called), "contract", called, at=datetime.now(UTC), names={"emaid": emaid}
    )
    made.write(directory)
    say(as_json, {"directory": str(directory), "certificate": called}, f"{directory / called}.pem")


@app.command()
def fleet(
    directory: Existing,
    out: Annotated[Path, typer.Argument(help="Folder to write to; it must be empty or not there yet.")],
    vehicles: Annotated[int, typer.Option(min=1, help="How many vehicles.")] = 10,
    contracts: Annotated[int, typer.Option(min=0, help="Contracts of each vehicle.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes that issue.")] = 2,
    dask: Annotated[
        str | None,
        typer.Option(help="Scheduler of a Dask cluster instead, tcp://host:8786. Keys of test CAs go there."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Issue certificates for many vehicles under a test PKI, with a manifest."""
    check_empty(out, force)
    pki = load(directory)
    with _executor(workers, dask) as executor:
        made = issue_fleet(pki, vehicles, contracts=contracts, at=datetime.now(UTC), executor=executor)
        count = write_fleet(made, out)
    say(
        as_json,
        {"directory": str(out), "certificates": count},
        f"{out}: {count} certificates, manifest.jsonl",
    )


@contextmanager
def _executor(workers: int, dask: str | None) -> Iterator[Executor]:
    with ProcessPoolExecutor(workers) if dask is None else dask_executor(dask) as executor:
        yield executor


def _pair(option: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise ConfigError(option, f"{text!r} is no NAME=VALUE", "for example oem-root=ed448")
    return name, value


def _check_identifier(option: str, kind: str, text: str, edition: str) -> None:
    """What a profile demands of the name it demands of ours too, so that nobody debugs a
    typing error on the wire."""
    roles = load_profile(edition).roles.values()
    if any(one.identifier == kind for one in roles) and not IDENTIFIERS[kind](text, "any"):
        examples = {
            "SECCID": DEFAULT_SECCID,
            "EVCCID": DEFAULT_EVCCID,
            "EMAID": DEFAULT_EMAID,
            "PCID": DEFAULT_PCID,
        }
        fault = fault_of(kind, text)
        raise ConfigError(
            option,
            f"{text[:80]!r} is no {kind}: {fault}",
            f"{_mended(text, fault)}; pki init and issue take it with --unchecked"
            if fault.startswith("its check digit")
            else f"for example {examples[kind]}; pki init and issue take it with --unchecked",
        )


def _mended(text: str, fault: str) -> str:
    """The text with the check digit that it should have."""
    return text[:-1] + fault[-1]


def _check_organization(text: str) -> None:
    if not 1 <= len(text) <= _LONGEST_NAME:
        raise ConfigError("--organization", f"{len(text)} characters", f"1 to {_LONGEST_NAME}")


def _new_name(pki: IssuedPki, name: str) -> IssuedPki:
    if name in pki.certificates:
        raise ConfigError("NAME", f"there is a certificate {name!r} already", "choose another name")
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError("NAME", f"{name!r} is no name for files", "letters, digits, - and _")
    return pki
