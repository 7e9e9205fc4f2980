//! The wall clock: entries carry times of the server, which runs on this machine.

use std::time::{Duration, SystemTime};

/// Time since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "times of entries are compared with the time of their arrival"
)]
pub(crate) fn now() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}
