//! Everybody else: callers with orders and a workflow of their own, who only want to get on, and how long they wait.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::journal::Journal;
use crate::{Server, Shop, binary, load::Dice, shop::Answer, world};

/// The longest that anybody may be held up by an input of somebody else.
pub const HELD_UP_MAX: Duration = Duration::from_millis(250);

/// How long a caller rests between two calls; so many callers are a busy shop and no overload.
const REST: Duration = Duration::from_millis(150);
/// When a caller gives a call up.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// How many callers share a connection, as the processes of a shop do.
const ON_A_CONNECTION: usize = 8;
/// How many calls that were held up or failed are kept with what was under way beside them.
const COMPLAINTS_MAX: usize = 200;

/// A call of somebody else.
#[derive(Debug, Clone, Copy)]
struct Call {
    began: Instant,
    took: Duration,
    failed: bool,
}

/// A call that took longer than [`HELD_UP_MAX`], or failed.
#[derive(Debug, Clone)]
pub struct Complaint {
    /// When it began.
    pub began: Instant,
    /// How long it took.
    pub took: Duration,
    /// With what it failed; empty = it did not.
    pub failure: String,
    /// The inputs of attackers that were under way meanwhile.
    pub beside: Vec<String>,
}

#[derive(Debug, Default)]
struct Calls {
    all: Vec<Call>,
    complaints: Vec<Complaint>,
}

/// Callers at work until dropped.
#[derive(Debug)]
pub struct Bystanders {
    calls: Arc<Mutex<Calls>>,
    _tasks: JoinSet<()>,
}

/// What others noticed of a span of time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Noticed {
    /// How many calls began in it.
    pub calls: usize,
    /// How many of them failed.
    pub failed: usize,
    /// How many of them took longer than [`HELD_UP_MAX`].
    pub held_up: usize,
    /// Of ten calls, five took at most that long.
    pub median: Duration,
    /// Of a hundred calls, 99 took at most that long.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Bystanders {
    /// Lets so many callers work on a server, in a workflow of theirs: half of what they do is reading.
    /// What attackers send meanwhile is read from a journal.
    pub async fn at_work(server: &Server, callers: usize, journal: &Journal) -> Self {
        let mut clients = server.clients();
        let shop = world::apply(&clients, "calm", &binary::preset("magento")).await;
        let calls = Arc::<Mutex<Calls>>::default();
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            let id = format!("calm-{caller}");
            shop.place(&id, &[("1", "2")]).await;
            if caller % ON_A_CONNECTION == 0 {
                clients = server.clients();
            }
            let shop = shop.over(clients.clone());
            tasks.spawn(work(shop, id, Arc::clone(&calls), journal.clone()));
        }
        Self {
            calls,
            _tasks: tasks,
        }
    }

    /// What they noticed of calls that began between two instants, and have ended or been given up.
    pub fn noticed(&self, since: Instant, until: Instant) -> Noticed {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let within = calls
            .all
            .iter()
            .filter(|call| call.began >= since && call.began < until);
        let mut took: Vec<Duration> = within.clone().map(|call| call.took).collect();
        took.sort_unstable();
        let at = |per_mille: usize| {
            took.get(took.len() * per_mille / 1_000)
                .copied()
                .unwrap_or_default()
        };
        Noticed {
            calls: took.len(),
            failed: within.filter(|call| call.failed).count(),
            held_up: took.iter().filter(|took| **took > HELD_UP_MAX).count(),
            median: at(500),
            p99: at(990),
            longest: took.last().copied().unwrap_or_default(),
        }
    }

    /// The calls that were held up or failed, as many as are kept, the longest first.
    pub fn complaints(&self) -> Vec<Complaint> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut complaints = calls.complaints.clone();
        complaints.sort_by_key(|complaint| std::cmp::Reverse(complaint.took));
        complaints
    }
}

async fn work(shop: Shop, id: String, calls: Arc<Mutex<Calls>>, journal: Journal) {
    let mut dice = Dice::new(id.bytes().map(u64::from).sum());
    loop {
        // Not in step with each other.
        sleep(REST.mul_f64(0.5 + f64::from(u32::try_from(dice.below(100)).unwrap_or(0)) / 100.0))
            .await;
        let began = Instant::now();
        let reads = dice.chance(50);
        let done = timeout(GIVEN_UP, one(&shop, &id, reads)).await;
        let took = began.elapsed();
        let failure = match done {
            Ok(Ok(())) => String::new(),
            Ok(Err(status)) => format!("{:?} {}", status.code(), status.message()),
            Err(_) => "no answer".to_owned(),
        };
        let failed = !failure.is_empty();
        let complaint = (failed || took > HELD_UP_MAX).then(|| Complaint {
            began,
            took,
            failure,
            beside: journal.between(began, began + took),
        });
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.all.push(Call {
            began,
            took,
            failed,
        });
        if calls.complaints.len() < COMPLAINTS_MAX {
            calls.complaints.extend(complaint);
        }
    }
}

/// One call of a caller with its order.
async fn one(shop: &Shop, id: &str, reads: bool) -> Answer<()> {
    if reads {
        shop.find(id).await.map(drop)
    } else {
        shop.comment(id, "going on", "").await.map(drop)
    }
}
