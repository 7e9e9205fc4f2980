//! Hints between the processes of one PostgreSQL database: "something was committed to these
//! partitions". A hint may come late, twice or never; who waits for one also looks by itself from
//! time to time. They are sent outside write transactions on a connection of their own, since
//! NOTIFY inside them takes a lock of the whole database until the commit is on disk.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::Duration,
};

use diesel::{
    dsl::{select, sql},
    sql_types::Integer,
};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures::{FutureExt, StreamExt, future::BoxFuture};
use tokio::sync::{Notify, mpsc};
use waymark_domain::partition::Partition;

use crate::{
    Settings,
    address::Target,
    postgres::{self, Role},
    settings::Address,
};

const CHANNEL: &str = "waymark_history";
/// Each hint is a transaction of its own; what comes in between shares one.
const SPACING: Duration = Duration::from_millis(10);
const RECONNECT_MIN: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// Hints that nobody reads are dropped: one that waits says as much as a hundred.
const QUEUE: usize = 64;

/// Something was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// To which partitions; empty when any may be meant, as after a lost connection.
    pub partitions: Vec<Partition>,
    /// Whether it may have set something off to be sent.
    pub sets_off: bool,
}

/// A stream of hints. Dropping it ends the work behind it.
#[derive(Debug)]
pub struct Hints {
    receiver: mpsc::Receiver<Hint>,
}

impl Hints {
    /// Waits for the next hint; on SQLite there is none, since there is one process.
    pub async fn next(&mut self) -> Hint {
        match self.receiver.recv().await {
            Some(hint) => hint,
            None => std::future::pending().await,
        }
    }
}

pub(crate) struct Notifier(Option<Arc<HintQueue>>);

#[derive(Default)]
struct HintNews {
    partitions: BTreeSet<Partition>,
    sets_off: bool,
}

#[derive(Default)]
struct HintQueue {
    news: Mutex<HintNews>,
    bell: Notify,
    /// The process of PostgreSQL through which hints are sent; 0 for none.
    session: AtomicI32,
    ended: AtomicBool,
}

impl Notifier {
    /// A notifier whose hints wait until somebody sends them.
    pub(crate) fn new(settings: &Settings) -> Self {
        match &settings.url.0 {
            Address::Postgres(_) => Self(Some(Arc::default())),
            Address::Sqlite(_) => Self(None),
        }
    }

    /// Sends hints until the notifier is dropped; none on SQLite, where there is nobody to tell.
    pub(crate) fn sending(&self, settings: &Settings) -> Option<BoxFuture<'static, ()>> {
        let Address::Postgres(target) = &settings.url.0 else {
            return None;
        };
        let queue = Arc::clone(self.0.as_ref()?);
        Some(send(settings.clone(), (**target).clone(), queue).boxed())
    }

    /// The hints of other processes, and the work that listens for them.
    pub(crate) fn listening(&self, settings: &Settings) -> (Hints, BoxFuture<'static, ()>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let listening = match (&settings.url.0, &self.0) {
            (Address::Postgres(target), Some(own)) => {
                let (target, own) = ((**target).clone(), Arc::clone(own));
                listen(settings.clone(), target, own, sender).boxed()
            }
            (Address::Sqlite(_) | Address::Postgres(_), _) => {
                async move { sender.closed().await }.boxed()
            }
        };
        (Hints { receiver }, listening)
    }

    pub(crate) fn notify(&self, hint: &Hint) {
        if let Some(queue) = &self.0 {
            {
                let mut news = queue.news.lock().unwrap_or_else(PoisonError::into_inner);
                news.partitions.extend(&hint.partitions);
                news.sets_off |= hint.sets_off;
            }
            queue.bell.notify_one();
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.ended.store(true, Ordering::SeqCst);
            queue.bell.notify_one();
        }
    }
}

async fn send(settings: Settings, target: Target, queue: Arc<HintQueue>) {
    let mut connection: Option<AsyncPgConnection> = None;
    let mut pause = RECONNECT_MIN;
    loop {
        queue.bell.notified().await;
        if queue.ended.load(Ordering::SeqCst) {
            return;
        }
        let news = std::mem::take(&mut *queue.news.lock().unwrap_or_else(PoisonError::into_inner));
        if news.partitions.is_empty() {
            continue;
        }
        if connection.is_none() {
            connection = open(&settings, &target, &queue).await;
        }
        let sent = match &mut connection {
            Some(connection) => connection
                .batch_execute(&format!("NOTIFY {CHANNEL}, '{}'", payload(&news)))
                .await
                .is_ok(),
            None => false,
        };
        if sent {
            pause = RECONNECT_MIN;
            tokio::time::sleep(SPACING).await;
        } else {
            // Listeners look by themselves meanwhile, so the hint need not be kept.
            connection = None;
            queue.session.store(0, Ordering::SeqCst);
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(RECONNECT_MAX);
        }
    }
}

