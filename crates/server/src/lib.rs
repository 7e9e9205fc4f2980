//! The Waymark service: gRPC in front, the store behind, and between them the
//! committer that groups writes and the tailer that feeds watchers. Beside gRPC,
//! where it is switched on, a port for the feeds of customers.
//!
//! It deliberately lacks business rules (they are in `waymark-domain`), SQL (in
//! `waymark-persistence`) and authentication: until there is any, it listens on
//! a loopback address unless told otherwise.
//!
//! Start at [`Server::start`], which wires everything, at [`App`], the handle
//! that every service holds, and at [`committer`], through which every write goes.

mod app;
mod background;
pub mod committer;
mod connections;
mod cross_origin;
mod dispatch;
mod error;
mod fault;
mod feeds;
mod health;
pub mod history;
mod incoming;
mod intake;
mod kept;
mod limits;
mod liveness;
mod lock;
mod page;
mod ports;
mod preset;
mod reader;
mod routes;
mod run;
pub mod services;
pub mod settings;
mod settling;
pub mod signals;
mod start_error;
pub mod supervisor;
pub mod telemetry;
#[cfg(test)]
mod tests;
mod threads;
mod tracking;
mod wake;

pub use app::App;
pub use error::{Error, Reason};
pub use run::{Server, Stopped};
pub use settings::Settings;
pub use start_error::StartError;

pub use waymark_persistence::{Clock, Error as DatabaseError};

/// Creates or upgrades the database of the settings; answers the versions that were applied.
///
/// # Errors
/// Returns the error of the store when the database cannot be reached or a migration fails.
pub async fn migrate(settings: &Settings) -> Result<Vec<String>, DatabaseError> {
    let migrated = waymark_persistence::migrate(&settings.database, &Clock::system()).await?;
    if migrated.is_new && settings.database.url.is_sqlite() {
        preset::log_created(&settings.database.url, "none");
    }
    Ok(migrated.applied)
}
