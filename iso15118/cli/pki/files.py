"""``pki export``, ``import`` and ``store``: chains and keys to and from the files of other tools and the
store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from iso15118.cli.configured import asked
from iso15118.cli.pki.common import TRUST, AsJson, app, print_json, read_file, say
from iso15118.cli.terminal import echo
from iso15118.errors import ConfigError, PkiError
from iso15118.pki import Credential, Store, load
from iso15118.pki.chain.parsed import parse
from iso15118.pki.issuing.issue import write_secret
from iso15118.pki.keys.exchange import (
    FORMATS,
    export_credential,
    export_key,
    import_certificates,
    import_credential,
    join_credential,
)
from iso15118.pki.keys.protect import passphrase_of
from iso15118.pki.store import PURPOSES, Contents
from iso15118.settings import choose
from iso15118.settings.identity import typed_for_store

_VARIABLES = {
    "--passphrase-file": "ISO15118_PASSPHRASE",
    "--store-passphrase-file": "ISO15118_STORE_PASSPHRASE",
}
"""Where a passphrase is taken from if the option is not there. None is ever on the command line, which every
user of the machine reads."""

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="What the key in the file is encrypted with: first line of this file. Or the variable ISO15118_PASSPHRASE.",
    ),
]
StorePassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--store-passphrase-file",
        help="What the store's keys are encrypted with. Or the variable ISO15118_STORE_PASSPHRASE.",
    ),
]


def _passphrase(option: str, file: Path | None) -> bytes | None:
    variable = _VARIABLES[option]
    given = variable if file is None and variable in os.environ else None
    return passphrase_of(file=file, variable=given, keys=(option, variable))


def _store(directory: Path, passphrase_file: Path | None) -> Store:
    """Its keys' passphrase is asked for where they need one, and nothing else says it."""
    given = _passphrase("--store-passphrase-file", passphrase_file)
    return Store(directory, passphrase=typed_for_store(directory, asked) if given is None else given)


