"""The table of causes as text: code, reason, side, timer, requirements, MREC
code; what it means; what to try.

The first row of a reason is for an end that says no more; rules of the supervision stand at
the end, by the rule's name.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TABLE"]

TABLE: Final = """
# as somebody wanted
stopped-by-vehicle | STOPPED_BY_EV | evcc | - | - | -
    the vehicle ended the session in order
    nothing: a full battery or the driver
left-early | STOPPED_BY_EV | evcc | - | - | -
    the vehicle went without a word where it may do so
    nothing: it would have chosen another service
stopped-by-station | STOPPED_BY_STATION | secc | - | - | -
    the station, its operator or its user ended the session
    nothing, or the station's reason in the detail
stop-not-followed | STOPPED_BY_STATION | evcc | - | - | -
    the vehicle was asked to stop and did not in time; the station stopped by itself
    does the vehicle look at EVSENotification? the wait is `stop_delay_s`
voltage-limit-lowered | STOPPED_BY_STATION | secc | - | - | -
    the station's voltage limit fell below what cable check or pre-charge had asked for
    who lowered it? the limits of the power port, and what they depend on
paused | PAUSED | evcc | - | - | -
    the session is paused, with a ticket to go on
    nothing
# before a session
no-common-protocol | PROTOCOL_NEGOTIATION_FAILED | peer | - | - | -
    supportedAppProtocol found nothing that both speak
    compare the offer in the recording with `session.editions` of the file
no-dc-voltage | PROTOCOL_NEGOTIATION_FAILED | secc | - | - | -
    the limits of the station's DC supply say 0 V, so that no DC is offered
    `limits` of the power port count from the beginning of a session: read them before vehicles can come
answer-without-schema-id | PROTOCOL_NEGOTIATION_FAILED | secc | - | - | -
    the station agreed, and did not say to which of several offers
    offer one edition alone
schema-id-not-offered | PROTOCOL_NEGOTIATION_FAILED | secc | - | - | -
    the station chose what was not offered
    the station mixes up SchemaID and Priority: offer equal numbers
nothing-to-offer | PROTOCOL_NEGOTIATION_FAILED | own | - | - | -
    the vehicle may say nothing over this connection
    `session.editions` and `tls.mode` of the vehicle's file: ISO 15118-20 needs TLS 1.3; `limits` of the battery
# authorization
authorization-refused | AUTHORIZATION_FAILED | secc | - | - | -
    terminal, backend or station refused this driver
    ask the backend, or another card
authorization-timeout | AUTHORIZATION_FAILED | secc | V2G_SECC_Ongoing_Performance_Time | V2G2-713 | CX009
    nobody decided about the driver in time
    is the terminal or the backend reached? `timing.authorization_ongoing_timeout`
contract-refused | AUTHORIZATION_FAILED | evcc | - | - | -
    a contract or its certificates were refused
    `iso15118 pki explain` on the chain; both ends need the same roots
signature-refused | AUTHORIZATION_FAILED | evcc | - | - | -
    the signature of a message does not fit the contract's key
    is the key that of the certificate? which fragment was signed?
challenge-refused | AUTHORIZATION_FAILED | evcc | - | - | -
    GenChallenge is not the one that was given
    the vehicle has to return the last one
receipt-refused | AUTHORIZATION_FAILED | evcc | - | - | -
    the signature of a meter reading does not fit
    as for signatures
no-contract | AUTHORIZATION_FAILED | own | - | - | -
    the vehicle has no contract that it could show, and no other way to pay is offered
    the refusals name each contract and why: renew it or have one installed, or let the terminal decide
no-common-authorization | AUTHORIZATION_FAILED | peer | - | - | -
    the station offers no way to be authorized that the vehicle has
    `session.authorization` of the vehicle, and what the station offers
evccid-mismatch | AUTHORIZATION_FAILED | evcc | - | - | -
    the vehicle goes by another name than its certificate says
    `session.evccid` of the vehicle; `evccid_mismatch` of the station
# parameters
parameters-refused | PARAMETERS_NOT_ACCEPTED | peer | - | - | -
    charge parameters of the two sides do not fit together
    compare what both sides declared in the recording; the detail names the field
service-not-offered | PARAMETERS_NOT_ACCEPTED | evcc | - | - | -
    the vehicle chose a service or parameter set that was not offered
    compare what both sides declared in the recording; the detail names the field
payment-not-offered | PARAMETERS_NOT_ACCEPTED | evcc | - | - | -
    the vehicle chose a way to pay that was not offered
    compare what both sides declared in the recording; the detail names the field
energy-mode-not-offered | PARAMETERS_NOT_ACCEPTED | evcc | - | - | -
    the vehicle chose a way to charge that was not offered
    compare what both sides declared in the recording; the detail names the field
