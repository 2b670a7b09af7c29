"""What ``secc`` and ``evcc`` share: TLS as the file has it, the result of a session in figures, and
the exit status it means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from iso15118.aio.identity import RenewableTls, follow_files
from iso15118.aio.net.disclosure import SecretDisclosure
from iso15118.aio.net.keylog import KeyLogFile
from iso15118.aio.results import SessionResult
from iso15118.channel import Received
from iso15118.cli.configured import Asking
from iso15118.cli.ending import ExitStatus
from iso15118.cli.keylog import KEYLOG_VARIABLE, keylog_of_environment, warn_of_keylog
from iso15118.cli.options import ConfigKeys
from iso15118.cli.terminal import echo_soon
from iso15118.errors import ConfigError
from iso15118.pki import IssuedPki
from iso15118.pki.status.evidence import Evidence
from iso15118.pki.status.revocation import Demand
from iso15118.session.actions import EndReason, ScheduleChosen, StateEntered
from iso15118.settings.hardware import Reported
from iso15118.settings.identity import Role, TlsMaterial, read_material, state_of_material
from iso15118.settings.parts import Iso2TlsSettings, TlsSettings
from iso15118.settings.trust import Keylog, evcc_source, secc_source

CHARGE_LOOPS = frozenset({"DC_ChargeLoop", "AC_ChargeLoop", "CurrentDemand", "ChargingStatus"})
"""The states of both roles in which energy is transferred, in every edition."""

__all__ = ["Secured", "SessionSummary", "exit_status", "listen_to", "summary_of", "tell", "tls_of"]


class SessionSummary(Struct, frozen=True, kw_only=True):
    """One session, seen from one end; energies by that end's own simulated hardware. Keys as in the
    summary of a loopback run."""

    role: str
    result: str
    detail: str
    end_reason: str
    cause: str
    """Its code in the table of causes (docs/causes.md)."""
    side: str
    """Whom that points at: ``evcc``, ``secc``, ``link``."""
    timer: str
    requirement: str
    hint: str
    """What to try."""
    last_messages: list[dict[str, Any]]
    edition: str
    """What was spoken; empty if the two had none in common."""
    peer: str
    evccid: str
    emaid: str
    """The contract that pays; empty with external identification."""
    contracts_installed: int
    refusals: list[str]
    """Human-readable reasons for refused contracts."""
    tls: dict[str, Any] | None
    exchanges: int
    charge_loops: int
    soc_start: float | None
    soc_end: float | None
    energy_charged_kwh: float
    energy_discharged_kwh: float
    peak_power_kw: float
    peak_current_a: float
    max_voltage_v: float
    transfer_seconds: float
    session_seconds: float
    states: list[str]
    safe: bool
    faults: list[str]
    schedule: dict[str, Any] | None = None
    """Vehicle: the schedule that it took, and what it expected to pay."""
    connector: str = ""
    """Station with several connectors: the name of the one."""


def summary_of(
    result: SessionResult,
    *,
    charged_wh: float,
    discharged_wh: float,
    evccid: str = "",
    problem: str = "",
    soc: tuple[float, float] | None = None,
    connector: str = "",
) -> SessionSummary:
    """``problem``: why it was not as asked, where the session itself ended in order."""
    ended = result.ended
    if not ended.reason.orderly:
        problem = f"{ended.reason.value}: {ended.detail}" if ended.detail else ended.reason.value
    elif not result.safe:
        problem = "the hardware did not confirm that it is safe"
    tls = result.tls
    return SessionSummary(
        role=result.role,
        result="failed" if problem else "ok",
        detail=problem,
        end_reason=ended.reason.name,
        cause=result.cause.code,
        side=result.side,
        timer=result.cause.timer,
        requirement=result.cause.requirement(result.edition),
        hint=result.cause.hint,
        last_messages=result.summary()["last_messages"],
        edition=result.edition,
        peer=result.peer,
        evccid=evccid or result.evccid,
        emaid=result.emaid,
        contracts_installed=result.contracts_installed,
        refusals=list(result.refusals),
        tls=None
        if tls is None
        else {
            "version": tls.version,
            "cipher": tls.cipher,
            "group": tls.group,
            "signature": tls.server_signature,
            "client_certificate": tls.client_certificate,
            "deviations": tls.deviations,
        },
        exchanges=result.exchanges,
        charge_loops=result.charge_loops,
        soc_start=None if soc is None else soc[0],
        soc_end=None if soc is None else round(soc[1], 3),
        energy_charged_kwh=round(charged_wh / 1000.0, 4),
        energy_discharged_kwh=round(discharged_wh / 1000.0, 4),
        peak_power_kw=round(result.peak_power_kw, 4),
        peak_current_a=round(result.peak_current_a, 1),
        max_voltage_v=round(result.maximum_voltage_v, 1),
        transfer_seconds=round(result.transfer_seconds, 3),
        session_seconds=round(result.finished - result.started, 3),
        states=list(result.states),
        safe=result.safe,
        faults=[f"{fault.port}: {fault.reason}" for fault in result.faults],
        schedule=None if result.schedule is None else _schedule(result.schedule),
        connector=connector,
    )


def _schedule(chosen: ScheduleChosen) -> dict[str, Any]:
    """Which one the vehicle took of how many, what it expected to pay, and what is known of the prices."""
    return {
        "schedule_id": chosen.schedule_id,
        "schedules": chosen.offered,
        "planned_kwh": round(chosen.planned_wh / 1000.0, 4),
        "planned_cost": None if chosen.cost is None else float(chosen.cost),
        "currency": chosen.currency or None,
        "prices": chosen.trust.name.lower(),
    }


def exit_status(summary: SessionSummary) -> ExitStatus:
    """What the shell is told of this session."""
    if summary.result == "ok":
        return ExitStatus.OK
    if summary.end_reason in (EndReason.TIMEOUT.name, EndReason.ONGOING_TOO_LONG.name):
        return ExitStatus.TIMEOUT
    return ExitStatus.LINK if summary.end_reason == EndReason.PEER_VANISHED.name else ExitStatus.FAILED


def tell(summary: SessionSummary) -> None:
    """One session for people, on stdout."""
    tls = "plaintext" if summary.tls is None else summary.tls["version"]
    if summary.tls is not None and summary.tls["client_certificate"]:
        tls += " with client certificate"
    soc = "" if summary.soc_end is None else f", {summary.soc_start:.1f} % to {summary.soc_end:.1f} %"
    where = f"{summary.connector}: " if summary.connector else ""
    for line in (
        f"{where}{summary.result}: {summary.end_reason}{': ' + summary.detail if summary.detail else ''}",
        *(() if summary.result == "ok" else _why(summary)),
        f"  {summary.energy_charged_kwh:.2f} kWh charged, {summary.energy_discharged_kwh:.2f} kWh given back{soc}",
        f"  at most {summary.peak_power_kw:.1f} kW, {summary.peak_current_a:.1f} A, {summary.max_voltage_v:.1f} V",
        f"  {summary.transfer_seconds:.1f} s of {summary.session_seconds:.1f} s, {summary.exchanges} exchanges, "
        f"with {summary.peer}, {summary.edition or 'no edition in common'}, {tls}",
    ):
        echo_soon(line)


def _why(summary: SessionSummary) -> list[str]:
    """Of a session that failed: what the table of causes says."""
    timer = ", ".join(part for part in (summary.timer, summary.requirement) if part)
    last = ", ".join(
        " ".join(filter(None, (one["message"], one["response_code"]))) for one in summary.last_messages
    )
    return [
        f"  cause {summary.cause}, points at {summary.side}{f' ({timer})' if timer else ''}",
        f"  try: {summary.hint}",
        f"  last messages: {last or 'none'}",
    ]


class Secured(Struct, frozen=True, kw_only=True):
    """TLS as a file has it; nothing of it for plaintext."""

    tls: RenewableTls | None = None
    material: TlsMaterial | None = None
    """The certificates of ISO 15118-20 that it began with, if it is spoken."""
    older: TlsMaterial | None = None
    """Those of ISO 15118-2, if it is spoken over TLS."""
    beside: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = ()
    """What runs beside a station until it is cancelled: changed files are taken for
    the connections that come."""

    @property
    def pki(self) -> IssuedPki | None:
        """The test PKI behind the certificates of ISO 15118-20, if they are from one."""
        return None if self.material is None else self.material.pki

    @property
    def older_pki(self) -> IssuedPki | None:
        """The same for ISO 15118-2."""
        return None if self.older is None else self.older.pki


@contextmanager
def tls_of(
    settings: TlsSettings,
    role: Role,
    keylog: Path | None = None,
    *,
    asking: Asking | None = None,
    editions: Collection[str] = ("iso20",),
    evidence: Evidence | None = None,
    demand: Demand | None = None,
    disclose: str | None = None,
    secret: Keylog | None = None,
) -> Iterator[Secured]:
    """The TLS context that a file asks for, and the certificates behind it; none for plaintext, which is said
    on stderr, and where ``editions`` has none that it names certificates for. ``evidence``: what is known
    about revocation; ``demand``: how much has to be, when it is not as the file says. Raises ConfigError for
    what the file names and cannot be used, and for a certificate of ours that has expired.

    ``asking``: who types passphrases; None: nobody does. ``keylog``: where the command line wants the TLS
    secrets, before the file and the environment; ``disclose``: where it wants them sent; ``secret``: who else
    hears them, as a recording.
    """
    named: tuple[TlsSettings | Iso2TlsSettings | None, TlsSettings | Iso2TlsSettings | None] = (
        settings if "iso20" in editions else None,
        settings.iso2 if "iso2" in editions and _source_of(settings.iso2, "tls.iso2") else None,
    )
    if settings.mode == "plaintext" or named == (None, None):
        if disclose is not None:
            raise ConfigError("--keylog-udp", "there is no TLS here, hence no secrets", "use it with TLS")
        if settings.mode == "plaintext" and "iso20" in editions:
            echo_soon(
                "iso15118: plaintext, as tls.mode says: no TLS, which ISO 15118-20 forbids on a public cable",
                err=True,
            )
        yield Secured()
        return

    def read() -> tuple[TlsMaterial | None, TlsMaterial | None]:
        newer, older = (None if one is None else read_material(one, role, asking) for one in named)
        return newer, older

    def state_of() -> object:
        return [None if one is None else state_of_material(one) for one in named]

    state: object = None
    with suppress(OSError):  # what is missing is said by who reads it
        state = state_of()
    material, older = read()
    written = "--{}" if keylog is not None else "tls.{}" if settings.keylog is not None else KEYLOG_VARIABLE
    wanted = keylog or settings.keylog or keylog_of_environment()
    with ExitStack() as stack:
        logs: list[Keylog] = [] if secret is None else [secret]
        if wanted is not None:
            stack.enter_context(ConfigKeys("keylog", written=written))
            logs.append(stack.enter_context(KeyLogFile(wanted)))
            warn_of_keylog(wanted)
        if disclose is not None:
            stack.enter_context(ConfigKeys("keylog-udp"))
            logs.append(stack.enter_context(SecretDisclosure(disclose)))
            warn_of_keylog(disclose, sent=True)
        make = partial(
            secc_source if role == "secc" else evcc_source,
            profile=settings.profile,
            keylog=partial(_to_all, logs) if logs else None,
            revocation=demand or settings.revocation,
            evidence=evidence,
            refuse=settings.refuse,
        )
        tls = RenewableTls(make(material, older), ahead=timedelta(days=settings.expiry_warning_days))
        source = (
            _source_of(settings, "tls") if material is not None else _source_of(settings.iso2, "tls.iso2")
        )
        with ConfigKeys("tls", written=source):
            tls.check()
        yield Secured(
            tls=tls,
            material=material,
            older=older,
            beside=(
                lambda: follow_files(
                    tls,
                    state_of,
                    lambda: make(*read()),
                    began_with=state,
                ),
            ),
        )


def _to_all(logs: list[Keylog], line: str) -> None:
    for log in logs:
        log(line)


def _source_of(settings: TlsSettings | Iso2TlsSettings, table: str) -> str:
    """The key that says where certificates are from; empty if none does."""
    keys = ("pki", "store", "certificate", "key", "anchors")
    return next((f"{table}.{key}" for key in keys if getattr(settings, key)), "")


def listen_to(reported: Reported, words: str = "iso15118") -> Callable[[float, Any], None]:
    """An observer that hands the far end's messages on to the simulated hardware, and says on stderr, after
    ``words``, when energy may flow."""

    def observe(now: float, what: Any) -> None:
        if type(what) is Received:
            reported(what.message, now)
        elif type(what) is StateEntered and what.state in CHARGE_LOOPS:
            echo_soon(f"{words}: in the charge loop", err=True)

    return observe
