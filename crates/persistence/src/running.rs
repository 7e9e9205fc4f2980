//! The end of a thread of the store, for who has to know of it.

use std::thread;

use futures::{FutureExt, future::BoxFuture};
use tokio::sync::watch;

use crate::Error;

/// Held by a thread as long as it runs, also while it panics.
struct Running {
    _held: watch::Sender<()>,
}

/// Tells the end of a thread.
pub(crate) struct ThreadEnd(watch::Receiver<()>);

/// A pair of what a thread holds, and what waits until it has let go.
fn pair() -> (Running, ThreadEnd) {
    let (held, released) = watch::channel(());
    (Running { _held: held }, ThreadEnd(released))
}

/// Starts a thread of this name.
///
/// # Errors
/// Returns [`Error::Unavailable`] when the system has no thread for it.
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<ThreadEnd, Error> {
    let (running, ending) = pair();
    let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _running = running;
        work();
    });
    started.map_err(Error::unavailable)?;
    Ok(ending)
}

impl ThreadEnd {
    pub(crate) fn wait(&self) -> BoxFuture<'static, ()> {
        let mut released = self.0.clone();
        // Nothing is ever sent: the error is the end.
        async move { while released.changed().await.is_ok() {} }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::{panic::resume_unwind, thread, time::Duration};

    use futures::poll;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_end_of_a_thread_is_told_however_it_comes() {
        for panics in [false, true] {
            let (running, ending) = pair();
            let mut ended = ending.wait();
            assert!(poll!(&mut ended).is_pending(), "it has not begun");
            thread::spawn(move || {
                let _running = running;
                if panics {
                    // Without a word about it.
                    resume_unwind(Box::new(()));
                }
            });
            timeout(Duration::from_secs(20), ended).await.unwrap();
        }
    }
}
