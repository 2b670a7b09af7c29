"""A vehicle's file with several inlets on one battery: ``[[inlet]]`` tables, each with what is different
there; the rest holds for all.

A file without such tables is a vehicle with one inlet, as ever.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from iso15118.connector.inlets import ArbiterSettings, Inlet
from iso15118.errors import ConfigError
from iso15118.ranges import Ranged

from .fields import fields
from .overrides import Override, override
from .parts import VehicleSettings
from .reading import read_struct, read_toml
from .roles import ELSEWHERE, EvccSettings, evcc_of
from .several import NAME, Cables, names_of, read_each, tables_of
from .writing import json_schema, to_toml

__all__ = [
    "TABLE",
    "OneInlet",
    "VehicleInlets",
    "inlets_schema",
    "inlets_to_builtins",
    "inlets_to_toml",
    "load_inlets",
]

TABLE: Final = "inlet"
"""Name of the tables."""
TOGETHER: Final = "inlets"
"""Name of the table with what is decided about all of them."""
MOST: Final = 8
"""Inlets of one vehicle."""
_WITHOUT: Final = frozenset(ELSEWHERE) | {f"{TABLE}.{key}" for key in ELSEWHERE}
_OF_THE_INLET: Final = ("inlet", "charger", "receiver", "pad_code", "inverter", "value_added", "own_services")
"""Keys of [vehicle] that are not of its battery."""
_OF_THE_BATTERY: Final = (
    *(("vehicle", field.name) for field in fields(VehicleSettings) if field.name not in _OF_THE_INLET),
    ("session", "target_soc"),
    ("session", "minimum_soc"),
)
"""Keys that cannot be another one at another inlet: there is one battery."""


class InletKeys(Ranged, frozen=True, kw_only=True):
    """What an inlet carries, whatever the battery takes."""

    maximum_current_a: Annotated[float, Meta(ge=1.0, le=3000.0)]
    """What its contacts and the cables to the battery carry, in either direction."""
    maximum_power_kw: Annotated[float, Meta(ge=0.001, le=3750.0)]
    """The same as a power."""


class OneInlet(Struct, frozen=True):
    """One inlet of a vehicle. ``name``: the one that results and logs show; empty where the file has one
    inlet alone, of which ``carries`` is not known apart from the battery."""

    name: str
    settings: EvccSettings
    carries: InletKeys | None = None

    def inlet(self) -> Inlet:
        """As the arbiter knows it. Raises ``ConfigError`` for one that is alone."""
        if self.carries is None:
            raise ConfigError(TABLE, "there is one inlet alone", f"tables [[{TABLE}]]")
        return Inlet(
            name=self.name,
            maximum_current_a=self.carries.maximum_current_a,
            maximum_power_w=self.carries.maximum_power_kw * 1000.0,
        )


class VehicleInlets(Struct, frozen=True):
    """The inlets of a vehicle, the preferred one first, and what is decided about them together."""

    inlets: tuple[OneInlet, ...]
    together: ArbiterSettings = ArbiterSettings()

    @property
    def several(self) -> bool:
        """The file has ``[[inlet]]`` tables, be it one alone."""
        return self.inlets[0].carries is not None


def load_inlets(path: Path, overrides: Sequence[Override] = ()) -> VehicleInlets:
    """Every inlet of a vehicle's file, in its order, and ``overrides`` over what is said of each. Raises
    ``ConfigError`` for what is wrong with one, or with two."""
    table = read_toml(path)
    if TABLE not in table:
        if TOGETHER in table:
            raise ConfigError(
                TOGETHER, f"there are no tables [[{TABLE}]]", f"[[{TABLE}]] for each, or leave it out"
            )
        override(table, overrides, EvccSettings)
        return VehicleInlets((OneInlet("", evcc_of(table, path)),))
    own = tables_of(table.pop(TABLE), TABLE, MOST)
    names = names_of(own, TABLE)
    together = table.pop(TOGETHER, {})
    if not isinstance(together, dict):
        raise ConfigError(TOGETHER, "is no table", f"write it as [{TOGETHER}] with its keys below")
    of_arbiter = [one for one in overrides if one.key.startswith(f"{TOGETHER}.")]
    override(
        together,
        [Override(one.key.removeprefix(f"{TOGETHER}."), one.text, one.source) for one in of_arbiter],
        ArbiterSettings,
    )
    others = [one for one in overrides if one not in of_arbiter]
    arbiter = read_struct(ArbiterSettings, together, TOGETHER)
    override(deepcopy(table), others, EvccSettings)  # what there is no key for is of no inlet
    carried = [field.name for field in fields(InletKeys)]

    def one_of(number: int, merged: dict[str, Any]) -> OneInlet:
        keys = {key: merged.pop(key) for key in carried if key in merged}
        carries = read_struct(InletKeys, keys, f"{TABLE}[{number}]")
        override(merged, others, EvccSettings)
        settings = evcc_of(merged, path)
        for key, what in (("charger", "an on-board charger"), ("receiver", "a coil for a pad")):
            if getattr(settings.vehicle, key) != "none":
                raise ConfigError(
                    f"vehicle.{key}",
                    f"{what} has no contactors to the battery that could wait for another inlet",
                    f"leave it out, or a file without [[{TABLE}]]",
                )
        return OneInlet(names[number], settings, carries)

    found = tuple(read_each(one_of, table, own, names, TABLE, [one.key for one in others]))
    _check_together(found)
    return VehicleInlets(found, arbiter)


def _check_together(inlets: tuple[OneInlet, ...]) -> None:
    """A station is found by the inlet that it is plugged into; so each has a cable of its own. And all have
    one battery."""
    cables = Cables(TABLE, "inlet")
    for number, one in enumerate(inlets):
        settings = one.settings
        cables.check(
            number,
            one.name,
            settings.interface,
            settings.sdp_port,
            settings.link,
            "both would find one station, which is plugged into one of them",
        )
        for part, key in _OF_THE_BATTERY:
            said = getattr(getattr(settings, part), key)
            first = getattr(getattr(inlets[0].settings, part), key)
            if said != first:
                raise ConfigError(
                    f"{TABLE}[{number}].{part}.{key}",
                    f"{said!r} here and {first!r} at inlet {inlets[0].name!r}: all inlets have one battery",
                    f"{key} in [{part}], for all",
                )


# -- shown
# ----------------------------------------------------------------------------------------------------


def inlets_to_builtins(vehicle: VehicleInlets) -> dict[str, Any]:
    """The same as tables and plain values, for JSON."""
    return tomllib.loads(inlets_to_toml(vehicle))


def inlets_to_toml(vehicle: VehicleInlets) -> str:
    """The file that says the same, with every key of every inlet."""
    if not vehicle.several:
        return to_toml(vehicle.inlets[0].settings, without=_WITHOUT) + "\n" + "\n".join(_comment())
    parts = [f"[{TOGETHER}]\n" + to_toml(vehicle.together, where=TOGETHER)]
    for one in vehicle.inlets:
        head = f'# Inlet {one.name}.\n[[{TABLE}]]\nname = "{one.name}"\n'
        carries = "" if one.carries is None else to_toml(one.carries, where=TABLE)
        parts.append(head + carries + to_toml(one.settings, without=_WITHOUT, where=TABLE))
    return "\n".join(parts)


def _comment() -> Iterator[str]:
    yield "# Several inlets on this battery: a table [[inlet]] for each, the preferred one first, with what it carries and whatever keys"
    yield "# and tables of the above are different there, such as interface, [inlet.link] and [inlet.session]. Each has an interface of"
    yield "# its own. [inlets] has several = true if they may take energy at the same time."
    yield f"# [[{TABLE}]]"
    yield '# name = "mcs"'
    yield "# maximum_current_a = 1500"
    yield "# maximum_power_kw = 1250"
    yield '# interface = "eth1"'


def inlets_schema(vehicle: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a vehicle's file, of which ``vehicle`` is the part for one inlet."""
    one = json_schema(EvccSettings, without=_WITHOUT, where="")
    carries = json_schema(InletKeys)
    properties = {
        "name": {
            "type": "string",
            "pattern": f"^{NAME.pattern}$",
            "description": "Name of the inlet in results and logs; absent: its number, from 1 on.",
        },
        **carries["properties"],
        **one["properties"],
    }
    tables = {
        "type": "array",
        "minItems": 1,
        "maxItems": MOST,
        "items": {**one, "properties": properties, "required": list(carries["properties"])},
        "description": "Several inlets on one battery, the preferred one first; the rest of the file holds for each.",
    }
    together = json_schema(ArbiterSettings)
    return {**vehicle, "properties": {**vehicle["properties"], TOGETHER: together, TABLE: tables}}
