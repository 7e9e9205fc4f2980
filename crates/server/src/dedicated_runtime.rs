//! A thread with a runtime of its own, for work that should neither wait behind
//! calls nor be moved between threads: on SQLite it blocks while it reads and
//! writes, and on PostgreSQL its connections live on the same thread.

use std::{io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use crate::threads;

/// A thread with a runtime; its tasks end when it is dropped.
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
        threads::keep_one(&handle);
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

    /// The handle on which tasks are spawned.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}
