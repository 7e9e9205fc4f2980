//! A thread for work that blocks, kept in every runtime. A runtime starts such threads when they
//! are wanted, and ends those that idle. Where the system has no more to give, as under a limit of
//! memory, work waits for one that is there; where there is none, the runtime panics, and the call
//! that wanted one is cut off.

use std::time::Duration;

use tokio::{
    runtime::Handle,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

/// Interval at which the thread gets something to do: a runtime ends one that idles for ten seconds.
const BEAT: Duration = Duration::from_secs(4);

/// Starts a thread for work that blocks, and keeps one for as long as the runtime is there.
pub(crate) fn keep_one(runtime: &Handle) {
    // At once, as long as the system has one.
    runtime.spawn_blocking(|| ());
    runtime.spawn(async {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            // An error means that the runtime ends.
            let _ = spawn_blocking(|| ()).await;
        }
    });
}
