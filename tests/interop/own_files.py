"""Our side's file for a session with a foreign stack: a laboratory's settings, each of them explicit."""

from __future__ import annotations

from tests.interop.edition_cases import Case
from tests.interop.namespaces import INTERFACE

__all__ = ["toml"]

_PATIENCE = "message_timeout = 10.0\nmessage_timeout_loop = 2.0\n"
"""A peer's codec takes longer than the standard's timers when it is cold or the machine is busy, and
neither is the subject here."""
_PACE = {
    "iso20": f"[session.timing]\n{_PATIENCE}",
    "iso2": f"[session.iso2.timing]\n{_PATIENCE}",
    "din": f"[session.din.timing]\n{_PATIENCE}",
}


def toml(case: Case, role: str) -> str:
    """The file of our ``role``. What ``edition_end.py`` brings along is not in it: TLS 1.2, contracts, AC."""
    head = f'interface = "{INTERFACE}"\n[tls]\nmode = "plaintext"\n[session]\neditions = ["{case.edition}"]\n'
    if role == "secc":
        return f'{head}[station]\npreset = "ccs2"\n'
    identification = 'identification = ["pnc"]\n' if case.contract else ""
    return (
        f"{head}{identification}target_soc = 21\nminimum_soc = 10\n{_PACE[case.edition]}"
        # A small battery near its target: some tens of turns at the peer's pace.
        "[vehicle]\nbattery_kwh = 4.0\nsoc = 20.0\nempty_v = 380.0\nfull_v = 420.0\nresistance_ohm = 0.05\n"
        "maximum_current_a = 60.0\nmaximum_power_kw = 25.0\n"
    )
