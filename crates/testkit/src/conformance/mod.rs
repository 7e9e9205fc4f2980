//! What every database must do, as cases that take a [`Fixture`](crate::Fixture).
//!
//! [`conformance_suite!`](crate::conformance_suite) expands all of them for one
//! backend; a case that is not listed there does not run, so a test compares.

pub mod batches;
pub mod clocks;
pub mod commits;
pub mod concurrency;
pub mod constraints;
pub mod containment;
pub mod copies;
pub mod decisions;
pub mod definitions;
mod deliveries;
pub mod dispatching;
pub mod editions;
pub mod endpoints;
pub mod histories;
pub mod interleaving;
pub mod leases;
pub mod listing;
pub mod lost;
pub mod once;
pub mod outbox;
pub mod pages;
pub mod reaching;
pub mod retention;
pub mod sharing;
pub mod timers;
pub mod tracking;
pub mod turns;
pub mod unusable;
pub mod upgrading;
pub mod usage;

/// Expands every conformance case into a test on one backend.
///
/// ```text
/// mod sqlite {
///     waymark_testkit::conformance_suite!(Sqlite);
/// }
/// ```
#[macro_export]
macro_rules! conformance_suite {
    ($backend:ident) => {
        $crate::conformance_cases! {
            $backend;
            batches: [
                a_later_step_sees_what_the_earlier_ones_did,
                an_atomic_unit_is_refused_as_a_whole,
                a_refused_atomic_unit_leaves_nothing_for_its_neighbours,
                a_refused_step_never_fails_its_neighbours,
                a_thousand_steps_with_three_illegal_ones,
                a_poisoned_step_is_found_by_splitting,
                a_poisoned_step_fails_its_atomic_unit_alone,
                units_that_came_late_join_the_batch,
                units_of_other_partitions_do_not_join,
                an_order_that_cannot_be_read_fails_alone,
                an_order_whose_version_nothing_follows_fails_alone,
                a_partition_whose_log_is_full_fails_alone,
                the_same_request_twice_in_one_batch,
                an_empty_batch_answers_nothing,
                what_was_written_is_what_the_log_has,
            ],
            clocks: [
                deliveries_are_due_by_the_clock,
                what_a_clock_that_was_ahead_has_put_off_is_put_right,
                timers_go_by_the_clock,
                a_timer_fires_while_the_log_is_ahead,
                waits_that_began_under_a_clock_that_was_ahead_are_put_right,
                many_that_a_clock_has_put_off_are_put_right,
                holds_expire_by_the_clock,
            ],
            commits: [
                the_first_entry_is_there_at_creation,
                orders_and_workflows_that_are_not_there,
                an_order_is_created_once,
                a_call_is_answered_once,
                a_call_is_remembered_across_processes,
                a_creation_is_remembered,
                a_request_id_is_not_used_twice,
                a_refused_call_is_not_remembered,
                a_stale_version_is_refused,
                the_answer_of_a_replay_shows_the_order_as_it_is_now,
                a_step_takes_its_automatic_steps_along,
                a_refused_history_leaves_the_order_as_it_was,
                a_dry_run_writes_nothing,
                a_dry_run_answers_a_used_request_id_as_the_call_would,
                an_update_that_changes_nothing_writes_nothing,
                time_never_goes_back,
                a_time_that_no_clock_says_does_not_last,
                replaying_the_history_gives_the_order,
                two_holds_and_one_release,
                hold_and_release_return_to_the_same_place,
                metadata_and_notes_come_back,
            ],
            concurrency: [
                fifty_callers_with_one_version,
                fifty_callers_with_one_request_id,
                two_processes_leave_no_gaps,
                a_status_goes_while_orders_move_onto_it,
                two_defaults_at_once,
                another_process_changes_a_workflow,
            ],
            constraints: [
                two_defaults_of_a_state_are_impossible,
                two_entries_with_one_offset_are_impossible,
                two_orders_with_one_id_are_impossible,
                an_assignment_of_nothing_is_impossible,
                text_is_ordered_by_bytes,
                every_table_can_be_read,
                migrating_again_does_nothing,
                a_newer_schema_is_refused,
                an_older_schema_is_refused_or_upgraded,
                the_number_of_partitions_is_fixed,
            ],
            containment: [
                a_delivery_that_cannot_be_read_stops_no_other,
                whatever_cannot_be_read_is_named,
                what_cannot_be_read_takes_no_room_of_others,
                what_is_due_and_not_pending_is_not_sent,
                a_delivery_without_a_lane_is_given_up,
                nothing_is_given_up_without_the_lease,
                what_cannot_be_read_is_listed_and_decided_about,
                an_attempt_that_cannot_be_read_hides_no_other,
                one_that_cannot_be_read_keeps_nobody_from_its_partition,
                an_endpoint_that_cannot_be_read_hides_no_other,
                words_that_are_refused_are_left_out,
                a_result_that_is_refused_in_any_form_keeps_no_other,
            ],
            copies: [
                copies_are_set_off_in_a_lane_of_their_own,
                copies_go_at_once_where_the_customer_is_refused,
                an_attempt_that_is_recorded_twice_parts_a_mail_once,
                what_was_decided_meanwhile_parts_nothing,
                copies_of_later_mails_do_not_wait_for_a_refused_customer,
                copies_of_a_mail_set_off_later_do_not_wait_either,
                a_customer_given_up_leaves_later_mails_whole,
                mails_of_an_older_version_go_on_as_they_were_set_off,
            ],
            decisions: [
                a_decision_is_answered_once,
                a_dry_run_of_a_decision_writes_nothing,
                who_decided_is_kept,
                what_changes_nothing_is_no_decision,
                the_newest_decisions_are_shown,
            ],
            definitions: [
                a_workflow_comes_back_as_it_was_saved,
                every_edit_comes_back_as_it_was_saved,
                the_same_change_twice_changes_nothing,
                versions_are_kept,
                documents_of_versions_are_kept,
                a_change_is_answered_once,
                a_deletion_is_answered_once,
                a_dry_run_of_a_change_writes_nothing,
                a_refused_change_writes_nothing,
                a_guard_that_does_not_compile_is_not_saved,
                a_stored_guard_that_no_longer_passes_refuses_alone,
                a_deleted_workflow_can_come_again,
                steps_go_on_while_a_change_is_computed,
                a_change_is_made_on_the_newest_workflow,
            ],
            dispatching: [
                what_is_due_comes_by_time,
                lanes_with_something_due_are_found,
                all_that_waits_is_walked,
                those_that_wait_say_what_blocks_their_lane,
                deliveries_of_an_order_go_in_turn,
                what_is_retried_goes_before_later_ones,
                a_stuck_order_holds_up_no_other,
                every_end_of_an_attempt_is_recorded,
                what_was_not_attempted_has_no_attempts,
                what_somebody_decided_meanwhile_stands,
                nothing_is_recorded_twice,
                a_batch_with_foreign_deliveries_is_recorded_in_part,
            ],
            editions: [
                steps_are_judged_by_the_change_that_is_there,
                steps_are_judged_without_the_change_that_is_lost,
                readers_see_the_change_that_is_there,
                readers_see_no_change_that_is_lost,
                an_edit_is_made_on_the_change_that_is_there,
            ],
            endpoints: [
                endpoints_come_back_as_they_were_saved,
                secrets_that_expired_are_dropped,
                an_endpoint_in_use_stays,
                an_endpoint_is_answered_once,
                two_callers_create_one_endpoint,
                an_endpoint_is_switched_off,
            ],
            histories: [
                a_partition_is_read_in_whole_steps,
                several_partitions_are_read_like_each_alone,
                an_order_is_read_in_whole_steps,
                the_history_of_an_order_is_paged,
                a_long_history_is_paged,
                a_call_is_remembered_however_long_the_history,
                many_calls_of_old_are_remembered_at_once,
                what_customers_may_read,
                heads_and_batches,
                the_history_of_an_order_that_is_not_there,
                a_page_of_large_entries_ends_early,
                where_an_order_has_been,
                an_entry_that_cannot_be_read_hides_no_other,
            ],
            interleaving: [
                deliveries_go_in_turn_whatever_happens,
            ],
            leases: [
                a_process_counts_as_long_as_it_lives,
                partitions_are_taken_from_nobody_or_the_dead,
                a_lease_that_is_missing_is_added,
                two_processes_take_partitions_at_once,
                partitions_are_given_back,
                a_process_that_was_taken_over_records_nothing,
            ],
            outbox: [
                everything_that_was_set_off_is_listed,
                the_outbox_is_filtered_by_state,
                the_outbox_is_filtered_by_what_was_sent,
                the_deliveries_of_an_order,
                a_dead_letter_is_retried,
                a_delivery_that_waits_is_retried,
                what_succeeded_is_done,
                a_skipped_delivery_lets_the_next_have_its_turn,
                many_deliveries_are_retried,
                many_deliveries_are_skipped,
                the_newest_attempts_are_shown,
            ],
            listing: [
                every_order_by_every_key,
                filters_hold,
                filters_by_time_hold,
                the_orders_of_a_customer,
                an_order_changes_hands,
                attributes_are_searched_boundedly,
                held_orders_by_where_they_return_to,
                orders_of_several_workflows,
                orders_are_counted_by_place,
                an_order_that_is_not_whole_hides_no_other,
            ],
            lost: [
                what_a_process_delivered_when_it_ended_is_counted,
                many_deliveries_are_counted_at_once,
                a_process_that_leaves_in_order_leaves_nothing_in_doubt,
                a_process_that_breaks_says_what_it_was_working_on,
                a_process_that_is_held_for_dead_begins_nothing,
                who_decides_by_hand_forgets_what_was_counted,
                a_timer_during_which_a_process_ended_is_counted,
            ],
            once: [
                a_call_of_each_kind_is_answered_once,
                a_dry_run_of_each_kind_takes_no_request_id,
                one_request_id_of_each_kind_from_many_callers,
                old_answers_are_forgotten_and_no_others,
                many_old_answers_are_forgotten_a_few_at_a_time,
            ],
            pages: [
                every_filter_in_every_order_by_full_pages,
                a_page_is_cut_anywhere,
                orders_that_change_between_pages,
                an_order_that_cannot_be_read_ends_no_list,
            ],
            reaching: [
                a_state_with_orders_does_not_become_held,
                a_state_becomes_held_while_orders_move_into_it,
                request_ids_end_with_their_workflow,
                orders_in_what_becomes_terminal_are_counted,
                orders_that_would_move_are_counted,
                deliveries_that_wait_are_counted,
                a_page_of_orders_is_kept_in_two_stages,
            ],
            retention: [
                old_deliveries_are_removed,
                a_list_goes_on_while_deliveries_are_removed,
                nothing_is_removed_without_the_lease,
                a_long_outbox_is_removed_in_small_parts,
            ],
            sharing: [
                reads_of_many_bodies_leave_connections_to_single_ones,
                a_list_that_searches_lets_others_through,
            ],
            timers: [
                an_order_that_nobody_pays_is_due,
                orders_are_due_in_turn,
                an_order_that_moves_on_is_not_due,
                a_hold_stops_the_clock,
                a_hold_expires,
                an_order_is_put_off,
                a_changed_timer_counts_for_orders_that_wait,
                a_date_follows_its_order,
                many_orders_get_another_timer,
                two_processes_fire_a_timer_once,
                a_due_order_that_cannot_be_read_holds_up_no_other,
                what_is_made_due_anew_is_not_put_off,
                a_workflow_that_cannot_be_read_holds_up_no_refresh,
            ],
            tracking: [
                a_token_leads_to_its_order,
                an_order_of_a_guest_has_tokens,
                the_newest_entries_are_seen,
                tokens_that_are_not_there,
                a_revoked_token_leads_nowhere,
                a_token_ends_at_its_time,
                the_newest_token_that_can_be_used,
                a_token_is_created_once,
                tokens_are_revoked_once,
                one_request_id_from_many_callers,
                a_dry_run_of_tokens_writes_nothing,
                the_key_lasts,
                an_older_database_gets_a_key,
                a_migration_that_was_cut_off_is_finished,
                a_corrupt_token_is_said_to_be_so,
            ],
            turns: [
                a_costly_unit_is_cut_between_its_steps,
                a_cut_atomic_unit_does_not_exist,
                an_atomic_unit_that_takes_too_long_is_refused_as_a_whole,
                steps_on_one_order_keep_the_order_of_their_units,
                steps_wait_for_their_workflow_alone,
                a_change_elsewhere_makes_one_workflow_be_loaded,
                a_dry_run_is_not_cut,
                a_batch_ends_when_its_orders_take_much_memory,
                an_atomic_unit_of_orders_that_take_much_memory_is_refused,
                orders_are_answered_where_wanted_and_as_many_as_may_be_kept,
                a_dry_run_keeps_only_what_later_steps_need,
            ],
            unusable: [
                a_guard_that_does_not_compile_stops_its_workflow_alone,
                a_part_that_cannot_be_read_stops_its_workflow_alone,
                a_part_that_is_not_there_stops_its_workflow_alone,
                whatever_is_named_and_not_there_is_told,
                a_workflow_whose_code_is_none_stops_nothing,
                what_lacks_a_part_does_not_replace_what_cannot_be_read,
                what_cannot_be_read_is_replaced_as_a_whole,
                what_orders_use_is_not_left_out_where_it_cannot_be_read,
                timers_are_looked_at_when_a_workflow_is_mended,
                what_is_left_of_a_workflow_gives_way,
                a_version_that_nothing_follows_is_told,
            ],
            upgrading: [
                orders_of_the_first_schema_go_on,
                workflows_of_an_older_schema_keep_their_rules,
                calls_of_an_older_schema_are_still_answered,
            ],
            usage: [
                a_pair_with_orders_stays,
                a_pair_that_an_order_returns_to_stays,
                a_status_that_was_used_stays,
                a_workflow_with_orders_stays,
                orders_are_counted_up_to_a_thousand,
                a_default_is_promoted,
            ],
        }
    };
}

