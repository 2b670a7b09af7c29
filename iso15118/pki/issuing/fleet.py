"""Many certificates at once: vehicles with their provisioning certificates and contracts, over any executor.

Work is cut into chunks that carry all they need, so that a process pool or a cluster can do them; the result
is a list of records, which is also the manifest. What a chunk carries includes the key of a Sub-CA of the
test PKI: give it to no cluster that is not yours.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import x448

from iso15118.cluster import cluster
from iso15118.errors import ConfigError
from iso15118.files import make_folder, new_secret, write_whole
from iso15118.pki.chain.identifiers import emaid_check_digit, evccid_check_digit
from iso15118.pki.chain.profiles import load_profile
from iso15118.pki.issuing import build
from iso15118.pki.issuing.issue import IssuedPki, key_der, key_pem, load_key, pem, write_secret

__all__ = ["Issued", "Manifest", "dask_executor", "fleet_names", "issue_fleet", "write_fleet"]

CHUNK = 100
"""Certificates that one piece of work makes: a tenth of a second, so that a pool is neither
idle nor busy with talking."""
_KINDS = {"vehicle": "evccid", "oemprov": "pcid", "contract": "emaid"}


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate that was made."""

    like: str
    """Row of the profile: ``vehicle``, ``oemprov`` or ``contract``."""
    vehicle: int
    """Number of the vehicle it is for."""
    identifier: str
    serial_number: int
    expires: datetime
    certificate: bytes
    key: bytes
    """PKCS#8, DER."""
    alternative_key: bytes | None = None
    """The X448 key of a provisioning certificate, PKCS#8, DER. [V2G20-2534]"""

    def __repr__(self) -> str:
        return f"Issued({self.like}, {self.identifier}, key hidden)"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("like", self.like), ("identifier", self.identifier)]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest says of a certificate; no key."""

    like: str
    vehicle: int
    identifier: str
    serial_number: str
    """Hexadecimal."""
    expires: datetime


class _Work(msgspec.Struct, frozen=True):
    edition: str
    like: str
    algorithm: str
    issuer: bytes
    issuer_key: bytes
    names: tuple[tuple[int, str], ...]
    at: datetime
    organization: str


def fleet_names(
    vehicles: int, contracts: int, *, maker: str = "WVW", provider: str = "DE8AA"
) -> dict[str, list[tuple[int, str]]]:
    """Identifiers by row of the profile: for each vehicle an EVCCID, a PCID and ``contracts`` EMAIDs."""
    found: dict[str, list[tuple[int, str]]] = {like: [] for like in _KINDS}
    for number in range(vehicles):
        unique = f"{number:015d}"
        found["vehicle"].append((number, f"{maker}V{unique}{evccid_check_digit(maker, 'V', unique)}"))
        found["oemprov"].append((number, f"{maker}{number:014d}0"))
        for one in range(contracts):
            stem = f"{provider}C{number * contracts + one:08d}"
            found["contract"].append((number, stem + emaid_check_digit(stem)))
    return found


def issue_fleet(
    pki: IssuedPki,
    vehicles: int,
    *,
    contracts: int = 3,
    at: datetime,
    executor: Executor,
    organization: str = "Test",
) -> Iterator[Issued]:
    """Issue for ``vehicles`` vehicles, with ``contracts`` contracts each, under the Sub-CAs of ``pki``.

    Yields in order, as the work gets done. An edition without vehicle certificates has none here. Raises
    ConfigError for numbers below one.
    """
    if vehicles < 1 or contracts < 0:
        raise ConfigError("vehicles", f"{vehicles} with {contracts} contracts each", "one vehicle at least")
    rules = load_profile(pki.edition)
    pieces = []
    for like, names in fleet_names(vehicles, contracts).items():
        row = rules.certificates.get(like)
        if row is None or row.issuer is None:
            continue
        issuer, key = pki.certificates[row.issuer], pki.keys[row.issuer]
        kind = getattr(getattr(load_key(key), "curve", None), "name", "ed448")
        algorithm = next(name for name, one in rules.algorithms.items() if one.key == kind)
        for start in range(0, len(names), CHUNK):
            chosen = tuple(names[start : start + CHUNK])
            pieces.append(
                _Work(pki.edition, like, algorithm, issuer, key, chosen, at.astimezone(UTC), organization)
            )
    for done in executor.map(_issue, pieces):
        yield from done


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster as an executor. ``address``: of its scheduler,
    such as ``tcp://host:8786``.

    Raises ConfigError without the extra ``dask``, or if nobody answers there in ten seconds.
    """
    with cluster(address, extra="dask") as client, client.get_executor() as executor:
        yield executor


def write_fleet(issued: Iterator[Issued], directory: Path) -> int:
    """Write each certificate and key as PEM, a folder per vehicle, and
    ``manifest.jsonl``; returns how many."""
    make_folder(directory, durable=False)
    count = 0
    with new_secret(directory / "manifest.jsonl") as manifest:
        for one in issued:
            folder = directory / f"{one.vehicle:06d}"
            make_folder(folder, durable=False)
            name = one.like if one.like != "contract" else f"contract-{one.identifier}"
            write_whole(folder / f"{name}.pem", pem(one.certificate).encode(), durable=False)
            write_secret(folder / f"{name}.key", key_pem(one.key), durable=False)
            if one.alternative_key is not None:
                write_secret(folder / f"{name}.x448.key", key_pem(one.alternative_key), durable=False)
            row = Manifest(
                like=one.like,
                vehicle=one.vehicle,
                identifier=one.identifier,
                serial_number=f"{one.serial_number:x}",
                expires=one.expires,
            )
            manifest.write(msgspec.json.encode(row) + b"\n")
            count += 1
    return count


def _issue(work: _Work) -> list[Issued]:
    rules = load_profile(work.edition)
    row = rules.certificates[work.like]
    parent, signer = x509.load_der_x509_certificate(work.issuer), load_key(work.issuer_key)
    made = []
    for vehicle, identifier in work.names:
        key = build.new_key(rules, work.algorithm)
        name = build.subject(row, work.organization, {_KINDS[work.like]: identifier})
        second = x448.X448PrivateKey.generate() if row.alternative_key == "x448" else None
        public = second.public_key() if second is not None else None
        der = build.certificate(rules, row, name, key, parent, signer, work.at, alternative=public)
        certificate = x509.load_der_x509_certificate(der)
        made.append(
            Issued(
                like=work.like,
                vehicle=vehicle,
                identifier=identifier,
                serial_number=certificate.serial_number,
                expires=certificate.not_valid_after_utc,
                certificate=der,
                key=key_der(key),
                alternative_key=key_der(second) if second is not None else None,
            )
        )
    return made
