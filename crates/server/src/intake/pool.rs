//! Room for the bytes of requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout},
};

/// The part of a message for which it takes room among small ones, which therefore never wait for large ones.
pub(super) const SMALL_BYTES: usize = 64 * 1024;
/// The room for these parts, and for what messages have beyond them.
const SMALL_ROOM_BYTES: usize = 32 * 1024 * 1024;
const LARGE_ROOM_BYTES: usize = 64 * 1024 * 1024;
/// How many bytes of large messages are decoded and carried out at once. As values they take at most eight times
/// as much.
const TURN_BYTES: usize = 8 * 1024 * 1024;
/// How long a call waits for room or for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The room for requests of a whole process.
#[derive(Debug)]
pub(super) struct Pools {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    /// How many wait for room.
    waiting: AtomicUsize,
    /// Tells those who stand still that somebody waits.
    pressed: Notify,
}

/// Nothing became free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

/// What a call holds, and lets go when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Held {
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Pools {
    pub(super) fn new() -> Self {
        Self::with_room(SMALL_ROOM_BYTES, LARGE_ROOM_BYTES)
    }

    pub(super) fn with_room(small: usize, large: usize) -> Self {
        Self {
            small: Arc::new(Semaphore::new(small)),
            large: Arc::new(Semaphore::new(large)),
            turns: Arc::new(Semaphore::new(TURN_BYTES)),
            waiting: AtomicUsize::new(0),
            pressed: Notify::new(),
        }
    }

    /// Takes room for bytes that arrived, besides what `held` has.
    ///
    /// # Errors
    /// Returns [`NoRoom`] after ten seconds without any.
    pub(super) async fn take(&self, held: &mut Held, bytes: usize) -> Result<(), NoRoom> {
        let small = bytes.min(SMALL_BYTES.saturating_sub(held.bytes));
        held.bytes += bytes;
        self.take_from(&self.small, &mut held.small, small).await?;
        let large = bytes - small;
        self.take_from(&self.large, &mut held.large, large).await
    }

    /// Waits until a message may be decoded; a small one may at once.
    ///
    /// # Errors
    /// Returns [`NoRoom`] after ten seconds.
    pub(super) async fn turn(&self, held: &mut Held) -> Result<(), NoRoom> {
        if held.bytes <= SMALL_BYTES {
            return Ok(());
        }
        let bytes = permits(held.bytes.min(TURN_BYTES));
        let turn = Arc::clone(&self.turns).acquire_many_owned(bytes);
        held.turn = Some(in_time(turn).await?);
        Ok(())
    }

    /// Returns when this instant has passed and somebody waits for room.
    pub(super) async fn wants_it_back(&self, after: Instant) {
        sleep_until(after).await;
        loop {
            let pressed = self.pressed.notified();
            if self.waiting.load(Ordering::SeqCst) > 0 {
                return;
            }
            pressed.await;
        }
    }

    async fn take_from(
        &self,
        room: &Arc<Semaphore>,
        held: &mut Option<OwnedSemaphorePermit>,
        bytes: usize,
    ) -> Result<(), NoRoom> {
        if bytes == 0 {
            return Ok(());
        }
        let bytes = permits(bytes);
        let more = if let Ok(more) = Arc::clone(room).try_acquire_many_owned(bytes) {
            more
        } else {
            let _waiting = Waiting::at(self);
            in_time(Arc::clone(room).acquire_many_owned(bytes)).await?
        };
        match held {
            Some(held) => held.merge(more),
            None => *held = Some(more),
        }
        Ok(())
    }
}

impl Held {
    /// Whether it holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

/// One who waits for room.
struct Waiting<'a>(&'a Pools);

impl<'a> Waiting<'a> {
    fn at(pools: &'a Pools) -> Self {
        pools.waiting.fetch_add(1, Ordering::SeqCst);
        pools.pressed.notify_waiters();
        Self(pools)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn in_time<E>(
    permit: impl Future<Output = Result<OwnedSemaphorePermit, E>>,
) -> Result<OwnedSemaphorePermit, NoRoom> {
    // The semaphores are never closed.
    let permit = timeout(PATIENCE, permit).await.map_err(|_| NoRoom)?;
    permit.map_err(|_| NoRoom)
}

/// No message has as many bytes as a permit counts.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