schedule-not-offered | PARAMETERS_NOT_ACCEPTED | evcc | - | - | -
    the vehicle chose a schedule that was not offered
    compare what both sides declared in the recording; the detail names the field
power-profile-refused | PARAMETERS_NOT_ACCEPTED | evcc | - | - | -
    the vehicle's power profile leaves its schedule
    compare what both sides declared in the recording; the detail names the field
power-profile-violated | PARAMETERS_NOT_ACCEPTED | evcc | - | - | -
    the vehicle asks for more power than its own profile says
    compare what both sides declared in the recording; the detail names the field
# cable check, coupling, pre-charge
cable-check-failed | CABLE_CHECK_FAILED | secc | - | - | CX011
    the cable check found an insulation fault, or could not be made
    measure the insulation of cable and vehicle apart; the detail has the port's words
cable-check-timeout | CABLE_CHECK_FAILED | secc | V2G_SECC_CableCheck_Performance_Time | - | CX011
    the cable check was not over in time
    how long does the insulation monitor take? `timing.cable_check_performance`
cable-check-timeout-vehicle | CABLE_CHECK_FAILED | secc | V2G_EVCC_CableCheck_Timeout | - | CX011
    the station did not finish the cable check in time, seen by the vehicle
    the station's insulation monitor; `timing.cable_check_timeout`
insulation-fault-reported | CABLE_CHECK_FAILED | secc | - | - | CX011
    the station reports an insulation fault
    measure the insulation of cable and vehicle apart
coupling-failed | COUPLING_FAILED | link | - | - | -
    vehicle and station could not be brought together
    position, pairing and the device's own log
coupling-timeout | COUPLING_FAILED | secc | V2G_SECC_Ongoing_Performance_Time | - | -
    the connection device did not arrive in time
    is its way free? `acdp` in the file has the time
wrong-place | COUPLING_FAILED | evcc | - | - | -
    another vehicle stands here than the one that speaks
    two vehicles at neighbouring places
pre-charge-failed | PRE_CHARGE_FAILED | secc | - | - | CX012
    pre-charge did not bring the output to the vehicle's voltage
    compare EVTargetVoltage and EVSEPresentVoltage in the recording
battery-limit-lowered | PRE_CHARGE_FAILED | evcc | - | - | -
    the battery can stand less voltage than pre-charge is to
    what its management system reports as maximum_voltage_v, and why it changed
pre-charge-timeout | PRE_CHARGE_FAILED | secc | V2G_SECC_PreCharge_Performance_Time | - | CX012
    pre-charge was not over in time
    does the supply reach the voltage? does the vehicle ask for it?
pre-charge-timeout-vehicle | PRE_CHARGE_FAILED | secc | V2G_EVCC_PreCharge_Timeout | - | CX012
    the vehicle saw no voltage of its battery in time
    compare EVSEPresentVoltage with what the inlet measures
# contactors
contactor-failed | CONTACTOR_FAILED | own | - | V2G20-860 V2G20-862 | CX017
    a contactor is not where it was told to be
    feedback contact and coil; the detail says which way
contactors-not-closed | CONTACTOR_FAILED | own | - | V2G20-860 | CX017
    contactors did not close in time
    supply of the coil, feedback contact, `timing.contactor_answer`
contactors-not-opened | CONTACTOR_FAILED | own | - | V2G20-862 | CX017
    contactors did not open in time
    welded? or does their level follow late: `PortLimits.feedback_s`; measure the output without a vehicle before the next charge
contactors-opened | CONTACTOR_FAILED | own | - | - | CX017
    contactors opened by themselves under power
    supply of the coil, interlocks
contactors-unasked | CONTACTOR_FAILED | own | - | - | CX017
    contactors are closed though nobody asked for it
    welded? who else drives the coil? just after they were told to open: `PortLimits.feedback_s`, `bounce_s`
# messages
sequence-error | SEQUENCE_ERROR | peer | - | V2G2-539 | -
    a message that is not legal at this point
    the detail says what was waited for; `iso15118 decode` shows what came before
second-request | SEQUENCE_ERROR | evcc | - | V2G2-539 | -
    a second request came before the answer to the first
    the vehicle does not wait, or its timer is shorter than the answer takes
answer-out-of-turn | SEQUENCE_ERROR | secc | - | - | -
    an answer that belongs to no request, or to another one
    the station answers late, or twice
unknown-session | UNKNOWN_SESSION | peer | - | V2G2-460 V2G20-460 V2G-DC-391 | -
    a message with the id of another session
    did the vehicle keep the id of SessionSetupRes?
