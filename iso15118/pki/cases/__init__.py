"""Named negative cases: what is wrong, on which roles and algorithms, and what a receiver must say to it.

The cases are data (``*.toml`` beside this file); ``make`` turns one into certificates and messages, ``judge``
runs one through the checks. A few are tolerated on purpose: their expected list of codes is empty.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec

from iso15118.errors import ConfigError
from iso15118.pki.chain.profiles import load_profile

__all__ = [
    "Area",
    "Case",
    "Expectation",
    "ListRow",
    "StatusRow",
    "Variant",
    "all_cases",
    "find_case",
    "variants",
]

Area = Literal["path", "profile", "revocation", "tls", "signature", "installation"]
Place = Literal["leaf", "sub3", "sub2", "sub1", "root"]
ROLES = ("secc", "vehicle", "contract", "oemprov", "cps")


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a receiver must say."""

    codes: tuple[str, ...] = ()
    """Violations that are found, or names of faults; none for a case that is tolerated."""
    any: bool = False
    """One of the codes is enough: libraries differ in where they notice."""
    also: tuple[str, ...] = ()
    """Violations that may come along."""
    place: int | None = None
    """Certificate of the chain that the first code is said of."""
    alert: str | None = None
    """TLS alert, for the roles that stand in TLS."""
    response: str | None = None
    """Kind of response code; see ``responses.toml``."""


class StatusRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the OCSP response of one certificate is made; the defaults make a good one."""

    status: Literal["good", "revoked", "unknown"] = "good"
    from_days: float = -1
    """thisUpdate, from now."""
    to_days: float | None = 3
    """nextUpdate, from now."""
    no_next_update: bool = False
    responder: Literal["delegate", "issuer", "other-ca", "no-usage", "expired", "stranger"] = "delegate"
    about_another: bool = False
    nonce: Literal["none", "right", "wrong", "absent"] = "none"
    altered: bool = False
    garbage: bool = False
    missing: bool = False


class ListRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the revocation list of one issuer is made; the defaults make a good, empty one."""

    from_days: float = -1
    to_days: float = 3
    revoked: tuple[Place, ...] = ()
    signer: Literal["issuer", "other"] = "issuer"
    garbage: bool = False


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One defect."""

    name: str
    area: Area
    about: str
    matrix: int
    """Number in the matrix of negative tests."""
    roles: tuple[str, ...] = ROLES
    editions: tuple[Literal["iso2", "iso20"], ...] = ("iso2", "iso20")
    algorithms: tuple[str, ...] = ("p256", "p521", "ed448")
    policy: str | None = None
    """Edition or policy to judge by, if not the one that issued."""
    rows: dict[Place, dict[str, Any]] = {}
    """Changes of the profile rows by place; ``flaws`` as in ``pki.issuing.flaws``."""
    present: str | None = None
    """A leaf of another role stands in for the role's."""
    chain: tuple[str, ...] | None = None
    """What is sent: places, ``other-`` places of another PKI with the same names, ``garbage``, ``empty``."""
    anchors: tuple[str, ...] = ("root",)
    anchor_roles: dict[str, str] = {}
    clock: bool = True
    status: dict[Place, StatusRow] = {}
    """OCSP responses that are not good ones; with any, there is one for every certificate."""
    lists: dict[Place, ListRow] = {}
    """Revocation lists by the place of their issuer, in place of OCSP responses."""
    edit: str | None = None
    """The change of a message or of a handshake, by name."""
    client: dict[str, Any] = {}
    """Changed fields of the vehicle's TLS profile."""
    server: dict[str, Any] = {}
    """Changed fields of the station's TLS profile."""
    tls: bool = True
    """Chains: whether a TLS peer can present it."""
    expect: Expectation

    @property
    def is_chain(self) -> bool:
        """True for cases that ``verify_chain`` decides."""
        return self.area in ("path", "profile", "revocation")


class Variant(msgspec.Struct, frozen=True):
    """A case on one role, edition and algorithm."""

    case: Case
    role: str
    edition: str
    algorithm: str

    def __str__(self) -> str:
        return f"{self.case.name}-{self.role}-{self.algorithm}"


@cache
def all_cases() -> dict[str, Case]:
    """Every case by its name."""
    found = {}
    folder = resources.files(__package__)
    for area in ("path", "profile", "revocation", "tls", "signature", "installation"):
        table = tomllib.loads((folder / f"{area}.toml").read_text(encoding="utf-8"))
        for name, values in table.items():
            found[name] = msgspec.convert({"name": name, "area": area, **values}, Case)
    return found


def find_case(name: str) -> Case:
    """Raises ConfigError with names that are like it."""
    known = all_cases()
    if name not in known:
        near = [one for one in known if any(part in one for part in name.split("-") if len(part) > 2)]
        raise ConfigError(
            "case", f"there is no case {name!r}", f"perhaps {', '.join(near[:5]) or 'see pki cases'}"
        )
    return known[name]


def variants(case: Case) -> Iterator[Variant]:
    """The roles, editions and algorithms that a case applies to."""
    for edition in case.editions:
        profile = load_profile(edition)
        for algorithm in profile.algorithms:
            if algorithm in case.algorithms:
                for role in case.roles:
                    if role in profile.roles:
                        yield Variant(case, role, edition, algorithm)


@cache
def _responses() -> dict[str, dict[str, str]]:
    text = (resources.files(__package__) / "responses.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def response_code(kind: str, edition: str) -> str:
    """Name of the ResponseCode that a kind of refusal has in an edition."""
    return _responses()[kind]["iso2" if edition == "iso2" else "iso20"]
