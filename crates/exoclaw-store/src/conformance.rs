//! What every backend must do, as tests that a backend's own test binary takes over with [`conformance_tests!`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use exoclaw_store::{MemoryStore, Store};
//!
//! async fn fresh() -> (Arc<dyn Store>, ()) {
//!     (Arc::new(MemoryStore::new()), ())
//! }
//! exoclaw_store::conformance_tests!(fresh);
//! ```
//!
//! [`conformance_tests!`]: crate::conformance_tests
#![expect(clippy::unwrap_used, reason = "the suite is test code, and panics are how a test fails")]

mod conversations;
mod deliveries;
mod jobs;
mod journal;
mod kv;
mod runs;
pub mod samples;
mod search;
mod spending;

pub use conversations::*;
pub use deliveries::*;
pub use jobs::*;
pub use journal::*;
pub use kv::*;
pub use runs::*;
pub use search::*;
pub use spending::*;

/// Makes one `#[tokio::test]` of each case. The argument is an async function that returns a pair: an `Arc<dyn Store>`,
/// empty, and whatever must live as long as the test. It needs `tokio` with `macros` and `rt`.
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:expr) => {
        $crate::conformance_tests!(
            $fresh;
            numbers_follow_the_order_of_appending,
            sessions_are_strangers_to_each_other,
            every_record_comes_back_as_it_was,
            a_page_keeps_to_its_bounds,
            a_page_holds_at_least_one_entry,
            bounds_beyond_the_journal_are_harmless,
            nothing_is_appended_by_a_refused_append,
            a_record_beyond_measure_is_refused,
            concurrent_appends_leave_no_gap,
            sessions_are_listed_by_last_use,
            a_session_is_summed_up,
            a_closed_store_refuses_everything,
            a_conversation_is_folded,
            sessions_are_filtered,
            a_run_is_found,
            a_deleted_session_is_gone,
            a_key_is_taken_once_per_session,
            a_key_taken_twice_at_once_is_taken_once,
            a_key_twice_in_one_append_is_refused,
            a_run_is_accepted_once_per_session,
            a_run_is_open_until_it_ends,
            the_first_outcome_of_a_run_counts,
            a_run_taken_up_again_is_counted,
            what_was_spent_is_summed_up,
            what_was_spent_stops_at_the_largest_number,
            a_key_is_forgotten_after_its_time,
            no_more_keys_are_forgotten_at_once_than_asked_for,
            a_quarantined_session_stands_still,
            values_come_back_until_deleted,
            scopes_of_values_are_apart,
            a_quota_counts_keys_and_values,
            a_value_beyond_measure_is_refused,
            keys_are_listed_in_byte_order,
            jobs_are_kept_until_removed,
            an_answer_waits_until_it_is_delivered,
            what_joins_is_answered_where_it_came_from_last,
            nothing_is_delivered_of_a_session_that_stands_still,
            words_are_found,
            what_is_found_comes_in_pages,
            what_is_no_part_of_the_conversation_is_not_found,
            no_question_is_refused,
        );
    };
    ($fresh:expr; $($case:ident,)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let (store, _kept) = $fresh().await;
                $crate::conformance::$case(&*store).await;
            }
        )*
    };
}