session-id-changed | UNKNOWN_SESSION | secc | - | V2G20-751 | -
    the station answers with another session id, or with zero
    two stations on one link, or a station that has started anew
refused | REFUSED | peer | - | - | -
    the other side refused a request
    the response code stands in the detail; its own log says why
authorization-refused-by-station | REFUSED | secc | - | - | -
    the station refused the authorization
    the station's backend, or its roots for contracts
pause-refused | REFUSED | evcc | - | - | -
    the vehicle wanted a pause that is not allowed
    `allow_pause` of the station
service-renegotiation-refused | REFUSED | evcc | - | - | -
    the vehicle wanted another service, and the station had said that it cannot
    the vehicle does not look at ServiceRenegotiationSupported
undecodable | UNDECODABLE | peer | - | - | -
    what came is no message of the edition that was agreed on
    `iso15118 decode` on the octets says where it goes wrong, and what fits better
# time
timeout | TIMEOUT | peer | - | - | -
    the other side was silent for too long
    the last messages say what was waited for
sequence-timeout | TIMEOUT | evcc | V2G_SECC_Sequence_Timeout | V2G20-443 V2G2-443 | -
    the station got no next request in time
    the vehicle's log; frames that were dropped are named in the detail
loop-sequence-timeout | TIMEOUT | evcc | V2G_SECC_Sequence_Timeout | V2G20-1500 V2G20-1502 V2G20-5070 | -
    the station got no next request of the charge loop in time
    a vehicle of 2 Hz is too slow for ISO 15118-20: `timing.sequence_timeout_loop`
message-timeout | TIMEOUT | secc | V2G_EVCC_Msg_Timeout | - | -
    the vehicle got no answer in time
    the station's log; how long it took before stands in the recording (`latency_ms`)
setup-timeout-station | TIMEOUT | evcc | V2G_SECC_CommunicationSetup_Performance_Time | V2G2-716 | -
    SessionSetup was not over in time, seen by the station
    frames that were dropped are named in the detail
setup-timeout-vehicle | TIMEOUT | secc | V2G_EVCC_CommunicationSetup_Timeout | V2G2-446 | -
    SessionSetup was not over in time, seen by the vehicle
    the station's log
ongoing-timeout | ONGOING_TOO_LONG | secc | V2G_EVCC_Ongoing_Timeout | - | -
    the station answered Ongoing for too long
    the state says what it was not ready for; waiting for a driver: `timing.customer_wait`
vehicle-ongoing-timeout | ONGOING_TOO_LONG | evcc | V2G_SECC_Ongoing_Performance_Time | V2G2-713 | -
    the vehicle did not finish a phase in time
    the detail names the phase
# connection
peer-vanished | PEER_VANISHED | link | - | - | -
    the connection was lost
    cable, modem, or the other side's program
connection-closed | PEER_VANISHED | peer | - | - | -
    the other side closed the connection in mid-session
    its log: it had a reason, and did not say it
connection-reset | PEER_VANISHED | peer | - | - | -
    the other side reset the connection
    its program crashed, or was killed
tls-alert | PEER_VANISHED | peer | - | - | -
    the other side ended TLS with an alert
    `iso15118 decode` names the alert; `iso15118 pki explain` on the chain; both ends need the same roots
connected-anew | PEER_VANISHED | evcc | - | - | -
    the vehicle connected anew while its session ran
    it started again, or lost its connection without a word
# control pilot
signal-lost | SIGNAL_LOST | link | - | - | -
    the control pilot left the states in which may be charged
    read the control pilot with an oscilloscope or `iso15118 slac watch`, at both ends of the cable
unplugged | SIGNAL_LOST | link | - | - | -
    the pilot shows A: the plug is out
    latch and plug; a vehicle that is on its way says so before
pilot-fault | SIGNAL_LOST | link | - | - | CX014
    the pilot shows E or F, or what is no state
    read the control pilot with an oscilloscope or `iso15118 slac watch`, at both ends of the cable
pilot-left-c | SIGNAL_LOST | evcc | - | V2G20-847 V2G2-847 | CX010
    the vehicle left C or D under power
    read the control pilot with an oscilloscope or `iso15118 slac watch`, at both ends of the cable
pilot-late | SIGNAL_LOST | evcc | V2G_EVCC_ControlPilot | V2G20-847 V2G2-847 | CX010
    the pilot did not show the state that was announced in time
    read the control pilot with an oscilloscope or `iso15118 slac watch`, at both ends of the cable
# hardware, emergency, software
hardware-fault | HARDWARE_FAULT | own | - | - | -
    a port of this side told a fault, or failed
    `result.faults` names port and words
