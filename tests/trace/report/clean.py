"""A hundred sessions that went well: every edition, service and option that our two ends have."""

from __future__ import annotations

from collections.abc import Iterator

from iso15118.loopback import LoopbackSpec

__all__ = ["clean_sessions"]

_SHORT = {"transport": "memory", "soc_start": 20.0}
_BATTERY = {"dc": 30.0, "mcs": 150.0, "acdp": 60.0, "ac": 10.0, "wpt": 10.0}


def clean_sessions() -> Iterator[tuple[str, LoopbackSpec]]:
    """What each is, and how it is run."""
    services = (
        "dc",
        "dc-bpt",
        "mcs",
        "mcs-bpt",
        "acdp",
        "acdp-bpt",
        "ac",
        "ac-bpt",
        "wpt",
        "ac-der-iec",
        "ac-der-sae",
    )
    for service in services:
        for control in ("scheduled", "dynamic"):
            for seed in (1, 2):
                yield _one("iso20", service, control=control, seed=seed)
        yield _one("iso20", service, auth="pnc")
        if service.endswith("bpt"):
            yield _one("iso20", service, discharge_kwh=0.2, soc_target=24.0)
            yield _one("iso20", service, discharge_kwh=0.2, soc_target=24.0, control="dynamic")
    for service in ("dc", "ac", "mcs"):
        for renegotiate in ("stop-and-go", "beside", "service"):
            yield _one("iso20", service, renegotiate=renegotiate)
        yield _one("iso20", service, pause=5.0)
        yield _one("iso20", service, standby=1.0)
        yield _one("iso20", service, auth="pnc", install_contract=True)
    for service in ("dc", "ac"):
        for seed in range(1, 6):
            yield _one("iso2", service, seed=seed)
        yield _one("iso2", service, auth="pnc")
        yield _one("iso2", service, auth="pnc", install_contract=True)
        yield _one("iso2", service, pause=5.0)
    yield _one("iso2", "ac", phases=1)
    for seed in range(1, 6):
        yield _one("din", "dc", seed=seed, power_kw=10.0 * seed)


def _one(edition: str, service: str, **more: object) -> tuple[str, LoopbackSpec]:
    battery = _BATTERY[service.split("-")[0]]
    options: dict[str, object] = {**_SHORT, "battery_kwh": battery, "soc_target": 20.4, **more}
    name = " ".join([edition, service, *(f"{key}={value}" for key, value in more.items())])
    return name, LoopbackSpec(edition=edition, service=service, **options)  # type: ignore[arg-type]
