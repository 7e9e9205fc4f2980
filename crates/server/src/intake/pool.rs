//! Room for the bytes of requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{AcquireError, Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout},
};

/// The part of a message for which it takes room among small ones, which therefore never wait for large ones.
pub(super) const SMALL_BYTES: usize = 64 * 1024;
/// The room for these parts, and for what messages have beyond them.
const SMALL_ROOM_BYTES: usize = 32 * 1024 * 1024;
const LARGE_ROOM_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of large messages that are decoded and carried out at once. As values they take at most eight times
/// as much, and each batch of steps 4 MiB more, of which a short one can use a part.
const TURN_BYTES: usize = 8 * 1024 * 1024;
/// Time that a call waits for room or for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time that a message keeps room while it does not grow and others wait: because its peer sends nothing, or because it
/// waits for more room itself.
pub(super) const REST_MAX: Duration = Duration::from_secs(1);

/// The room for requests of a whole process.
#[derive(Debug)]
pub(super) struct Pools {
    small: Room,
    large: Room,
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Room {
    bytes: Arc<Semaphore>,
    /// Those who wait for it.
    waiting: AtomicUsize,
    /// Tells those who stand still that somebody waits.
    pressed: Notify,
}

/// The places of a connection among those who wait for room: one for each kind, however many calls it has. So others
/// wait for one call of each connection, and not for thousands that one of them has begun.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionQueue(Arc<Places>);

#[derive(Debug)]
struct Places {
    small: Semaphore,
    large: Semaphore,
    /// Of the turns, a connection gets half.
    turns: Arc<Semaphore>,
}

/// Nothing became free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

/// The room that a call holds, and lets go when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    queue: ConnectionQueue,
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
    /// Of the turns of the connection, and of all.
    turn: Option<[OwnedSemaphorePermit; 2]>,
    bytes: usize,
}

impl Pools {
    pub(super) fn new() -> Self {
        Self::with_room(SMALL_ROOM_BYTES, LARGE_ROOM_BYTES)
    }

    pub(super) fn with_room(small: usize, large: usize) -> Self {
        Self {
            small: Room::new(small),
            large: Room::new(large),
            turns: Arc::new(Semaphore::new(TURN_BYTES)),
        }
    }

    /// Takes room for bytes that arrived of a message of this length, besides what `held` has. Once it turns out to be
    /// large, room is taken for all of it: otherwise many that come at once would fill the room with their beginnings,
    /// and wait for each other.
    ///
    /// # Errors
    /// Returns [`NoRoom`] after ten seconds without any, or sooner where what is held already is needed by others.
    pub(super) async fn take(
        &self,
        held: &mut Held,
        bytes: usize,
        length: usize,
    ) -> Result<(), NoRoom> {
        let small = bytes.min(SMALL_BYTES.saturating_sub(held.bytes));
        held.bytes += bytes;
        if small > 0 {
            self.take_small(held, small).await?;
        }
        if held.bytes > SMALL_BYTES && held.large.is_none() {
            let large = length.max(held.bytes) - SMALL_BYTES;
            self.take_large(held, large).await?;
        }
        Ok(())
    }

    async fn take_small(&self, held: &mut Held, bytes: usize) -> Result<(), NoRoom> {
        let patience = if held.small.is_some() {
            REST_MAX
        } else {
            PATIENCE
        };
        let more = self.small.take(&held.queue.0.small, bytes);
        let more = timeout(patience, more).await.map_err(|_| NoRoom)??;
        match &mut held.small {
            Some(held) => held.merge(more),
            None => held.small = Some(more),
        }
        Ok(())
    }

    async fn take_large(&self, held: &mut Held, bytes: usize) -> Result<(), NoRoom> {
        let room = tokio::select! {
            biased;
            room = timeout(PATIENCE, self.large.take(&held.queue.0.large, bytes)) => room,
            // Small messages wait for no large one.
            () = self.small.wanted() => return Err(NoRoom),
        };
        held.large = Some(room.map_err(|_| NoRoom)??);
        Ok(())
    }

    /// Waits until a message may be decoded; a small one may at once.
    ///
    /// # Errors
    /// Returns [`NoRoom`] after ten seconds.
    pub(super) async fn turn(&self, held: &mut Held) -> Result<(), NoRoom> {
        if held.bytes <= SMALL_BYTES {
            return Ok(());
        }
        let bytes = permits(held.bytes.min(TURN_BYTES / 2));
        let of_connection = Arc::clone(&held.queue.0.turns);
        let of_all = Arc::clone(&self.turns);
        // Behind others of its connection first, so that what one connection asks for leaves half to others.
        let turn = async {
            let first = of_connection.acquire_many_owned(bytes).await?;
            Ok::<_, AcquireError>([first, of_all.acquire_many_owned(bytes).await?])
        };
        let turn = timeout(PATIENCE, turn).await.map_err(|_| NoRoom)?;
        // The semaphores are never closed.
        held.turn = Some(turn.map_err(|_| NoRoom)?);
        Ok(())
    }

    /// Returns when this instant has passed and somebody waits for room of the kind that is held.
    pub(super) async fn wants_it_back(&self, held: &Held, after: Instant) {
        sleep_until(after).await;
        tokio::select! {
            () = self.small.wanted() => {}
            () = self.large.wanted(), if held.large.is_some() => {}
        }
    }
}

impl Room {
    fn new(bytes: usize) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(bytes)),
            waiting: AtomicUsize::new(0),
            pressed: Notify::new(),
        }
    }

    /// Waits for room, behind others of its connection and then behind one of each other connection.
    async fn take(&self, place: &Semaphore, bytes: usize) -> Result<OwnedSemaphorePermit, NoRoom> {
        let bytes = permits(bytes);
        if let Ok(room) = Arc::clone(&self.bytes).try_acquire_many_owned(bytes) {
            return Ok(room);
        }
        let _waiting = Waiter::at(self);
        // The semaphores are never closed.
        let _first = place.acquire().await.map_err(|_| NoRoom)?;
        let room = Arc::clone(&self.bytes).acquire_many_owned(bytes).await;
        room.map_err(|_| NoRoom)
    }

    async fn wanted(&self) {
        loop {
            let pressed = self.pressed.notified();
            if self.waiting.load(Ordering::SeqCst) > 0 {
                return;
            }
            pressed.await;
        }
    }
}

impl Default for ConnectionQueue {
    fn default() -> Self {
        Self(Arc::new(Places {
            small: Semaphore::new(1),
            large: Semaphore::new(1),
            turns: Arc::new(Semaphore::new(TURN_BYTES / 2)),
        }))
    }
}

impl Held {
    pub(super) fn nothing(queue: ConnectionQueue) -> Self {
        Self {
            queue,
            small: None,
            large: None,
            turn: None,
            bytes: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn let_go(&mut self) {
        *self = Self::nothing(self.queue.clone());
    }
}

struct Waiter<'a>(&'a Room);

impl<'a> Waiter<'a> {
    fn at(room: &'a Room) -> Self {
        room.waiting.fetch_add(1, Ordering::SeqCst);
        room.pressed.notify_waiters();
        Self(room)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// No message has as many bytes as a permit counts.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
