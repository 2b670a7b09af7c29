"""Every timer, count and choice of SLAC as data, with its default and reason. Durations
in seconds, attenuation in dB.

Names follow ISO 15118-3 Table 3 and A.1: TT are timeouts, TP times within which something is done, C counts.
Values that public sources do not settle say so.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from iso15118.errors import ConfigError
from iso15118.ranges import Duration, check_fields

__all__ = ["KeyAcceptance", "LinkDetection", "ModemMaker", "SlacSettings", "SlacTiming", "ValidationPolicy"]


class KeyAcceptance(Enum):
    """Which result of CM_SET_KEY.CNF means that the modem took the key."""

    MODEM_COMPAT = "modem_compat"
    """1: what 88 of 89 captured modems answer when they took it."""
    HPGP = "hpgp"
    """0: what the HomePlug Green PHY text says."""
    EITHER = "either"
    """0 or 1: a refusal cannot be told from success; the link then decides."""

    def accepts(self, result: int) -> bool:
        """Whether this result is success."""
        if self is KeyAcceptance.EITHER:
            return result in (0, 1)
        return result == (1 if self is KeyAcceptance.MODEM_COMPAT else 0)


class ModemMaker(Enum):
    """Whose vendor messages the own modem understands."""

    QUALCOMM = "qualcomm"
    LUMISSIL = "lumissil"
    NONE = "none"
    """No vendor messages: neither reset nor link status (ST, VertexCom: no public layout)."""


class LinkDetection(Enum):
    """How the link is known to be up after the keys are set."""

    POLLED = "polled"
    """The modem is asked; a report of the driver counts as well."""
    REPORTED = "reported"
    """The driver says so (``LinkReported``)."""
    ASSUMED = "assumed"
    """It is taken to be up ``link_assumed`` after the key was set; for modems that cannot
    say. Its loss is not seen."""


class ValidationPolicy(Enum):
    """What a station says to CM_VALIDATE [V2G3-A09-51]."""

    SUPPORTED = "supported"
    NOT_REQUIRED = "not_required"
    DECLINED = "declined"


class SlacTiming(Struct, frozen=True, kw_only=True):
    """Timers of both roles. Raises ``ConfigError`` for a value out of its range."""

    tt_evse_slac_init: Annotated[float, Meta(ge=20.0, le=50.0)] = 50.0
    """Station: state B to the first CM_SLAC_PARM.REQ; 20 to 50 s. The longest: a captured
    vehicle came back after 41 s."""
    tt_match_response: Duration = 0.2
    """Wait for a CNF or RSP before the request is sent again."""
    tt_match_sequence: Duration = 0.4
    """Wait for the peer's next request."""
    tp_parm_gather: Duration = 0.1
    """Vehicle: collect further CM_SLAC_PARM.CNF after the first one; TP_match_sequence allows 100 ms, and
    nine in ten stations have answered then."""
    tp_batch_interval: Annotated[float, Meta(ge=0.02, le=0.05)] = 0.025
    """Vehicle: between CM_START_ATTEN_CHAR and CM_MNBC_SOUND messages; 20 to 50 ms, 24
    ms is what the field does."""
    tt_evse_match_mnbc: Duration = 0.6
    """Station: window for sounds, from the first CM_START_ATTEN_CHAR.IND."""
    tt_ev_atten_results: Duration = 1.2
    """Vehicle: window for CM_ATTEN_CHAR.IND, from its first CM_START_ATTEN_CHAR.IND."""
    tp_atten_gather: Duration = 0.1
    """Vehicle: after all announced stations have answered the sounds, wait for one whose announcement was
    lost; TP_match_session allows 500 ms until the match is asked for."""
    tt_evse_match_session: Duration = 10.0
    """Station: wait for CM_VALIDATE.REQ or CM_SLAC_MATCH.REQ, from the end of the sound window."""
    tt_match_join: Duration = 12.0
    """CM_SLAC_MATCH.CNF to link up."""
    tt_matching_rate: Annotated[float, Meta(ge=0.4, le=60.0)] = 0.4
    """Vehicle: pause before another matching process; at least 400 ms."""
    tt_matching_repetition: Duration = 10.0
    """Vehicle: window within which matching is repeated."""
    t_step_ef: Annotated[float, Meta(ge=4.0, le=60.0)] = 4.0
    """Station: length of state E or F to wake the vehicle up; at least 4 s."""
    error_pause: Duration = 3.0
    """Station: steady pilot before E/F after D-LINK_ERROR, and after a fault of the pilot."""
    lost_wait: Duration = 2.0
    """Station: after a link that was lost or did not come up, wait for the vehicle's own CM_SLAC_PARM.REQ
    before E/F wakes it up. Not in the standard, which has T_conn_resetup (15 s) for the whole: with t_step_ef
    there are 9 s left to notice it and to match."""
    replug_debounce: Duration = 0.05
    """Station: state A for less than this is no new plug-in, so budgets go on. Not in the
    standard; nobody is that quick."""
    t_conn_resume: Duration = 6.0
    """Wake-up to link."""
    tp_vald_level: Annotated[float, Meta(ge=0.2, le=0.4)] = 0.3
    """Vehicle: each B and each C of a validation or wake-up toggle; 200 to 400 ms."""
    t_vald_detect: Duration = 0.2
    """Station: a C shorter than half of it is a glitch and no toggle."""
    tt_amp_map_exchange: Duration = 0.2
    """Wait for CM_AMP_MAP.CNF."""
    set_key_wait: Duration = 0.6
    """Wait for CM_SET_KEY.CNF. Not in the standard; the slowest captured modem took 486 ms."""
    set_key_pause: Duration = 0.4
    """Before CM_SET_KEY is sent again after a refusal: QCA7005 refuses right after matching."""
    set_key_again: Duration = 5.0
    """Station: before a modem that took no key is offered another one; modems restart in 2 to 7 s."""
    link_poll: Duration = 0.1
    """Between questions for the link status while joining. Not in the standard."""
    link_poll_matched: Duration = 1.0
    """The same once the link is up, to notice its loss."""
    link_assumed: Duration = 3.0
    """Key set to link up where nobody can tell; modems restart in 2 to 7 s. Not in the standard."""

    def __post_init__(self) -> None:
        check_fields(self, "slac_timing")


