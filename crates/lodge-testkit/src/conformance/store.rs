//! The suite of stores. `store_conformance!(make)` turns every case into a test; `make` is an async function that gives
//! a [`StoreUnderTest`] with an empty store.
//!
//! Cases speak to the store only through its ports and move time only by its clock, except where they wait.

pub mod accept;
pub mod closing;
pub mod concurrent;
pub mod dead_letters;
pub mod effects;
pub mod feed;
pub mod keeping;
pub mod merging;
pub mod purging;
pub mod random;
pub mod settling;
mod steps;
pub mod threading;
pub mod timelines;
pub mod work;

use crate::ManualClock;
use async_trait::async_trait;
use lodge_domain::ports::Store;
use std::sync::Arc;

/// A store with nothing in it, and the means to test it.
#[async_trait]
pub trait StoreUnderTest: Send + Sync {
    /// The store; the same one at every call.
    fn store(&self) -> Arc<dyn Store>;

    /// Another handle to the same records, as another process would have.
    async fn second(&self) -> Arc<dyn Store>;

    /// The clock that all its handles were made with.
    fn clock(&self) -> Arc<ManualClock>;
}

/// Makes a test of every case, each with a store of its own from `$make().await`.
#[macro_export]
macro_rules! store_conformance {
    ($make:path) => {
        $crate::store_conformance! { $make;
            accept: new_contact same_contact_again same_contact_twice_in_a_batch same_contact_from_a_second_handle
                changed_content_is_a_conflict sources_without_ids_never_conflict reference_collision_takes_the_next
                no_free_reference_writes_nothing brands_share_nothing first_writer_keeps_a_key traces_find_envelopes
                envelopes_are_found_in_order accept_enqueues_triage a_batch_is_decided_in_order large_records;
            threading: always_joins_a_participant always_by_a_stranger always_by_a_failed_stranger
                forged_reference_is_only_suggested participant_joins lower_assurance_is_refused failed_is_refused
                assurance_rises strongest_key_decides changed_topic_is_flagged
                changed_topic_after_thirty_days_starts_anew unknown_topic_continues hints_only_suggest
                introduced_by_the_authenticated introduced_by_others_are_strangers programs_keep_the_way_back
                contacts_without_a_way_back_keep_it sixty_four_keys;
            closing: reopened_in_time reopening_ends_with_its_window late_contact_follows
                closed_without_a_window_follows programs_leave_it_closed other_statuses_continue
                another_status_clears_the_window;
            merging: contacts_land_on_the_survivor chains_are_followed cycles_are_not_written
                unknown_survivors_are_not_written a_later_merge_replaces participants_come_along;
            effects: guard_makes_repeats_harmless guard_tells_other_content stale_outbound_applies_nothing
                outbound_versions_within_a_step outbound_is_listed_in_order record_numbers_without_gaps
                record_lands_on_the_survivor record_of_an_unknown_conversation publish_freezes_bytes
                learned_keys_place_contacts traced_keys_find_envelopes decisions_are_kept changes_are_kept
                journal_lines_are_kept_once enqueue_is_idempotent unknown_subjects_change_nothing;
            work: claims_are_exclusive a_lease_that_ends_is_claimed_again not_before_due oldest_due_first
                order_within_a_conversation a_retry_holds_back_its_conversation_only
                work_without_a_conversation_waits_for_nobody lanes_are_apart brands_take_turns
                turns_go_on_from_claim_to_claim lanes_with_work;
            settling: done_removes dead_releases_the_next effects_of_a_settlement done_is_not_enqueued_by_itself
                retry_counts_attempts a_lost_lease_changes_nothing a_late_settlement_counts
                a_stale_settlement_changes_nothing a_batch_answers_in_order renewed_leases_last_longer
                a_mark_survives_and_a_retry_clears_it wait_wakes_for_new_work wait_wakes_for_foreign_work
                wait_wakes_for_work_that_becomes_due wait_returns_at_the_latest;
            dead_letters: pages replayed_once discarded_is_gone buried_once quarantine_is_not_replayed
                dead_work_is_not_enqueued replayed_work_is_due_at_once;
            feed: events_in_order pages_and_cursors unreadable_cursors wait_feed_wakes one_event_by_id;
            keeping: inbox_state_compares_and_sets inbox_state_lists_by_prefix inbox_state_finds_a_range
                inbox_state_is_limited leases_have_one_holder leases_end_and_fence budgets_are_windows budgets_take_all_or_nothing
                budgets_take_amounts a_budget_of_nothing counts_and_check second_handle_sees_everything;
            purging: dedupe conversations conversations_with_work_stay conversations_with_dead_letters_stay
                feed_keeps_the_unforwarded transient fences_never_go_back purged_cursors_go_on;
            concurrent: d02_a_thousand_copies_are_one_contact d03_ten_firsts_of_one_party
                overlapping_batches claims_never_overlap budgets_never_overdraw saves_never_overwrite;
            timelines: numbered_in_order an_entry_is_there_once accepted_with_its_entry concurrent_appends
                followers_miss_nothing hints_reach_followers notes_compare_and_set purged_whole rebound_keys_follow;
            random: against_the_model;
        }
    };
    ($make:path; $($module:ident: $($case:ident)+;)+) => {
        $(mod $module {
            use super::*;
            $(
                #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let under_test = $make().await;
                    $crate::conformance::store::$module::$case(&under_test).await;
                }
            )+
        })+
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelStore, SeededEntropy};

    struct Model(ModelStore, Arc<ManualClock>);

    #[async_trait]
    impl StoreUnderTest for Model {
        fn store(&self) -> Arc<dyn Store> {
            Arc::new(self.0.clone())
        }

        async fn second(&self) -> Arc<dyn Store> {
            self.store()
        }

        fn clock(&self) -> Arc<ManualClock> {
            self.1.clone()
        }
    }

    async fn model() -> Model {
        let clock = Arc::new(ManualClock::new());
        Model(ModelStore::new(clock.clone(), Arc::new(SeededEntropy::new(1))), clock)
    }

    crate::store_conformance!(model);
}
