"""Builds the API reference from the docstrings: one HTML page for each module that people import,
with a search field; no server.

``python -m tools.api_reference FOLDER`` from the project's root, or `make api`. It needs `pdoc`
(extra `dev`). Which modules are in it is decided here; tests/documentation compares that with what
the pages and examples name.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Final, get_type_hints

__all__ = ["MODULES", "build"]

MODULES: Final = tuple(
    f"iso15118.{name}" if name else "iso15118"
    for name in (
        # Both roles, as they are used most.
        "",
        "aio",
        "aio.background",
        "aio.identity",
        "aio.run",
        "aio.status",
        "secc",
        "secc.config",
        "secc.iso2.settings",
        "secc.din.settings",
        "secc.quirks",
        "evcc",
        "evcc.config",
        "evcc.iso2.settings",
        "evcc.din.settings",
        "evcc.quirks",
        # What the hardware is asked, and what a session is told.
        "session",
        "session.ports",
        "session.coupling_ports",
        "session.energy_ports",
        "session.grid_ports",
        "session.wireless_ports",
        "session.events",
        "session.coupling_events",
        "session.mid_session_events",
        "session.schedule_events",
        "session.site_events",
        "session.actions",
        "session.hardware_actions",
        "session.limits",
        "session.ac_limits",
        "session.services",
        "session.supervision",
        "session.ticket",
        "session.value_added",
        "vocabulary",
        "errors",
        "timing",
        # From the plug to IP.
        "connector",
        "connector.basic",
        "connector.news",
        "link",
        "link.plain",
        "link.ports",
        "link.primitives",
        "link.slac.ev",
        "link.slac.evse",
        "link.slac.events",
        "link.slac.settings",
        "link.slac.watch",
        "link.spe",
        "aio.plug.media",
        "aio.plug.plca",
        "aio.plug.powerline",
        # Bytes and messages.
        "v2gtp",
        "sdp",
        "sdp.wireless",
        "sdp.wireless_ends",
        "exi",
        "channel",
        "messages.values",
        # TLS, certificates, contracts.
        "tls",
        "tls.binding",
        "tls.profiles",
        "pki",
        "pki.keys",
        "pki.keys.hsm",
        "pki.keys.signer",
        "pki.status.evidence",
        "pnc",
        "pnc.authorization",
        "pnc.contracts",
        "pnc.contract_key",
        "pnc.contract_service",
        "pnc.installation_iso2",
        "pnc.vehicle_contracts",
        "aio.net.ocsp_client",
        "aio.net.online",
        # Energy as numbers.
        "energy",
        "energy.curves",
        "energy.grid_functions",
        "energy.grid_support",
        "energy.iec_inverter",
        "energy.sae_inverter",
        "energy.offer",
        "energy.price",
        # Files of settings.
        "settings",
        "settings.contracts",
        "settings.identity",
        "settings.parts",
        "settings.roles",
        "settings.trust",
        # Testing: simulated hardware, both ends in one process, scenarios, recordings.
        "simulation",
        "simulation.async_ports",
        "simulation.faults",
        "simulation.link_bench",
        "simulation.modem",
        "testing",
        "testing.plugged",
        "loopback",
        "scenario",
        "pytest_plugin",
        "robot_keywords",
        "trace",
        "aio.inlets",
        "campaign",
        "campaign.model",
        "connector.inlet_ports",
        "connector.inlets",
        "session.couplers",
        "trace.entries",
        "trace.recording",
        "trace.reading.files",
    )
)


def build(folder: Path, *, search: bool = True) -> list[str]:
    """Write the pages into ``folder``; returns the warnings, of which there should be none. ``search``: with
    the index for the search field. Raises ImportError without `pdoc`."""
    from pdoc import doc, render

    modules = {name: _loaded(name) for name in MODULES}
    render.configure(show_source=False, search=search, footer_text="iso15118-stack")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        pages = {name: doc.Module(module) for name, module in modules.items()}
        for name, page in pages.items():
            path = folder / f"{name.replace('.', '/')}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render.html_module(page, pages), encoding="utf-8")
        (folder / "index.html").write_text(render.html_index(pages), encoding="utf-8")
        if search:
            (folder / "search.js").write_text(render.search_index(pages), encoding="utf-8")
    return [str(one.message) for one in said]


def _loaded(name: str) -> ModuleType:
    """With the names that are loaded when they are first asked for."""
    module = importlib.import_module(name)
    for one in getattr(module, "__all__", ()):
        thing = getattr(module, one)
        setattr(module, one, thing)
        if isinstance(thing, type) and issubclass(thing, tuple) and hasattr(thing, "_fields"):
            # The constructor of a named tuple has the names of its types, and not the module
            # in which they mean something.
            thing.__new__.__annotations__ = get_type_hints(thing)
    return module


def main() -> int:
    """The command; exit status 1 with warnings."""
    folder = Path(sys.argv[1])
    said = build(folder)
    if said:
        print(*said, sep="\n", file=sys.stderr)
    print(folder / "index.html")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