class SlacSettings(Struct, frozen=True, kw_only=True):
    """Counts and choices of both roles. Raises ``ConfigError`` for what cannot work."""

    c_ev_match_retry: Annotated[int, Meta(ge=0, le=100)] = 2
    """Repetitions of a request or indication that is not answered: three sends in all."""
    c_start_atten_char_inds: Annotated[int, Meta(ge=1, le=10)] = 3
    """CM_START_ATTEN_CHAR messages."""
    c_match_mnbc: Annotated[int, Meta(ge=10, le=20)] = 10
    """Sounds; at least 10."""
    c_conn_max_match: Annotated[int, Meta(ge=1, le=100)] = 3
    """Vehicle: matching processes at least, even if the repetition window is over."""
    c_sequ_retry: Annotated[int, Meta(ge=0, le=10)] = 2
    """Station: E/F wake-ups when no vehicle sends CM_SLAC_PARM.REQ. For DC the standard has none; doing it
    anyway revives vehicles that sleep, 0 turns it off."""
    c_evse_match_parallel: Annotated[int, Meta(ge=5, le=64)] = 32
    """Station: matching processes at a time; it has to serve 5. When all are taken, one that has sounded
    nothing gives way, then the vehicle that is heard the weakest: strangers cannot lock the own vehicle out.
    Above 5 since a process costs next to nothing."""
    c_runs_per_vehicle: Annotated[int, Meta(ge=1, le=5)] = 2
    """Station: matching processes of one vehicle at a time; a vehicle that begins again
    may have left one behind."""
    c_rematch: Annotated[int, Meta(ge=0, le=100)] = 3
    """Station: how often in one plug-in a matched vehicle that lost its state is matched anew, which is in
    state B only. Not in the standard; its bound for somebody who speaks in the vehicle's name."""
    c_fault_restarts: Annotated[int, Meta(ge=0, le=100)] = 3
    """Station: restarts after E or F on the pilot that this side does not show, in one plug-in. Not in the
    standard for CCS; as many as c_conn_retry of MCS."""
    c_wake_toggles: Annotated[int, Meta(ge=1, le=3)] = 3
    """Vehicle: B-C-B toggles, T_conn_resume apart, with which a restart wakes a station up that shows no 5 %;
    1 to 3 as in a validation."""
    c_vald_toggles: Annotated[int, Meta(ge=0, le=3)] = 0
    """Vehicle: toggles of a validation, 1 to 3; 0 draws the number anew each time, so that a neighbour who
    toggles at the same moment is not easily taken for us."""
    always_validate: bool = False
    """Vehicle: believe nobody without a validation, nor a station that says that none is required. Surer than
    attenuation, but stations may decline."""
    strict_choice: bool = False
    """Vehicle: a choice that a second station nearby, or a silent one, makes doubtful is settled by
    validation alone. Off: where validation settles nothing, the best station within direct_limit is taken all
    the same, as the standard does from the start; with a silent or near neighbour and a station that declines
    validation there would be no match otherwise."""
    set_key_retries: Annotated[int, Meta(ge=0, le=100)] = 5
    """How often CM_SET_KEY is sent again to a modem that refuses or does not answer."""
    link_poll_losses: Annotated[int, Meta(ge=1, le=100)] = 2
    """"No link" answers in a row after which a link that was up counts as lost."""

    direct_limit: Annotated[float, Meta(ge=0.0, le=200.0)] = 40.0
    """C_EV_match_signalattn_direct: a station up to this mean attenuation is ours. Unsettled: sources have
    10, 40 and more; real chargers measure 8 to 37 dB."""
    indirect_limit: Annotated[float, Meta(ge=0.0, le=200.0)] = 80.0
    """C_EV_match_signalattn_indirect: up to it validation decides. Unsettled: 20 and 80 are found."""
    margin: Annotated[float, Meta(ge=0.0, le=200.0)] = 3.0
    """A second station closer than this makes the choice doubtful, so that validation decides. Not in the
    standard; stations on neighbouring bays were 5.5 dB apart in a capture."""
    receive_correction: Annotated[float, Meta(ge=0.0, le=200.0)] = 0.0
    """Station: taken off every measured group, for the loss of its own receive path. Chargers
    in the field use 0 to 10."""

    key_acceptance: KeyAcceptance = KeyAcceptance.MODEM_COMPAT
    """Which result of CM_SET_KEY.CNF means that the modem took the key: 1, 0, or any of them."""
    modem_maker: ModemMaker = ModemMaker.QUALCOMM
    """Whose vendor messages the own modem understands, for its restart and its link status."""
    link_detection: LinkDetection = LinkDetection.POLLED
    """How the link is known to be up: the modem is asked, a driver reports it, or it is taken to be."""
    validation: ValidationPolicy = ValidationPolicy.SUPPORTED
    """Station: what is said to CM_VALIDATE."""
    modem: bytes = bytes.fromhex("00b052000001")
    """Where messages for the own modem go; the default reaches any local Qualcomm modem."""
    modem_address: bytes = b""
    """The own modem's address, from which alone its messages are believed; empty: learned from
    its answer to the first key."""
    reset_modem: bool = False
    """Restart the modem at power-on, where its maker has a message for it."""
    amplitude_map: bytes = b""
    """Carrier reductions asked of the peer once the link is up, one entry of 0 to 15 for each
    carrier; empty asks for none."""
    apply_amplitude_map: bool = False
    """Hand a map that the peer asks for to the own modem, once for each link. Unsettled: public
    implementations only confirm it; and whoever speaks in the peer's name could turn the own modem down."""

    def __post_init__(self) -> None:
        check_fields(self, "slac")
        if self.indirect_limit < self.direct_limit:
            raise ConfigError("slac.indirect_limit", "it is below direct_limit", "at least as much")
        if len(self.modem) != 6:
            raise ConfigError("slac.modem", "this is no MAC address", "6 bytes")
        if len(self.modem_address) not in (0, 6):
            raise ConfigError("slac.modem_address", "this is no MAC address", "6 bytes, or none at all")
        if len(self.amplitude_map) > 2986 or any(entry > 15 for entry in self.amplitude_map):
            raise ConfigError(
                "slac.amplitude_map", "this is no amplitude map", "up to 2986 entries of 0 to 15"
            )
