//! Scenarios over gRPC against the real server process. Each is written once and runs on both databases.
//!
//! Ordinary scenarios share one server per database and keep to a workflow of their own, so they run side by side.
//! Those that kill, stop or starve a server start their own. Faults under load are in `../faults`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a scenario fails by panicking"
)]
#![expect(
    clippy::too_many_lines,
    reason = "a scenario is one story or one table of cases, and a request has a line for each field"
)]

/// Expands scenarios to one test per database, in the modules `sqlite` and `postgres`.
macro_rules! on_each_database {
    ($($scenario:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    super::$scenario(waymark_tests::Backend::Sqlite).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    super::$scenario(waymark_tests::Backend::Postgres).await;
                }
            )+
        }
    };
}

mod applying;
mod assignments;
mod attacks;
mod availability;
mod bad_documents;
mod bad_requests;
mod bench;
mod book;
mod cli_page;
mod clients_page;
mod connections;
mod contained_deliveries;
mod contained_history;
mod contained_timers;
mod costly_requests;
mod creating_steps;
mod cross_origin;
mod database_files;
mod dates;
mod deliveries;
mod differences;
mod documents_whole;
mod drawing;
mod endpoints;
mod every_action;
mod examples;
mod examples_clients;
mod feeds;
mod field_cases;
mod grpc_surface;
mod guards;
mod hanging;
mod holds;
mod idempotency;
mod importing;
mod inside_state;
mod labels;
mod ledger;
mod linting;
mod listing;
mod mails;
mod odd_ids;
mod odd_moments;
mod odd_texts;
mod operations;
mod orders;
mod overtaking;
mod presets;
mod pressure;
mod races;
mod reaching_orders;
mod reading;
mod readme_tour;
mod receivers;
mod rights;
mod settings_told;
mod settling;
mod skipping;
mod starting;
mod status_actions;
mod statuses;
mod steps;
mod stopping;
mod strangers;
mod targets;
mod testing_actions;
mod texts;
mod timers;
mod tokens;
mod tour;
mod tracking;
mod transitions;
mod turns;
mod unread_log;
mod unusable_workflows;
mod updating;
mod waiting_deliveries;
mod watching;
