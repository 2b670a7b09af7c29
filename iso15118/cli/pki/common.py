"""What the commands of ``iso15118 pki`` share: the group, options that several have, files read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iso15118.cli.terminal import echo, print_json
from iso15118.errors import ConfigError, PkiError

__all__ = [
    "TRUST",
    "Algorithm",
    "AsJson",
    "Directory",
    "Existing",
    "Force",
    "app",
    "check_empty",
    "print_json",
    "read_certificates",
    "read_file",
    "say",
    "time_of",
]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Certificates: make test PKIs, good and broken; judge and explain.",
)

TRUST = 4
"""Exit status: a chain that is refused, or a certificate that cannot be used."""

Directory = Annotated[Path, typer.Argument(help="Folder to write to; it must be empty or not there yet.")]
Existing = Annotated[Path, typer.Argument(help="Folder that pki init wrote.")]
Algorithm = Annotated[
    str | None,
    typer.Option(help="p521 or ed448; p256 with --edition iso2 or lab. Default: the edition's first."),
]
Force = Annotated[bool, typer.Option(help="Write over what is in the folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def check_empty(directory: Path, force: bool) -> None:
    """Raises ConfigError for a folder with something in it, unless it may be written over."""
    if directory.exists() and not directory.is_dir():
        raise ConfigError("DIRECTORY", f"{directory} is a file", "name a folder")
    if not force and directory.is_dir() and any(directory.iterdir()):
        raise ConfigError("DIRECTORY", f"{directory} is not empty", "--force writes over it")


def read_file(path: Path) -> bytes:
    """A file of a megabyte at most. Raises PkiError for a longer one or a folder."""
    if path.is_dir():
        raise PkiError(f"{path} is a folder: name the files in it")
    with path.open("rb") as file:
        data = file.read(_MAX_OCTETS + 1)
    if len(data) > _MAX_OCTETS:
        raise PkiError(f"{path}: more than {_MAX_OCTETS} octets")
    return data


_MAX_OCTETS = 4 * 1024 * 1024
_PEM = b"-----BEGIN"


def read_certificates(path: Path) -> list[bytes]:
    """Certificates of a file; what is no PEM is left as it is for the check to judge."""
    data = read_file(path)
    if _PEM not in data:
        return [data]
    if _PEM + b" CERTIFICATE" not in data:
        kind = "a private key" if b"PRIVATE KEY-----" in data else "PEM of another kind"
        raise PkiError(f"{path}: {kind}, no certificate")
    try:
        return [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(data)]
    except ValueError as error:
        raise PkiError(f"{path}: {error}") from error


def time_of(text: str | None) -> datetime:
    """What --at says; now without it. Raises ConfigError for what is no time."""
    if text is None:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError("--at", str(error), "for example 2027-01-01T00:00:00Z") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def say(as_json: bool, what: object, line: str) -> None:
    """The result, as JSON or as a line."""
    print_json(what) if as_json else echo(line)
