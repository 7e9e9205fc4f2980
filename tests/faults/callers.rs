//! Callers that comment on orders. Each call has a request id, with which it comes again until it is acknowledged, as
//! the page of errors advises.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tonic::{Code, Status};
use waymark_proto::v1::AddCommentRequest;
use waymark_tests::{Clients, Refusal, Shop};

use crate::{
    pair::Row,
    stage::{PATIENCE, WORKFLOW},
};

const CALLERS: u32 = 16;

/// How many orders they share: `o0` and so on.
const ORDERS: usize = 24;

/// How long a caller waits before it comes again.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a comment is, so that a few hundred entries are more than a connection takes unread.
const COMMENT_CHARS: usize = 1_000;

/// Callers at work.
pub(crate) struct Callers {
    told: Arc<Told>,
    tasks: JoinSet<()>,
}

/// What they were told in the end.
pub(crate) struct Figures {
    /// The entry of each call that was acknowledged.
    pub(crate) acknowledged: BTreeSet<Row>,
    /// Tries of which nothing was written.
    pub(crate) unavailable: usize,
    /// Tries of which it was not known.
    pub(crate) unknown: usize,
}

struct Told {
    shop: Shop,
    /// A call needs one.
    turns: Arc<Semaphore>,
    next: AtomicUsize,
    acknowledged: Mutex<BTreeSet<Row>>,
    unavailable: AtomicUsize,
    unknown: AtomicUsize,
    is_over: AtomicBool,
}

impl Callers {
    /// Places the orders and starts the callers.
    pub(crate) async fn start(clients: &Clients) -> Self {
        let shop = Shop::new(clients.clone(), WORKFLOW);
        for number in 0..ORDERS {
            shop.place(&order(number), &[("1", "1")]).await;
        }
        let told = Arc::new(Told {
            shop,
            turns: Arc::new(Semaphore::new(usize::try_from(CALLERS).unwrap())),
            next: AtomicUsize::new(1),
            acknowledged: Mutex::default(),
            unavailable: AtomicUsize::new(0),
            unknown: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..CALLERS {
            tasks.spawn(keep_calling(Arc::clone(&told)));
        }
        Self { told, tasks }
    }

    /// The call that has a request id.
    pub(crate) fn request(&self, request_id: &str) -> AddCommentRequest {
        let number = request_id.strip_prefix("call-").unwrap();
        request(&self.told.shop, number.parse().unwrap())
    }

    /// What was acknowledged so far.
    pub(crate) fn acknowledged(&self) -> BTreeSet<Row> {
        self.told.acknowledged.lock().unwrap().clone()
    }

    /// Waits until so many more calls were acknowledged.
    pub(crate) async fn until_more(&self, count: usize) {
        let goal = self.told.acknowledged() + count;
        let deadline = Instant::now() + PATIENCE * 5;
        while self.told.acknowledged() < goal {
            assert!(
                Instant::now() < deadline,
                "{} of {goal} calls were acknowledged",
                self.told.acknowledged()
            );
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until no call is under way; none is made before what is returned is dropped.
    pub(crate) async fn hold(&self) -> OwnedSemaphorePermit {
        let all = Arc::clone(&self.told.turns).acquire_many_owned(CALLERS);
        timeout(PATIENCE, all).await.unwrap().unwrap()
    }

    /// Ends the load, each caller once its call is acknowledged.
    pub(crate) async fn finish(mut self) -> Figures {
        self.told.is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = timeout(PATIENCE, self.tasks.join_next()).await.unwrap() {
            ended.unwrap();
        }
        Figures {
            acknowledged: self.acknowledged(),
            unavailable: self.told.unavailable.load(Ordering::SeqCst),
            unknown: self.told.unknown.load(Ordering::SeqCst),
        }
    }
}

impl Told {
    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Makes a call when it has a turn; says whether it was acknowledged.
    async fn call(&self, request: AddCommentRequest) -> bool {
        let _turn = self.turns.acquire().await.unwrap();
        match self.shop.orders().add_comment(request).await {
            Ok(answer) => {
                let row = Row::from(answer.get_ref().entries.first().unwrap());
                self.acknowledged.lock().unwrap().insert(row);
                true
            }
            Err(status) => {
                self.note(&status);
                false
            }
        }
    }

    /// Notes an error, which must be one of those with which a call may come again.
    fn note(&self, status: &Status) {
        let refusal = Refusal::of(status);
        let count = match refusal.code {
            Code::Unavailable | Code::ResourceExhausted => &self.unavailable,
            Code::Unknown => &self.unknown,
            _ => panic!("{refusal:?}"),
        };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

async fn keep_calling(told: Arc<Told>) {
    while !told.is_over.load(Ordering::SeqCst) {
        let request = request(&told.shop, told.next.fetch_add(1, Ordering::SeqCst));
        while !told.call(request.clone()).await {
            sleep(PAUSE).await;
        }
    }
}

/// The call of a number, which is the same whenever it is made.
fn request(shop: &Shop, number: usize) -> AddCommentRequest {
    let comment = format!("call {number} {}", "x".repeat(COMMENT_CHARS));
    AddCommentRequest {
        request_id: format!("call-{number}"),
        ..shop.remark(&order(number % ORDERS), &comment)
    }
}

fn order(number: usize) -> String {
    format!("o{number}")
}
