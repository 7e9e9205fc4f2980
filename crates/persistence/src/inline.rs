//! SQLite without a hop per statement. Diesel's wrapper hands every statement to a blocking thread,
//! which costs several times the statement itself. Here each statement runs where it is called, and
//! [`Hop`] announces the whole unit of work to the runtime once.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use diesel_async::sync_connection_wrapper::SpawnBlocking;
use futures::future::{BoxFuture, FutureExt, ready};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs each blocking task where it is called.
#[derive(Debug)]
pub(crate) struct Inline;

impl SpawnBlocking for Inline {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn Error + Send + Sync + 'static>>>
    where
        R: Send + 'static,
    {
        ready(Ok(task())).boxed()
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// A unit of work on SQLite. Its statements never wait for anything but the disk, so one
/// poll runs it from begin to end, while the runtime moves other tasks off this thread.
pub(crate) struct Hop<F>(pub(crate) Pin<Box<F>>);

impl<F: Future> Future for Hop<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let work = self.0.as_mut();
        // A runtime of one thread has nowhere to move its other tasks; they wait.
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| work.poll(context)),
            Ok(_) | Err(_) => work.poll(context),
        }
    }
}

/// Announces a unit of work on SQLite to the runtime.
pub(crate) fn hop<F: Future>(work: F) -> Hop<F> {
    Hop(Box::pin(work))
}
