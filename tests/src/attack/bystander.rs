//! Everybody else: callers with orders and a workflow of their own, who only want to get on, and how long they wait.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{Clients, Server, Shop, binary, load::Dice, world};

/// How long a caller rests between two calls; so many callers are a busy shop and no overload.
const REST: Duration = Duration::from_millis(150);
/// When a caller gives a call up.
const GIVEN_UP: Duration = Duration::from_secs(30);

/// A call of somebody else.
#[derive(Debug, Clone, Copy)]
struct Call {
    began: Instant,
    took: Duration,
    failed: bool,
}

/// Callers at work until dropped.
#[derive(Debug)]
pub struct Bystanders {
    calls: Arc<Mutex<Vec<Call>>>,
    _tasks: JoinSet<()>,
}

/// What others noticed of a stretch of time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Noticed {
    /// How many calls began in it.
    pub calls: usize,
    /// How many of them failed.
    pub failed: usize,
    /// Of ten calls, five took at most that long.
    pub median: Duration,
    /// Of a hundred calls, 99 took at most that long.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Bystanders {
    /// Lets so many callers work on a server, in a workflow of theirs: half of what they do is reading.
    pub async fn at_work(server: &Server, callers: usize) -> Self {
        let clients = server.clients();
        let shop = world::apply(&clients, "calm", &binary::preset("magento")).await;
        let calls = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            let id = format!("calm-{caller}");
            shop.place(&id, &[("1", "2")]).await;
            // Eight share a connection, as the processes of a shop do.
            let clients = if caller % 8 == 0 {
                server.clients()
            } else {
                clients.clone()
            };
            tasks.spawn(work(shop.over(clients), id, Arc::clone(&calls)));
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
            median: at(500),
            p99: at(990),
            longest: took.last().copied().unwrap_or_default(),
        }
    }
}

async fn work(shop: Shop, id: String, calls: Arc<Mutex<Vec<Call>>>) {
    let mut dice = Dice::new(id.bytes().map(u64::from).sum());
    loop {
        // Not in step with each other.
        sleep(REST.mul_f64(0.5 + f64::from(u32::try_from(dice.below(100)).unwrap_or(0)) / 100.0))
            .await;
        let began = Instant::now();
        let done = if dice.chance(50) {
            timeout(GIVEN_UP, shop.find(&id))
                .await
                .map(|found| found.is_ok())
        } else {
            timeout(GIVEN_UP, shop.comment(&id, "going on", ""))
                .await
                .map(|done| done.is_ok())
        };
        let call = Call {
            began,
            took: began.elapsed(),
            failed: !done.unwrap_or(false),
        };
        calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(call);
    }
}

/// Whether a server answers a stranger on a new connection.
pub async fn answers(clients: &Clients) -> bool {
    let call = clients
        .health()
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await;
    call.is_ok()
}
