"""Field cases of ISO 15118-2, DIN 70121 and AC, and where each is tried: what vehicles and stations were seen to do, or what the published
conformance tests ask. The test beside it sees to it that none of the tests named here goes away."""

from __future__ import annotations

__all__ = ["AC_OF_ISO20", "ISO2_AND_DIN"]

Cases = dict[str, tuple[str, tuple[str, ...]]]

ISO2_AND_DIN: Cases = {
    "1": (
        "a vehicle that lists a namespace of its own first is served in DIN 70121 by its SchemaID",
        ("secc/din/test_setup::the_vehicles_list_is_searched_and_its_schema_id_returned",),
    ),
    "2": (
        "whose order counts, by setting; any SchemaIDs",
        (
            "secc/din/test_setup::whose_order_counts_is_a_setting",
            "secc/iso2/test_settings::what_is_chosen_of_a_vehicles_list",
        ),
    ),
    "3": (
        "priorities without a 1, equal ones, a namespace twice",
        (
            "secc/din/test_setup::the_vehicles_list_is_searched_and_its_schema_id_returned",
            "secc/iso2/test_settings::what_is_chosen_of_a_vehicles_list",
        ),
    ),
    "4": (
        "an AC outlet and a vehicle that knows DIN 70121, or an early draft, alone",
        (
            "secc/din/test_setup::an_ac_station_does_not_choose_din",
            "secc/iso2/test_ac::an_outlet_takes_no_vehicle_that_knows_din_alone_and_mcs_none_at_all",
            "secc/din/test_setup::nothing_in_common_is_said_and_closed",
        ),
    ),
    "5": (
        "SessionSetupReq with one zero octet, eight, or an unknown id: a new id of eight octets",
        (
            "secc/iso2/test_dc::the_session_gets_an_id_of_eight_octets_whatever_the_vehicle_sends",
            "secc/din/test_setup::every_session_is_a_new_one",
        ),
    ),
    "6": (
        "a zero, another or a shortened id later on",
        (
            "secc/iso2/test_matrix::a_foreign_session_id_is_an_unknown_session",
            "secc/din/test_matrix::a_foreign_session_id_is_an_unknown_session",
        ),
    ),
    "7": (
        "a plain OK, an id of four octets, an id that begins with zero: echoed",
        (
            "evcc/iso2/test_matrix::a_session_id_is_echoed_as_it_is",
            "evcc/iso2/test_matrix::plain_ok_is_taken_for_a_new_session_and_noted",
            "evcc/din/test_matrix::the_id_is_given_back_as_it_came",
        ),
    ),
    "8": (
        "an answer with another session id ends",
        (
            "evcc/iso2/test_matrix::an_answer_with_a_foreign_session_id_ends_the_session",
            "evcc/din/test_matrix::another_session_id_than_before",
        ),
    ),
    "9": (
        "Contract listed first without TLS or a contract: external payment",
        (
            "evcc/iso2/test_plug_and_charge::when_it_is_the_contract_that_pays",
            "evcc/din/test_habits::the_list_of_payments_is_searched",
        ),
    ),
    "10": (
        "choices that were not offered, each with its code",
        (
            "secc/iso2/test_plug_and_charge::what_a_station_without_tls_takes",
            "secc/iso2/test_plug_and_charge::what_a_selection_of_services_leads_to",
            "secc/iso2/test_parameters::parameters_of_alternating_current_in_a_dc_mode",
            "secc/din/test_setup::a_choice_that_was_not_offered",
        ),
    ),
    "11": (
        "the certificate service without TLS, or not offered",
        (
            "secc/iso2/test_plug_and_charge::what_a_selection_of_services_leads_to",
            "secc/iso2/test_plug_and_charge::what_a_station_without_tls_takes",
        ),
    ),
    "12": (
        "an eMAID with hyphens, in small letters, too long",
        ("secc/iso2/test_plug_and_charge::the_emaid_is_that_of_the_contract_however_it_is_written",),
    ),
    "13": (
        "contracts that are expired, early, broken, without a Sub-CA, of another root",
        (
            "secc/iso2/test_plug_and_charge::a_chain_that_is_not_accepted_ends_with_its_code",
            "secc/iso2/test_plug_and_charge::certificates_that_are_none_are_refused_and_nothing_breaks",
        ),
    ),
    "14": (
        "signed once and repeated empty, or signed each time",
        (
            "secc/iso2/test_plug_and_charge::a_charge_by_contract_with_unsigned_repetitions",
            "secc/iso2/test_plug_and_charge::a_vehicle_that_signs_each_repetition_is_judged_each_time",
        ),
    ),
    "15": (
        "another challenge, reference or key",
        (
            "secc/iso2/test_plug_and_charge::a_challenge_signed_wrongly",
            "secc/iso2/test_plug_and_charge::one_bit_of_the_challenge_or_another_reference_or_no_signature_at_all",
        ),
    ),
    "16": (
        "thirty repetitions while the driver is waited for",
        (
            "secc/iso2/test_authorization::a_driver_is_waited_for_in_thirty_repetitions",
            "secc/din/test_setup::the_driver_is_asked_about_once_and_waited_for",
        ),
    ),
    "17": (
        "a driver who never comes",
        (
            "secc/iso2/test_authorization::a_driver_who_never_comes_ends_the_session_after_five_minutes",
            "evcc/iso2/test_matrix::endless_ongoing_ends_in_its_time",
            "pair/test_din::a_driver_who_does_not_come",
        ),
    ),
    "18": (
        "charge parameters Ongoing without schedules, then Finished; Finished without any",
        (
            "secc/iso2/test_parameters::without_any_power_the_answer_is_ongoing_until_there_is_some",
            "evcc/iso2/test_schedules::schedules_that_come_late_are_taken",
            "evcc/iso2/test_schedules::finished_without_a_schedule_ends_the_session",
        ),
    ),
    "19": (
        "a plan of 96 entries for a vehicle that takes 29, or one",
        (
            "secc/iso2/test_schedules::a_plan_of_96_entries_keeps_to_what_the_vehicle_can_take",
            "secc/iso2/test_schedules::one_entry_is_all_that_a_vehicle_can_take",
        ),
    ),
    "20": (
        "three tuples, one chosen by price; an unknown one",
        (
            "secc/iso2/test_schedules::three_plans_are_three_tuples_within_the_offer_of_which_the_first_is_the_default",
            "evcc/iso2/test_receipts::only_tariffs_that_the_provider_signed_decide",
            "secc/iso2/test_schedules::a_profile_against_the_schedule",
        ),
    ),
    "21": (
        "a profile of exactly 11040 W, and one watt more",
        ("secc/iso2/test_ac::a_profile_of_exactly_that_power_is_fine_and_one_watt_more_by_setting",),
    ),
    "22": (
        "a profile beyond the end of the schedule; the vehicle negotiates at the end",
        (
            "secc/iso2/test_schedules::a_profile_against_the_schedule",
            "evcc/iso2/test_schedules::a_new_schedule_is_negotiated_when_the_old_one_ends",
            "pair/test_iso2::a_schedule_that_ends_is_negotiated_again",
        ),
    ),
    "23": (
        "departure at once, unknown, in more than a day",
        ("secc/iso2/test_schedules::one_tuple_covers_the_time_until_departure_or_a_day",),
    ),
    "24": (
        "AC parameters of captured cars",
        (
            "secc/iso2/test_replay::real_cars_are_served_to_the_end",
            "secc/iso2/test_ac::strange_values_of_vehicles_are_noted_or_refused_by_setting",
        ),
    ),
    "25": (
        "a tariff without NumEPriceLevels whose signature is empty",
        ("evcc/iso2/test_replay::a_tariff_whose_signature_is_empty_is_dropped_and_the_vehicle_charges",),
    ),
    "26": (
        "tariffs signed right, wrong and not at all",
        (
            "evcc/iso2/test_receipts::only_tariffs_that_the_provider_signed_decide",
            "evcc/iso2/test_receipts::a_changed_tariff_is_dropped_and_the_vehicle_charges",
        ),
    ),
    "27": (
        "an AC contactor that does not close",
        ("secc/iso2/test_ac::a_contactor_that_does_not_close_is_an_error_within_4_and_a_half_seconds",),
    ),
    "28": (
        "the pilot stays in B after Start, or comes late",
        (
            "secc/iso2/test_ac::state_b_after_start_closes_nothing_and_is_an_error_after_a_second_and_a_half",
            "secc/iso2/test_ac::the_contactor_closes_after_state_c_shows_and_with_bounds_of_nothing_first",
        ),
    ),
    "29": (
        "CableCheckReq in state B",
        (
            "secc/iso2/test_dc::the_cable_check_waits_for_state_c_and_puts_no_voltage_on_the_cable_before",
            "secc/iso2/test_dc::state_c_that_does_not_show_within_a_second_and_a_half_ends_before_any_voltage",
            "secc/din/test_delivery::state_c_that_does_not_come",
        ),
    ),
    "30": (
        "isolation Fault and Warning",
        (
            "secc/iso2/test_dc::a_bad_cable_is_told_as_failed_finished_shutdown_and_fault",
            "evcc/iso2/test_status::how_a_finished_cable_check_is_read",
            "evcc/din/test_habits::the_end_of_the_cable_check",
        ),
    ),
    "31": (
        "Finished but not ready: the vehicle goes on, the station never says it",
        (
            "evcc/iso2/test_status::how_a_finished_cable_check_is_read",
            "secc/iso2/test_dc::isolation_and_code_by_phase",
            "secc/din/test_delivery::the_cable_is_checked_once_and_the_vehicle_told_ready_and_valid",
        ),
    ),
    "32": (
        "a cable check without an end",
        (
            "secc/iso2/test_dc::a_cable_check_without_an_outcome_ends_after_38_seconds",
            "evcc/iso2/test_matrix::endless_ongoing_ends_in_its_time",
            "evcc/din/test_habits::a_cable_check_that_goes_on",
        ),
    ),
    "33": (
        "a pre-charge target that changes, with 0 A",
        (
            "secc/iso2/test_dc::the_output_follows_each_target_and_0_a_are_fine",
            "secc/din/test_delivery::the_voltage_follows_the_last_target_and_zero_amperes_are_no_obstacle",
        ),
    ),
    "34": (
        "5 A in pre-charge; a target above the limit",
        (
            "secc/iso2/test_dc::more_than_2_a_for_pre_charge",
            "secc/iso2/test_dc::a_target_beyond_the_limits_is_cut_and_noted",
            "secc/din/test_delivery::more_than_two_amperes_for_pre_charge",
        ),
    ),
    "35": (
        "pre-charge that misses by 20.1 V for its whole time",
        (
            "evcc/iso2/test_matrix::pre_charge_that_never_matches_ends_in_its_time",
            "evcc/din/test_habits::a_voltage_that_misses_by_a_tenth_for_seven_seconds",
        ),
    ),
    "36": (
        "SessionStopReq in each state",
        (
            "secc/iso2/test_matrix::session_stop_is_answered_in_every_state_after_session_setup",
            "secc/din/test_matrix::session_stop_is_answered_in_every_state_after_session_setup",
        ),
    ),
    "37": (
        "PowerDelivery(Stop) before there is power",
        (
            "secc/iso2/test_dc::a_stop_before_power_is_answered_and_switches_off",
            "secc/din/test_delivery::power_off_is_taken_from_the_cable_check_on_whatever_the_vehicle_says_of_itself",
        ),
    ),
    "38": (
        "Start twice, Renegotiate before Start",
        (
            "secc/iso2/test_matrix::a_request_is_served_if_listed_and_refused_if_not",
            "secc/din/test_delivery::power_is_switched_on_once",
        ),
    ),
    "39": (
        "EVErrorCode in a stop, and in the loop",
        (
            "secc/iso2/test_dc::the_error_of_the_vehicle_does_not_change_the_answer_to_its_stop",
            "secc/iso2/test_loop::a_vehicle_with_a_fault_in_the_loop_is_given_nothing_and_answered",
            "secc/din/test_loop::a_vehicle_with_a_fault_is_given_no_current_and_an_answer",
        ),
    ),
    "40": (
        "limits that fall in the loop; a target above the station's limit",
        (
            "secc/iso2/test_loop::limits_of_the_vehicle_in_the_loop_tighten_what_it_declared",
            "secc/iso2/test_loop::a_request_above_the_stations_limit_is_cut_and_flagged",
            "secc/din/test_loop::whether_the_current_is_at_the_stations_limit",
        ),
    ),
    "41": (
        "a station that is derated in the loop tells all three limits",
        (
            "secc/iso2/test_loop::lower_limits_hold_before_the_next_request_and_are_told_with_it",
            "secc/din/test_loop::limits_that_change_are_told_all_three_and_hold_before_the_next_request",
        ),
    ),
    "42": (
        "StopCharging with a delay, then Shutdown",
        (
            "evcc/iso2/test_status::a_wish_of_the_station_to_end_is_followed",
            "evcc/iso2/test_status::the_current_is_wound_down_before_power_delivery_stop",
            "secc/iso2/test_loop::a_notice_counts_down_before_shutdown_is_told_and_prolongs_the_time",
        ),
    ),
    "43": (
        "EmergencyShutdown with OK",
        (
            "evcc/iso2/test_status::an_emergency_of_the_station_is_left_in_the_same_moment",
            "evcc/din/test_loop::an_alarm_of_the_station_with_the_code_ok_opens_in_the_same_turn",
        ),
    ),
    "44": (
        "EVSE_Shutdown alone",
        (
            "evcc/iso2/test_status::a_wish_of_the_station_to_end_is_followed",
            "evcc/din/test_loop::a_wish_of_the_station_to_end_is_followed_with_a_ramp",
        ),
    ),
    "45": (
        "a slow vehicle; an answer of 240 ms and of 260 ms",
        (
            "secc/din/test_loop::a_slow_vehicle_is_waited_for",
            "evcc/iso2/test_matrix::a_charge_loop_answer_has_a_quarter_of_a_second",
            "evcc/din/test_matrix::how_long_an_answer_is_waited_for",
        ),
    ),
    "46": (
        "welding detection not at all, once and often, in state C",
        (
            "secc/iso2/test_loop::welding_detection_any_number_of_times_and_in_state_c_by_setting",
            "secc/din/test_delivery::welding_detection_while_the_vehicle_still_shows_c",
        ),
    ),
    "47": (
        "welding detection without an answer, or refused",
        (
            "evcc/iso2/test_status::welding_detection_that_the_station_refuses_or_leaves_out",
            "evcc/din/test_loop::welding_detection_may_be_left_out_refused_or_not_answered",
        ),
    ),
    "48": (
        "receipts: good, of another reading, tuple or key, and none",
        (
            "secc/iso2/test_metering::a_reading_is_told_with_its_time_and_signed_when_it_is_due",
            "secc/iso2/test_metering::a_receipt_of_something_else_ends_the_session",
            "secc/iso2/test_metering::the_loop_goes_on_only_after_the_receipt",
        ),
    ),
    "49": (
        "no receipt without a contract",
        (
            "secc/iso2/test_metering::a_driver_at_the_terminal_signs_nothing",
            "evcc/iso2/test_receipts::without_a_contract_the_wish_for_a_receipt_is_ignored",
        ),
    ),
    "50": (
        "AC: a new negotiation with the contactor closed",
        (
            "secc/iso2/test_ac::a_renegotiation_keeps_the_contactor_closed_and_uses_the_new_power",
            "evcc/iso2/test_ac::a_new_negotiation_keeps_state_c",
            "pair/test_iso2_ac::a_new_plan_of_the_station_is_negotiated_with_the_contactor_closed",
        ),
    ),
    "51": (
        "DC: the full form of a new negotiation",
        (
            "secc/iso2/test_schedules::the_full_form_opens_contactors_discharges_and_checks_and_charges_anew",
            "secc/iso2/test_schedules::the_full_form_to_the_end",
        ),
    ),
    "52": (
        "DC: the short form, and its refusal by setting",
        (
            "secc/iso2/test_schedules::the_short_form_gives_power_back_with_contactors_that_never_opened",
            "secc/iso2/test_schedules::the_short_form_is_out_of_sequence_by_setting_and_contactors_open_at_once",
        ),
    ),
    "53": (
        "a station that rests the power and gives it again",
        (
            "secc/iso2/test_ac::a_station_paused_by_0_w_goes_on_by_a_second_renegotiation",
            "pair/test_iso2::a_station_that_rests_the_power_and_gives_it_again",
        ),
    ),
    "54": (
        "a pause before and after the stop; the session that goes on",
        (
            "secc/iso2/test_pause::a_pause_before_power_delivery_stop_is_refused_and_ends_safely",
            "secc/iso2/test_pause::a_vehicle_that_returns_finds_what_it_chose_and_the_driver_need_not_be_asked_again",
            "evcc/iso2/test_wishes::a_session_that_goes_on_asks_for_less",
        ),
    ),
    "55": (
        "another way to pay or charge; a lost ticket; two paused vehicles",
        (
            "secc/iso2/test_pause::another_way_to_pay_or_charge_is_a_wrong_selection",
            "secc/iso2/test_pause::who_cannot_be_joined_gets_a_new_session",
            "secc/iso2/test_pause::of_two_paused_vehicles_each_finds_its_own",
            "evcc/iso2/test_wishes::a_station_that_does_not_know_the_session_gets_a_new_one",
        ),
    ),
    "56": (
        "a contract after a pause: another challenge",
        (
            "secc/iso2/test_pause::a_contract_signs_another_challenge_and_is_asked_about_again",
            "evcc/iso2/test_plug_and_charge::a_paused_contract_pays_again_with_a_fresh_signature",
        ),
    ),
    "57": (
        "schedules of DIN 70121 that make no sense",
        (
            "evcc/din/test_habits::any_schedule_is_taken_and_limits_nothing",
            "evcc/din/test_numbers::a_negative_power_is_noted",
        ),
    ),
    "58": (
        "a service id of 4660, EVSEID 00, no time",
        (
            "evcc/din/test_habits::the_id_of_the_service_is_given_back",
            "evcc/din/test_habits::any_identity_and_any_time_of_the_station_is_taken",
        ),
    ),
    "59": (
        "PowerDelivery of DIN 70121 without profile and parameter; all that is optional sent",
        (
            "secc/din/test_delivery::power_without_a_profile_and_with_one",
            "evcc/din/test_habits::every_optional_field_is_sent_or_none",
        ),
    ),
    "60": (
        "requests that DIN 70121 has in its schema only",
        ("secc/din/test_matrix::what_belongs_to_contracts_and_ac_is_out_of_sequence_everywhere",),
    ),
    "61": (
        "350 kW",
        (
            "secc/din/test_parameters::more_power_than_pmax_can_say",
            "pair/test_din::350_kilowatts",
        ),
    ),
    "62": (
        "a vehicle that leaves in any state; the next session",
        (
            "secc/iso2/test_matrix::a_vehicle_that_is_gone_ends_every_state_at_once",
            "secc/din/test_timers::an_unplugged_vehicle_or_a_faulty_pilot_ends_at_once",
            "secc/din/test_timers::the_next_session_is_clean",
        ),
    ),
    "63": (
        "a station that closes right after SessionStopRes",
        (
            "evcc/iso2/test_matrix::a_connection_that_closes_behind_the_last_answer_is_the_ordinary_end",
            "evcc/din/test_matrix::a_station_that_closes_after_its_last_answer_is_a_success",
        ),
    ),
    "64": (
        "silence in every state",
        (
            "secc/iso2/test_matrix::silence_ends_every_state_after_a_minute",
            "secc/din/test_timers::silence_ends_every_state_without_an_answer",
        ),
    ),
    "65": (
        "a certificate service in time, and late",
        (
            "secc/iso2/test_certificates::a_contract_is_passed_on_as_it_was_signed_and_then_pays",
            "secc/iso2/test_certificates::a_service_that_is_late_is_a_failure_in_time",
        ),
    ),
    "66": (
        "an installed contract that does not hold is not kept",
        (
            "evcc/iso2/test_plug_and_charge::an_answer_that_does_not_hold_is_not_kept_and_the_vehicle_leaves",
            "evcc/iso2/test_plug_and_charge::a_vehicle_without_a_contract_gets_one_and_charges_with_it",
        ),
    ),
    "67": (
        "value-added services of somebody's own; the filter of scopes",
        (
            "secc/iso2/test_value_added::what_is_listed_by_scope_and_category",
            "evcc/iso2/test_plug_and_charge::what_the_certificate_service_is_asked_for",
        ),
    ),
    "68": (
        "a captured vehicle that leaves from the start of the charge",
        ("secc/iso2/test_replay::real_cars_are_served_to_the_end",),
    ),
}
"""Number, what is done, and the tests of it, each as file::name without the "test_" before the name."""

