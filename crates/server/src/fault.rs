//! Faults that tests ask for, in programs that were built with the feature `test-access`; in any
//! other there is no code for it, and nothing reads the environment.
//!
//! `WAYMARK_TEST_FAULTS` names a directory. A file in it makes the place of its name panic, each
//! time that it is come by, as long as the file is there.

pub(crate) const DIRECTORY: &str = "WAYMARK_TEST_FAULTS";

#[cfg(feature = "test-access")]
pub(crate) use asked::{panics, point};
#[cfg(not(feature = "test-access"))]
pub(crate) use unasked::{panics, point};

#[cfg(feature = "test-access")]
mod asked {
    use std::{path::PathBuf, sync::LazyLock, time::Duration};

    use tokio::time::{MissedTickBehavior, interval};

    /// Interval at which a task looks whether it shall panic.
    const INTERVAL: Duration = Duration::from_millis(20);

    static FAULTS: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os(crate::fault::DIRECTORY).map(PathBuf::from));

    /// Panics where a test asks for it: where there is a file of this name, behind it `.subject` if any.
    pub(crate) fn point(name: &str, subject: &str) {
        let Some(directory) = FAULTS.as_ref() else {
            return;
        };
        let file = if subject.is_empty() {
            name.to_owned()
        } else {
            format!("{name}.{subject}")
        };
        let is_asked = directory.join(&file).exists();
        assert!(!is_asked, "a test asked for the fault {file}");
    }

    /// Panics as soon as there is a file `task.` with the name of a task; otherwise never ends.
    pub(crate) async fn panics(task: &str) {
        if FAULTS.is_none() {
            return std::future::pending().await;
        }
        let mut tick = interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            point("task", task);
        }
    }
}

#[cfg(not(feature = "test-access"))]
mod unasked {
    /// Does nothing: there are no tests here.
    #[inline]
    pub(crate) fn point(_name: &str, _subject: &str) {}

    /// Never ends: there are no tests here.
    #[inline]
    pub(crate) async fn panics(_task: &str) {
        std::future::pending().await
    }
}