loop-blocked | HARDWARE_FAULT | own | - | - | -
    the event loop of this program did not turn: nothing was measured, answered or sent meanwhile
    a port or a callback blocks: `LoopLate` and the detail name the call; use `await`, or a thread
peer-malfunction | HARDWARE_FAULT | peer | - | - | -
    the other side reports a malfunction of its own
    its log; the status stands in the last messages
emergency | EMERGENCY | own | - | - | CX008
    emergency shutdown on this side
    who pressed, or called `emergency_shutdown`?
peer-emergency | EMERGENCY | peer | - | - | CX008
    the other side reports an emergency shutdown
    its log
vehicle-may-move | EMERGENCY | evcc | - | - | -
    the vehicle may move under the connection device
    brake and gear of the vehicle
program-ended | EMERGENCY | own | - | - | -
    this program was told to end, and the session was dropped with it
    end sessions first: `stop`, then `close`
internal-error | INTERNAL_ERROR | own | - | - | -
    a fault of this software
    the log names the place; it is a fault of this software, or of what was built around it: report it with the recording
# rules of the supervision
over-voltage | HARDWARE_FAULT | own | - | - | CX005
    more voltage than battery or station can stand
    scaling of the measurement, control of the supply
voltage-above-asked | HARDWARE_FAULT | own | - | - | CX005
    the supply is not where its bound is
    control of the supply
over-current | HARDWARE_FAULT | own | - | - | CX004
    more current than was asked for, or than the rating
    control of the supply; how fast does it follow a lower bound?
reverse-current | HARDWARE_FAULT | own | - | - | CX004
    energy comes back though nobody asked for it
    diode or control of the supply
wrong-direction | HARDWARE_FAULT | own | - | - | CX004
    the vehicle is charged though it was asked to give
    sign of set-points and readings
current-without-permission | HARDWARE_FAULT | own | - | - | CX004
    current flows though nothing was asked for
    offset of the sensor; contactors
voltage-after-end | HARDWARE_FAULT | own | - | - | CX024
    the output is not discharged though everything is off
    bleeder, welded contactor
cable-check-voltage | CABLE_CHECK_FAILED | own | - | - | CX011
    voltage before the cable check, or more than its test voltage
    welded contactor of the vehicle, control of the supply
cable-check-current | CABLE_CHECK_FAILED | own | - | - | CX011
    current in the cable check
    a contactor of the vehicle is closed
pre-charge-voltage | PRE_CHARGE_FAILED | own | - | - | CX012
    more voltage than pre-charge asks for
    control of the supply
pre-charge-current | PRE_CHARGE_FAILED | own | - | - | CX012
    more current than pre-charge may have
    a contactor of the vehicle closed too early
contactor-voltage | HARDWARE_FAULT | own | - | - | -
    contactors would close over too great a difference
    pre-charge; scaling of both measurements
stale-readings | HARDWARE_FAULT | own | - | - | -
    no reading was young enough
    the port's `present`: how often is it refreshed? does something block the loop?
frozen-readings | HARDWARE_FAULT | own | - | - | -
    readings do not move though another current was asked for
    the measurement hangs
unusable-readings | HARDWARE_FAULT | own | - | - | -
    what should be a reading is no number that hardware could show
    the port's `present`
contactor-level | CONTACTOR_FAILED | own | - | - | CX017
    contactors are not where they were told to be
    welded, or the feedback is wrong
insulation | HARDWARE_FAULT | own | - | - | CX002
    insulation resistance too low while energy flows
    measure cable and vehicle apart
sensors-disagree | HARDWARE_FAULT | own | - | - | -
    two sensors of one voltage disagree
    scaling of both
voltage-to-earth | HARDWARE_FAULT | own | - | - | CX002
    one pole is too far from earth
    an earth fault
over-power | HARDWARE_FAULT | own | - | - | CX004
    more power than its bound
    control of the supply
limits-ignored | STOPPED_BY_STATION | evcc | - | - | -
    the vehicle asks for more than it was told
    `session.supervision` can tolerate it
no-decay | HARDWARE_FAULT | peer | - | - | CX004
    current still flows when the time to stop is over
    the vehicle does not ramp down
battery-wants-none | HARDWARE_FAULT | peer | - | - | CX004
    current flows though the battery's management wants none
    the station does not follow
inlet-hot | HARDWARE_FAULT | own | - | - | -
    current flows through an inlet that is reported hot
    contacts of plug and inlet
phase-lost | HARDWARE_FAULT | own | - | - | CX015
    a phase of the AC outlet has no voltage
    fuses, contactor
station-reports-other | HARDWARE_FAULT | peer | - | - | -
    the station tells other values than the vehicle measures
    scaling of both measurements
"""
