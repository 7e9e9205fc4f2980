//! Threads: those with a runtime of their own, and one for work that blocks, kept in every runtime. A
//! runtime starts such threads when they are wanted, and ends those that idle. Where the system has no
//! more to give, as under a limit of memory, work waits for one that is there; where there is none, the
//! runtime panics, and the call that wanted one is cut off.

use std::{io, thread, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
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

/// A thread with a runtime of its own, for work that should neither wait behind calls nor be moved
/// between threads: on SQLite it blocks while it reads and writes, and on PostgreSQL its connections
/// live on the same thread. Its tasks end when it is dropped.
#[derive(Debug)]
pub(crate) struct DedicatedRuntime {
    handle: Handle,
    _open: oneshot::Sender<()>,
}

impl DedicatedRuntime {
    /// Starts the thread.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        keep_one(&handle);
        let (open, closed) = oneshot::channel::<()>();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // An error is how it ends: the other half is dropped.
                let _ = runtime.block_on(closed);
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            _open: open,
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}