@app.command(name="export")
def export_(
    directory: Annotated[Path, typer.Argument(help="Folder that pki init wrote, or a certificate store.")],
    name: Annotated[str, typer.Argument(help="Certificate to export, with its chain and key.")],
    out: Annotated[Path, typer.Argument(help="File to write: .p12, .pem or .der (the leaf alone).")],
    passphrase_file: PassphraseFile = None,
    key: Annotated[Path | None, typer.Option(help="With .der: file for the key, PKCS#8 in DER.")] = None,
    store_passphrase_file: StorePassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Export a chain and its key as PKCS#12, PEM or DER."""
    kind = out.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise ConfigError("OUT", f"{out.name} is of no known kind", "a name that ends in .p12, .pem or .der")
    if key is not None and kind != "der":
        raise ConfigError("--key", f".{kind} has the key in the same file", "leave it out")
    credential = _credential(directory, name, store_passphrase_file)
    secret = _passphrase("--passphrase-file", passphrase_file)
    write_secret(out, export_credential(credential, kind, passphrase=secret, name=name))
    if key is not None:
        write_secret(key, export_key(credential, passphrase=secret))
    say(as_json, {"file": str(out), "key": str(key or out), "encrypted": secret is not None}, str(out))


@app.command(name="import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="PKCS#12, PEM or DER: a key with its certificates, or a root.")
    ],
    out: Annotated[Path, typer.Argument(help="Certificate store to put it in.")],
    name: Annotated[str | None, typer.Option(help="Name of our own chain; without it, a contract.")] = None,
    anchor: Annotated[
        str | None, typer.Option(help=f"The file is a root to trust for: {', '.join(PURPOSES)}.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="File of the key, if the certificates come without it.")
    ] = None,
    chain: Annotated[
        Path | None, typer.Option(help="With --key: file of the CAs' certificates, if they are not in FILE.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    store_passphrase_file: StorePassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Import a chain and its key, or a trusted root, into a certificate store; its folder is made.

    A passphrase that is needed and not given is asked for at the terminal.
    """
    if chain is not None and key is None:
        raise ConfigError("--chain", "goes with --key", "certificates in one file with their key need none")
    store = _store(out, store_passphrase_file)
    data = read_file(file)
    secret = _passphrase("--passphrase-file", passphrase_file)
    if anchor is not None:
        roots = import_certificates(data)
        kind = choose("--anchor", anchor.lower(), PURPOSES)
        for place, der in enumerate(roots):
            store.add_anchor(kind, (name or file.stem) + (f"-{place}" if len(roots) > 1 else ""), der)
        said = f"{len(roots)} trusted for {kind}"
    else:
        if key is None:
            credential = _opened(file, lambda given: import_credential(data, passphrase=given), secret)
        else:
            certificates = import_certificates(data)
            if chain is not None:
                certificates += import_certificates(read_file(chain))
            text = read_file(key)
            credential = _opened(
                key, lambda given: join_credential(certificates, text, passphrase=given), secret
            )
        if name is not None:
            store.add_own(name, credential)
        said = name or store.add_contract(credential)
    say(as_json, {"directory": str(out), "imported": said}, f"{out}: {said}")


def _opened(what: Path, attempt: Callable[[bytes | None], Credential], secret: bytes | None) -> Credential:
    """What ``attempt`` makes with the passphrase; if it needs one and there is none, with
    the one that somebody types."""
    try:
        return attempt(secret)
    except PkiError:
        typed = asked(str(what)) if secret is None else None
        if typed is None:
            raise
        return attempt(typed)


@app.command(name="store")
def store_(
    directory: Annotated[Path, typer.Argument(help="Certificate store.")],
    store_passphrase_file: StorePassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """List what a certificate store holds, until when, and what of it is not used (exit status 4)."""
    if not directory.is_dir():
        raise PkiError(f"no certificate store at {directory}")
    contents = _store(directory, store_passphrase_file).read()
    rows = _rows(contents)
    if as_json:
        print_json(
            {
                "directory": str(directory),
                "certificates": rows,
                "responses": len(contents.responses),
                "lists": len(contents.crls),
                "problems": [str(one) for one in contents.problems],
                "warnings": [str(one) for one in contents.warnings],
            }
        )
    else:
        for row in rows:
            echo(f"{row['kind']:<10}{row['name']:<28}{row['expires']}  {row['subject']}")
        say(False, None, f"{len(contents.responses)} OCSP responses, {len(contents.crls)} revocation lists")
        for one in contents.problems:
            echo(f"not used: {one}", err=True)
        for one in contents.warnings:
            echo(f"warning: {one}", err=True)
    if contents.problems:
        raise typer.Exit(TRUST)


def _rows(contents: Contents) -> list[dict[str, str]]:
    found = [(f"{kind.lower()} root", "", der) for kind, some in contents.anchors.items() for der in some]
    found += [("own", name, one.chain[0]) for name, one in contents.own.items()]
    found += [("contract", name, one.chain[0]) for name, one in contents.contracts.items()]
    parsed = [(kind, name, parse(der)) for kind, name, der in found]
    return [
        {"kind": kind, "name": name, "expires": f"{one.not_after:%Y-%m-%d}", "subject": one.name}
        for kind, name, one in parsed
    ]


def _credential(directory: Path, name: str, store_passphrase_file: Path | None) -> Credential:
    if (directory / "pki.json").exists():
        pki = load(directory)
        if name in pki.certificates and pki.issuers[name] is None:  # a root is its own chain
            return Credential(chain=(pki.certificates[name],), key=pki.keys[name])
        return pki.credential(name)
    if not (directory / "own").is_dir() and not (directory / "contracts").is_dir():
        raise PkiError(f"{directory} is neither a test PKI (no pki.json) nor a certificate store")
    contents = _store(directory, store_passphrase_file).read()
    known = {**contents.own, **contents.contracts}
    if name not in known:
        for one in contents.problems:
            if name in one.path.parts:
                raise PkiError(str(one))
        raise ConfigError("NAME", f"{name!r} is not in the store", f"one of {', '.join(known)}")
    return known[name]
