//! All behaviours, with the cluster that each wants.

/// Expands `$each!` once, with the whole list: `module::name: setup;` for each behaviour. Where a kind of node cannot do what a
/// behaviour needs, its line ends with `, not kind "why"`, and the harness of that kind has no such test.
///
/// | kind | harness |
/// |---|---|
/// | `memory` | `redlock/tests/behaviour/on_memory.rs` |
/// | `simulated` | `simulator/tests/behaviour/main.rs` |
/// | `redis` | `redlock/tests/behaviour/on_redis.rs` |
#[macro_export]
macro_rules! for_each_behaviour {
    ($each:ident) => {
        $each! {
            lock::a_lease_is_acquired_and_released: Setup::nodes(5);
            lock::two_clients_exclude_each_other: Setup::nodes(3);
            lock::contenders_take_turns: Setup::nodes(3);
            lock::one_attempt_says_that_it_is_held: Setup::nodes(3);
            lock::a_waiter_gets_it_after_the_release: Setup::nodes(3);
            lock::a_waiter_gets_it_after_the_expiry: Setup::nodes(3);
            lock::a_wait_in_vain_ends_with_contended: Setup::nodes(3);
            lock::fencing_tokens_grow_through_any_majority: Setup::nodes(3);
            lock::every_choice_of_protection_excludes: Setup::nodes(3);
            lock::resources_never_share_a_key: Setup::nodes(3);

            quorum::won_at_the_quorum_with_a_node_silent: Setup::nodes(5);
            quorum::a_minority_that_is_down_masks_nothing: Setup::nodes(5);
            quorum::no_quorum_names_the_nodes: Setup::nodes(5);
            quorum::a_larger_quorum_is_needed_in_full: Setup::nodes(5);
            quorum::an_even_split_is_decided: Setup::nodes(4);
            quorum::a_silent_majority_times_out: Setup::nodes(3);
            quorum::slack_counts_late_grants: Setup::nodes(5).on_a_troubled_network();
            quorum::a_grant_after_its_deadline_is_released: Setup::nodes(3);
            quorum::a_grant_whose_reply_is_lost_is_released: Setup::nodes(3).on_a_troubled_network();

            lease::extending_prolongs: Setup::nodes(3);
            lease::extending_never_shortens: Setup::nodes(3);
            lease::extending_never_reacquires: Setup::nodes(3);
            lease::extending_an_expired_lease_fails: Setup::nodes(3);
            lease::a_ttl_above_the_maximum_is_refused: Setup::nodes(3);
            lease::a_failed_extension_keeps_the_lease: Setup::nodes(5);
            lease::a_lost_confirmation_moves_no_deadline: Setup::nodes(3).on_a_troubled_network();
            lease::renewal_outlives_many_ttls: Setup::nodes(3);
            lease::renewal_survives_an_outage: Setup::nodes(3);
            lease::loss_is_told_by_the_deadline_and_is_final: Setup::nodes(3);
            lease::loss_is_told_when_the_keys_are_gone: Setup::nodes(3);
            lease::max_lifetime_ends_renewal: Setup::nodes(3);

            release::releasing_twice_is_fine: Setup::nodes(3);
            release::releasing_leaves_another_owner_alone: Setup::nodes(3);
            release::a_dropped_lease_is_released: Setup::nodes(3);
            release::a_cancelled_acquisition_leaves_nothing: Setup::nodes(3).on_a_troubled_network();
            release::a_lost_reply_is_released: Setup::nodes(3).on_a_troubled_network();
            release::a_release_waits_for_a_node_that_is_down: Setup::nodes(3).with_disks();
            release::a_partial_grant_does_not_block_the_retry: Setup::nodes(3);
            release::a_release_wins_over_an_extension: Setup::nodes(3).on_a_troubled_network();
            release::shutdown_drains: Setup::nodes(3);
            release::shutdown_names_what_is_undelivered: Setup::nodes(3);

            memory_loss::a_node_restarted_empty_does_not_vote: Setup::nodes(3);
            memory_loss::a_flushed_node_does_not_vote: Setup::nodes(3);
            memory_loss::restarted_nodes_vote_after_max_ttl: Setup::nodes(3);
            memory_loss::flushed_nodes_vote_after_max_ttl: Setup::nodes(3);
            memory_loss::an_idle_client_ends_a_quarantine: Setup::nodes(3);
            memory_loss::a_node_restarted_with_its_data_confirms_and_does_not_vote: Setup::nodes(3).with_disks();
            memory_loss::only_a_new_cluster_is_admitted: Setup::nodes(3);
            memory_loss::an_unknown_cluster_is_quarantined: Setup::nodes(3);
            memory_loss::settings_that_disagree_are_refused_by_name: Setup::nodes(3);
            memory_loss::replacing_settings_starts_anew: Setup::nodes(3);
            memory_loss::preflight_counts_the_votes: Setup::nodes(3);
            memory_loss::forgetful_nodes_cost_slack_and_then_the_lease: Setup::nodes(3);
            memory_loss::a_foreign_key_is_no_vote_and_left_alone: Setup::nodes(3);

            scope::scoped_work_is_released: Setup::nodes(3);
            scope::scoped_work_that_panics_is_released: Setup::nodes(3);
            scope::scoped_work_is_dropped_with_its_lease: Setup::nodes(3);

            server::forgotten_scripts_are_sent_again: Setup::nodes(3), not memory "it executes no scripts";
            server::a_node_that_turned_read_only_refuses: Setup::nodes(3), not memory "it knows no replication";
        }
    };
}