/// Opens the connection for hints, and notes which process serves it before one is sent.
async fn open(
    settings: &Settings,
    target: &Target,
    queue: &HintQueue,
) -> Option<AsyncPgConnection> {
    // Here alone, since its `load` hides that of atomics.
    use diesel_async::RunQueryDsl;

    let mut connection = postgres::connect(settings, target, Role::Hints)
        .await
        .ok()?;
    let session = select(sql::<Integer>("pg_backend_pid()"));
    let session = session.first::<i32>(&mut connection).await.ok()?;
    queue.session.store(session, Ordering::SeqCst);
    Some(connection)
}

/// The prefix of partitions where nothing was set off. A number may be written with it, so
/// that versions before it, which know numbers alone, read the same partitions.
const NOTHING_SET_OFF: char = '+';

/// More partitions than a payload should carry become "any".
fn payload(news: &HintNews) -> String {
    let mut payload = String::new();
    if !news.sets_off {
        payload.push(NOTHING_SET_OFF);
    }
    if news.partitions.len() <= 256 {
        let numbers = news.partitions.iter();
        let numbers: Vec<_> = numbers.map(|p| p.number().to_string()).collect();
        payload.push_str(&numbers.join(","));
    }
    payload
}

fn hint(payload: &str) -> Hint {
    let quiet = payload.strip_prefix(NOTHING_SET_OFF);
    let partitions = quiet
        .unwrap_or(payload)
        .split(',')
        .map(|number| number.parse().map(Partition::new));
    Hint {
        partitions: partitions.collect::<Result<_, _>>().unwrap_or_default(),
        sets_off: quiet.is_none(),
    }
}

async fn listen(
    settings: Settings,
    target: Target,
    own: Arc<HintQueue>,
    sender: mpsc::Sender<Hint>,
) {
    let mut pause = RECONNECT_MIN;
    while !sender.is_closed() {
        if let Ok(mut connection) = postgres::connect(&settings, &target, Role::Hints).await
            && connection
                .batch_execute(&format!("LISTEN {CHANNEL}"))
                .await
                .is_ok()
        {
            pause = RECONNECT_MIN;
            // Whatever was committed while nobody listened is hinted at now.
            let _ = sender.try_send(Hint {
                partitions: Vec::new(),
                sets_off: true,
            });
            let mut notifications = std::pin::pin!(connection.notifications_stream());
            loop {
                tokio::select! {
                    () = sender.closed() => return,
                    notification = notifications.next() => match notification {
                        Some(Ok(notification)) => {
                            if notification.process_id == own.session.load(Ordering::SeqCst) {
                                continue;
                            }
                            let _ = sender.try_send(hint(&notification.payload));
                        }
                        Some(Err(_)) | None => break,
                    },
                }
            }
        }
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = pause.saturating_mul(2).min(RECONNECT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_say_where_and_whether_something_was_set_off() {
        let many: Vec<i32> = (0..300).collect();
        for (partitions, sets_off, expected, heard) in [
            (&[2, 5][..], true, "2,5", &[2, 5][..]),
            (&[5, 2][..], false, "+2,5", &[2, 5][..]),
            (&[7][..], false, "+7", &[7][..]),
            (&many[..], true, "", &[][..]),
            (&many[..], false, "+", &[][..]),
        ] {
            let partitions = partitions.iter().copied().map(Partition::new).collect();
            let payload = payload(&HintNews {
                partitions,
                sets_off,
            });
            assert_eq!(payload, expected);
            let heard = heard.iter().copied().map(Partition::new).collect();
            let partitions = heard;
            let expected = Hint {
                partitions,
                sets_off,
            };
            assert_eq!(hint(&payload), expected, "{payload}");
        }
    }

    #[test]
    fn versions_that_know_numbers_alone_read_the_same_partitions() {
        // As they read them.
        let read = |payload: &str| -> Vec<i32> {
            let numbers = payload.split(',').map(str::parse);
            numbers.collect::<Result<_, _>>().unwrap_or_default()
        };
        assert_eq!(read("2,5"), [2, 5]);
        assert_eq!(read("+2,5"), [2, 5]);
        assert_eq!(read("+"), Vec::<i32>::new());
        // And what they send is as if something had been set off.
        assert!(hint("2,5").sets_off && hint("").sets_off);
    }
}