/// Expands listed cases; [`conformance_suite!`](crate::conformance_suite) lists them all.
#[macro_export]
macro_rules! conformance_cases {
    ($backend:ident; $($room:ident: [$($case:ident),* $(,)?]),* $(,)?) => {
        $(mod $room {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let fixture = $crate::Fixture::open($crate::Backend::$backend).await;
                    $crate::conformance::$room::$case(&fixture).await;
                }
            )*
        })*

        /// The names of all listed cases.
        pub(crate) const CASES: &[&str] = &[$($(stringify!($case)),*),*];
    };
}

/// The sources of the cases, for the test that compares them with the list.
pub const SOURCES: [&str; 29] = [
    include_str!("batches.rs"),
    include_str!("clocks.rs"),
    include_str!("commits.rs"),
    include_str!("concurrency.rs"),
    include_str!("constraints.rs"),
    include_str!("containment.rs"),
    include_str!("copies.rs"),
    include_str!("decisions.rs"),
    include_str!("definitions.rs"),
    include_str!("dispatching.rs"),
    include_str!("editions.rs"),
    include_str!("endpoints.rs"),
    include_str!("histories.rs"),
    include_str!("interleaving.rs"),
    include_str!("leases.rs"),
    include_str!("outbox.rs"),
    include_str!("listing.rs"),
    include_str!("lost.rs"),
    include_str!("once.rs"),
    include_str!("pages.rs"),
    include_str!("reaching.rs"),
    include_str!("retention.rs"),
    include_str!("sharing.rs"),
    include_str!("timers.rs"),
    include_str!("tracking.rs"),
    include_str!("turns.rs"),
    include_str!("unusable.rs"),
    include_str!("upgrading.rs"),
    include_str!("usage.rs"),
];
