"""The station's session as a value: events and the time in, actions and a deadline out.

All that can end a session comes together here in one funnel, which asks for current zero and open contactors
before anything else. What is
legal when stands in the edition's table; how the hardware is driven stands behind the actions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import DisplayParameters, ResponseCode
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Action, EndReason
from iso15118.session.checks import check_event, text
from iso15118.session.limits import StationLimits
from iso15118.session.ticket import SeccTicket
from iso15118.timing import Timer

from .config import SeccConfig
from .funnel import Funnel
from .iso20.context import Context
from .iso20.loop import present_bounds
from .iso20.machine import answer, is_request
from .iso20.parameters import refresh_limits
from .iso20.pause import PAUSE_DELAY_S
from .iso20.replies import Reply, Wait, refusal
from .iso20.sequence import State
from .negotiation import negotiate

if TYPE_CHECKING:
    from iso15118.pki.authorization import ContractTrust

__all__ = ["SeccSession"]

CONNECTING = "Connecting"
NEGOTIATING = "supportedAppProtocol"
_END_OF_TIME = 1e15
_WAITS_ON_VEHICLE = {
    State.POWER_DELIVERY: (Timer.POWER_DELIVERY, "power_delivery_performance"),
    State.DC_WELDING_DETECTION: (Timer.WELDING_DETECTION, "welding_detection_performance"),
}
"""States in which the vehicle may repeat its request as Ongoing, each with a timer of our own."""


class SeccSession(Funnel):
    """One session of one connector.

    Feed it with ``handle`` and, when ``deadline`` is reached, with ``handle_timeout``; carry out the actions
    in their order. ``limits`` is what the station can give now, ``hardware`` what it could give at best,
    which is what the vehicle is offered (None: the same, so that a station that is held back at plug-in stays
    so for the session); ``epoch`` is what must be added to ``now`` to get Unix time in seconds (for the time
    stamps of messages, and for the validity of contracts; 0: no clock is set). ``trust``: with it, and over
    TLS, contracts are taken; ``installs``: there is a contract-certificate service. ``resume``: sessions that
    were paused here.
    """

    def __init__(
        self,
        config: SeccConfig,
        limits: StationLimits,
        *,
        epoch: float = 0.0,
        trust: ContractTrust | None = None,
        installs: bool = False,
        resume: SeccTicket | Iterable[SeccTicket] = (),
        hardware: StationLimits | None = None,
    ) -> None:
        if not isinstance(config, SeccConfig):
            raise ConfigError(
                "config", f"{type(config).__name__} is no SeccConfig", "iso15118.SeccConfig(...)"
            )
        if not isinstance(limits, StationLimits):
            raise ConfigError(
                "limits", f"{type(limits).__name__} is no StationLimits", "iso15118.StationLimits(...)"
            )
        if not math.isfinite(epoch):
            raise ConfigError(
                "epoch", f"{epoch!r} is no time", "Unix time at the clock's zero in s; 0: none is set"
            )
        tickets = (resume,) if isinstance(resume, SeccTicket) else tuple(resume)
        super().__init__(
            config,
            Context(
                config=config,
                hardware=limits if hardware is None else hardware,
                capabilities=limits,
                epoch=epoch,
                trust=trust,
                installs=installs,
                tickets=tickets,
            ),
        )
        self.states.append(CONNECTING)

    # -- the outer contract

    @property
    def state(self) -> str:
        """What the session waits for, named after the message."""
        return self.states[-1]

    @property
    def deadline(self) -> float | None:
        """When ``handle_timeout`` must be called, on the clock of ``now``; None when nothing runs. With every reading of live hardware
        it may move."""
        timer, ctx = self.timers.deadline, self._ctx
        if not (ctx.energized or ctx.contactors_closed) or self.ended is not None:
            return timer
        readings = self._supervisor.fresh_until
        if timer is not None and timer <= readings:
            return timer
        return readings if readings < _END_OF_TIME else None

    @property
    def session_id(self) -> bytes:
        """The id of this session; zero before SessionSetup."""
        return self._ctx.session_id

    @property
    def evccid(self) -> str:
        """How the vehicle introduced itself; empty before SessionSetup."""
        return self._ctx.evccid

    @property
    def emaid(self) -> str:
        """The contract that pays; empty with external identification, and before authorization."""
        return self._ctx.emaid

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why contracts were refused, in order, for people."""
        return tuple(self._ctx.refusals)

    @property
    def spent(self) -> tuple[SeccTicket, ...]:
        """Tickets that it was given and that nobody can use any more: throw them away."""
        return tuple(self._ctx.spent)

    @property
    def display(self) -> DisplayParameters | None:
        """What the vehicle last let the station show of itself; None before."""
        return self._ctx.display

    @property
    def energized(self) -> bool:
        """The hardware was asked for voltage, current or closed contactors, and not yet to take it back."""
        return self._ctx.energized

    def handle(self, event: ev.Event, now: float) -> list[Action]:
        """Take one event at time ``now`` (s) and say what has to be done, in this order.

        An event of the application that makes no sense is refused, and nothing of it is kept: raises ``ConfigError`` with its field.
        Nothing else is ever raised: a fault of this software ends the session with ``INTERNAL_ERROR``, hardware first.
        """
        kind, ctx = type(event), self._ctx
        if kind is not ev.PowerMeasured and kind is not ev.MessageReceived:
            check_event(event)
        try:
            if (
                kind is ev.PowerMeasured
                and event.at is None  # type: ignore[attr-defined]
                and self._supervisor.within(event.voltage_v, event.current_a, now)  # type: ignore[attr-defined]
            ):
                ctx.now, ctx.measured = now, event  # type: ignore[assignment]
                return []
            if not -_END_OF_TIME < now < _END_OF_TIME:
                raise ValueError(f"{now} is no time")  # a clock that shows none is a fault
            ctx.now = now
            if kind is ev.PowerMeasured:
                found = self._books.measured(event)  # type: ignore[arg-type]
                if found is None:
                    return []
                actions = self._found(found)
            elif self.ended is not None:
                return self._late(event)
            elif kind is ev.MessageReceived:
                actions = self._message(event.message)  # type: ignore[attr-defined]
            else:
                actions = self._other(event)
            if self._waiting is not None:
                actions += self._try_waiting(timed_out=False)
            if ctx.news:
                actions += ctx.news
                ctx.news.clear()
            return actions
        except Exception as error:  # whatever it is, the output must not stay as it is
            return self._broken(error)

    def handle_timeout(self, now: float) -> list[Action]:
        """Call at ``deadline``; harmless when nothing is due. Raises nothing, as ``handle``."""
        try:
            return self._timeout(now)
        except Exception as error:  # as above
            return self._broken(error)

    def _timeout(self, now: float) -> list[Action]:
        ctx = self._ctx
        if not -_END_OF_TIME < now < _END_OF_TIME:
            raise ValueError(f"{now} is no time")
        ctx.now = now
        actions: list[Action] = []
        for timer in self.timers.expired(now):
            if self.ended is not None:
                break
            match timer:
                case Timer.ANSWER:
                    actions += self._try_waiting(timed_out=True)
                case Timer.SEQUENCE if ctx.doom is not None:
                    actions += self._end(ctx.doom, ctx.doom_detail, rule=ctx.doom_rule)
                case Timer.SEQUENCE:
                    actions += self._end(EndReason.TIMEOUT, f"no request while waiting for {self.state}")
                case Timer.LINK:
                    actions += self._end(EndReason.TIMEOUT, "communication set-up took too long")
                case Timer.CABLE_CHECK:
                    actions += self._doom(EndReason.CABLE_CHECK_FAILED, "the cable check took too long")
                case Timer.PRE_CHARGE:
                    actions += self._doom(EndReason.PRE_CHARGE_FAILED, "pre-charge took too long")
                case Timer.CONTROL_PILOT:
                    actions += self._doom(
                        EndReason.SIGNAL_LOST, "the control pilot did not show state C in time"
                    )
                case Timer.POWER_DELIVERY | Timer.WELDING_DETECTION:
                    detail = f"the vehicle did not finish {timer.value}"
                    actions += self._doom(EndReason.ONGOING_TOO_LONG, detail)
                case _:
                    actions += self._stop_now()
        if (ctx.energized or ctx.contactors_closed) and self.ended is None:
            found = self._supervisor.stale(now)
            if found is not None:
                actions += self._found(found)
        return actions

    # -- messages

    def _message(self, message: Any) -> list[Action]:
        state, ctx = self._state, self._ctx
        if state is None:
            return self._negotiation(message)
        if not is_request(message):
            return self._end(EndReason.SEQUENCE_ERROR, f"{type(message).__name__} is no request")
        beside = type(message) is cm.MeteringConfirmationReq  # on a stream of its own: the loop goes on
        if self._waiting is not None and not beside:
            self._waiting = None
            return self._end(
                EndReason.SEQUENCE_ERROR,
                "a second request before the answer to the first",
                refusal(message, ctx, ResponseCode.FAILED_SequenceError),
            )
        if not beside:
            self.timers.clear(Timer.SEQUENCE)
        if ctx.doom is not None:
            failed = refusal(message, ctx, ResponseCode.FAILED)
            return self._end(ctx.doom, ctx.doom_detail, failed, rule=ctx.doom_rule)
        if ctx.stop_wanted and self._refuses_to_go_on(message):
            failed = refusal(message, ctx, ResponseCode.FAILED)
            return self._end(EndReason.STOPPED_BY_STATION, ctx.stop_wanted, failed)
        reply = answer(message, ctx, state)
        if type(reply) is Wait:
            self._waiting, self._pending = reply, message
            due = ctx.now + self.config.timing.answer_time_of(type(message).__name__)
            self.timers.set(Timer.ANSWER, min(reply.deadline, due))
            return self._books.keep(reply.before)
        return self._reply(reply)  # type: ignore[arg-type]

    def _refuses_to_go_on(self, message: Any) -> bool:
        """Before energy flows, a wish to stop is told by refusing; in the loop by a notification; afterwards
        not at all."""
        if type(message) in (
            cm.SessionStopReq,
            dc.DCChargeLoopReq,
            cm.PowerDeliveryReq,
            cm.MeteringConfirmationReq,
        ):
            return type(message) is cm.PowerDeliveryReq and message.charge_progress is cm.ChargeProgress.Start
        return self._state not in (State.DC_WELDING_DETECTION, State.SESSION_STOP)

    def _negotiation(self, message: Any) -> list[Action]:
        if self.state != NEGOTIATING or type(message) is not app.SupportedAppProtocolReq:
            return self._end(
                EndReason.SEQUENCE_ERROR, f"{type(message).__name__} while waiting for {self.state}"
            )
        plaintext = self._ctx.plain and self.config.allow_plaintext
        choice = negotiate(message, secure=self._ctx.secure, allow_plaintext=plaintext)
        if choice.edition is None:
            return self._end(EndReason.PROTOCOL_NEGOTIATION_FAILED, "nothing in common", choice.response)
        return [act.Send(choice.response), act.UseSchema(choice.edition), *self._enter(State.SESSION_SETUP)]

    def _reply(self, reply: Reply) -> list[Action]:
        ctx = self._ctx
        if reply.end is not None:
            return self._end(reply.end, reply.detail, reply.response, rule=reply.rule)
        actions = self._books.keep(reply.before) if reply.before else []
        actions.append(act.Send(reply.response))
        if reply.next is not self._state:
            actions += self._enter(reply.next)
        timing = self.config.timing
        if type(reply.response) is cm.MeteringConfirmationRes:
            return actions  # beside the loop, whose own time runs on
        # The short timer holds after a charge-loop response only [V2G20-1500, V2G20-443].
        short = type(reply.response) is dc.DCChargeLoopRes
        limit = timing.sequence_timeout_loop if short else timing.sequence_timeout
        self.timers.set(Timer.SEQUENCE, ctx.now + limit)
        return actions

    def _try_waiting(self, *, timed_out: bool) -> list[Action]:
        waiting, ctx = self._waiting, self._ctx
        if waiting is None or self.ended is not None:
            return []
        if ctx.doom is not None:
            self._waiting = None
            failed = refusal(self._pending, ctx, ResponseCode.FAILED)
            return self._end(ctx.doom, ctx.doom_detail, failed, rule=ctx.doom_rule)
        reply = waiting.finish(ctx, timed_out)
        if reply is None:
            return []
        self._waiting = self._pending = None
        self.timers.clear(Timer.ANSWER)
        return self._reply(reply)

    def _enter(self, state: State) -> list[Action]:
        self._state = state
        self.states.append(state.value)
        if state in (State.AUTHORIZATION_SETUP, State.DC_CHARGE_PARAMETER_DISCOVERY):
            self.timers.clear(Timer.LINK)  # a session that goes on has no authorization
        if state is not State.DC_CABLE_CHECK:
            self.timers.clear(Timer.CABLE_CHECK)
        if state is not State.DC_PRE_CHARGE:
            self.timers.clear(Timer.PRE_CHARGE)
        for waits, (timer, setting) in _WAITS_ON_VEHICLE.items():
            if state is waits:
                self.timers.set(timer, self._ctx.now + getattr(self.config.timing, setting))
            else:
                self.timers.clear(timer)
        return [act.StateEntered(state.value)]

    # -- hardware and application

    def _other(self, event: ev.Event) -> list[Action]:
        ctx = self._ctx
        match event:
            case ev.Connected(secure=secure, tls=tls):
                ctx.secure, ctx.plain, ctx.tls = event.allows_iso20, not secure, tls
                self.states.append(NEGOTIATING)
                self.timers.set(Timer.LINK, ctx.now + self.config.timing.communication_setup_performance)
                return [act.StateEntered(NEGOTIATING)]
            case ev.LinkLost(how=how):
                lost = how.value if isinstance(how, ev.LinkLoss) else text(how)
                return self._end(EndReason.PEER_VANISHED, lost, connected=False)
            case ev.Undecodable(reason=reason):
                return self._end(EndReason.UNDECODABLE, text(reason))
            case ev.ContactorsChanged(closed=closed):
                return self._contactors(closed)
            case ev.CableCheckFinished(ok=ok, reason=reason):
                return self._cable_check_finished(ok is True, text(reason))
            case ev.AuthorizationDecided(accepted=accepted):
                return self._authorization_decided(accepted)
            case ev.ContractDecided(claim=claim, refusal=refusal):
                if claim != ctx.claim:
                    return []  # about a contract that is no longer asked about
                ctx.contract_refusal = refusal
                return self._decided(refusal is None)
            case ev.ContractCertificateAnswered(response=response, refusal=refusal, request=asked):
                if ctx.installation is not None and ctx.installation.asked == asked:
                    ctx.installation.answered = True
                    ctx.installation.response, ctx.installation.refusal = response, refusal
                return []
            case ev.MeterRead(at=at):
                ctx.meter = event if at is not None else replace(event, at=ctx.now)
                return []
            case ev.LimitsChanged(limits=limits):
                ctx.capabilities = limits
                return self._rebound()
            case ev.SetPointChanged(power_w=power):
                ctx.set_point_w = power
                return self._rebound()
            case ev.SignalChanged(state=signal):
                return self._signal_changed(signal)
            case ev.HardwareFault(port=port, reason=reason):
                return self._doom(EndReason.HARDWARE_FAULT, f"{text(port)}: {text(reason)}")
            case ev.EmergencyShutdown(reason=reason):
                return self._doom(EndReason.EMERGENCY, text(reason))
            case ev.StopRequested(reason=reason):
                return self._stop(text(reason))
            case ev.InsulationMeasured() | ev.SecondVoltageMeasured():
                found = self._books.further(event)
                return [] if found is None else self._found(found)
            case ev.PauseRequested():
                ctx.pause_until = ctx.now + PAUSE_DELAY_S if self.config.allow_pause else 0.0
                return []
            case _:
                return []

    def _authorization_decided(self, accepted: bool) -> list[Action]:
        """Terminal or backend decided about the driver; that says nothing about a contract that is still open."""
        ctx = self._ctx
        if ctx.authorization_requested is None or (ctx.claim is not None and not ctx.authorized):
            return []
        return self._decided(accepted)

    def _decided(self, accepted: bool) -> list[Action]:
        ctx = self._ctx
        if self._state is State.AUTHORIZATION:
            ctx.authorized = accepted
        elif not accepted:
            return self._stop("authorization withdrawn")
        return []

    def _rebound(self) -> list[Action]:
        """Other limits, or another set-point, hold at once, not with the vehicle's next request: lower ones,
        and higher ones as far as its last request allows it."""
        ctx = self._ctx
        refresh_limits(ctx)
        bounds = present_bounds(ctx)
        if ctx.power is None or bounds is None or bounds == ctx.power:
            return []
        return self._books.keep((act.SetPower(*bounds),))