AC_OF_ISO20: Cases = {
    "1-4": (
        "whole sessions in AC and AC_BPT, Scheduled and Dynamic",
        ("pair/test_ac_sessions::a_whole_session",),
    ),
    "5": (
        "an offer without peers is the sum",
        ("secc/test_ac::an_offer_without_peers_says_the_sum_and_no_peers_anywhere",),
    ),
    "6": ("an offer with peers is per phase", ("secc/test_ac::a_vehicle_with_peers_is_told_each_phase",)),
    "7": (
        "the set of the vehicle's phases",
        ("pair/test_ac_sessions::a_vehicle_takes_the_set_of_its_own_phases",),
    ),
    "8": (
        "peers of a single phase",
        (
            "secc/test_ac::peers_of_one_phase_are_left_out_of_account_and_noted",
            "evcc/test_ac::peers_of_a_single_phase_are_left_out_of_account",
        ),
    ),
    "9": (
        "the type of the other service",
        (
            "secc/test_ac::a_type_of_the_other_service_is_refused",
            "secc/test_ac::a_loop_request_of_another_kind_fails",
        ),
    ),
    "10": (
        "limits that contradict each other, or miss each other",
        (
            "secc/test_ac::charge_parameters_are_judged",
            "pair/test_ac_sessions::a_vehicle_whose_minimum_is_above_the_station_waits_for_more",
        ),
    ),
    "11": (
        "a target below the minimum, at it, above the maximum",
        ("evcc/test_ac::a_target_is_followed_within_the_own_limits",),
    ),
    "12": ("a negative target", ("evcc/test_ac::a_negative_target_is_followed_only_in_a_service_for_it",)),
    "13": (
        "discharge limits of either sign",
        (
            "pair/test_discharge_sign::either_sign_comes_to_the_same",
            "pair/test_ac_sessions::discharge_limits_of_either_sign_mean_the_same",
        ),
    ),
    "14-16": (
        "contactors that report closed early, open, late",
        (
            "secc/test_ac::contactors_close_behind_state_c_with_the_phases_told_before",
            "secc/test_ac::contactors_that_report_open_do_not_end_the_wait",
            "pair/test_ac_faults::contactors_that_close_late",
        ),
    ),
    "17": (
        "the pilot stays in B after Start",
        (
            "secc/test_ac::state_b_after_start_is_an_error_by_the_answer_time",
            "pair/test_ac_faults::the_pilot_never_shows_c",
        ),
    ),
    "18": (
        "Start that is still computed closes nothing",
        ("secc/test_ac::start_that_is_still_computed_closes_nothing",),
    ),
    "19": ("the pilot falls to B in the loop", ("secc/test_ac::the_pilot_falls_to_b_in_the_loop",)),
    "20": ("silence in the loop", ("secc/test_ac::silence_in_the_loop_ends_after_half_a_second",)),
    "22": (
        "a pause by a target of nothing, in the same session",
        ("pair/test_ac_sessions::a_set_point_is_followed_and_never_below_the_vehicles_minimum",),
    ),
    "23": (
        "a pause that is asked for counts down",
        (
            "secc/test_ac::a_pause_is_asked_for_and_counts_down",
            "pair/test_ac_sessions::a_pause_and_the_same_session_after_it",
        ),
    ),
    "24": (
        "a welded contactor",
        (
            "secc/test_ac::a_welded_contactor_is_an_error_and_not_forgotten",
            "pair/test_ac_faults::a_welded_contactor_is_found_at_the_end",
        ),
    ),
}
"""The same for alternating current in ISO 15118-20."""
