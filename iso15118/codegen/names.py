"""Python names from schema names: classes, fields and enumeration members.

The rules keep the schema's words, so that a reader with the standard open finds everything.
"""

from __future__ import annotations

import keyword
import re

# Words whose capitals would be cut in the wrong place.
_WORDS = ("PnC", "SoC", "eMAID", "VARh", "kWh", "DHpublickey")
_WORD = re.compile(
    "|".join(_WORDS) + r"|[A-Z]{2,}s(?![a-z])"  # plural of an acronym: IDs
    r"|[A-Z][A-Z0-9]*(?![a-z])"  # acronym, with its digits: EVSE, V2X, X509
    r"|[A-Z]?[a-z][a-z0-9]*"  # word: Processing, bool
    r"|[0-9]+"
)


def words(name: str) -> list[str]:
    """Cut a schema name into lower-case words: ``EVMaximumV2XEnergyRequest`` is ev,
    maximum, v2x, energy, request."""
    return [word.lower() for part in name.split("_") for word in _WORD.findall(part)]


def field_name(name: str) -> str:
    """The attribute's name in the class: ``DC_CPDReqEnergyTransferMode`` becomes
    dc_cpd_req_energy_transfer_mode."""
    return safe("_".join(words(name)))


def class_name(name: str) -> str:
    """The class of a schema type or element: no trailing ``Type``, no underscores, capital first."""
    bare = name.removesuffix("Type").replace("_", "") or name
    return safe(bare[0].upper() + bare[1:])


def member_name(literal: str) -> str:
    """The enumeration member of a literal: the literal itself, or its closest identifier."""
    name = re.sub(r"\W", "_", literal)
    return safe(name if name.isidentifier() else f"_{name}")


def safe(name: str) -> str:
    """Append an underscore to a Python keyword."""
    return f"{name}_" if keyword.iskeyword(name) else name


def common_words(names: list[str]) -> list[str]:
    """The words all names have in common, in order, provided that they end in the same one; else none."""
    lists = [words(name) for name in names]
    if len({item[-1] for item in lists}) != 1:
        return []
    common = lists[0]
    for other in lists[1:]:
        common = _longest_common_subsequence(common, other)
    return common


def _longest_common_subsequence(left: list[str], right: list[str]) -> list[str]:
    if not left or not right:
        return []
    if left[-1] == right[-1]:
        return [*_longest_common_subsequence(left[:-1], right[:-1]), left[-1]]
    one, two = _longest_common_subsequence(left[:-1], right), _longest_common_subsequence(left, right[:-1])
    return one if len(one) >= len(two) else two
