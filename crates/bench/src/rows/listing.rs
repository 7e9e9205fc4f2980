//! Lists of a large shop, asked for by one client one after the other: the few
//! orders of a rare status, and the newest of all. What they take is held against
//! a read of one order.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use waymark_proto::v1::{ListOrdersRequest, OrderFilter};

use crate::{
    failure::Failure,
    listed, output,
    place::{Backend, Contents, Server, Site},
    report::{Figure, Rounds, Target},
    shop,
    tally::{Window, latencies},
    wire::{Call, Connections, Listed, ListedOrder, Method},
};

/// The number of the newest orders that are asked for.
const NEWEST: usize = 50;
const PAGE: i32 = 50;
/// The most calls for one answer. After so many it is left as it is, which is reported.
const CALLS_MAX: u32 = 1_000;
const RARE_RATIO_MAX: f64 = 5.0;
const NEWEST_RATIO_MAX: f64 = 8.0;

/// The orders that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// All of the rare status.
    Rare,
    /// The newest of all.
    Newest,
}

/// A list that is asked for.
#[derive(Debug, Clone, Copy)]
struct Question {
    /// The end of the row's name.
    part: &'static str,
    wanted: Wanted,
    order_by: &'static str,
    ratio_max: f64,
}

const QUESTIONS: [Question; 3] = [
    Question {
        part: "",
        wanted: Wanted::Rare,
        order_by: "",
        ratio_max: RARE_RATIO_MAX,
    },
    Question {
        part: "/by-create-time",
        wanted: Wanted::Rare,
        order_by: "create_time",
        ratio_max: RARE_RATIO_MAX,
    },
    Question {
        part: "/newest",
        wanted: Wanted::Newest,
        order_by: "update_time desc",
        ratio_max: NEWEST_RATIO_MAX,
    },
];

/// The contents of a shop that is listed.
pub(super) fn listed_contents(site: &Site) -> Contents {
    Contents::Listed {
        orders: site.pace.listed_orders,
        small: site.pace.small_orders,
    }
}

/// Reads of single orders, then each of the lists, in every round.
pub(super) async fn asked(
    name: &str,
    site: &Site,
    backend: Backend,
) -> Result<Vec<Figure>, Failure> {
    let contents = listed_contents(site);
    // Not copied: nothing here changes an order.
    let database = site.kept(backend, contents).await?;
    site.warm(&database).await?;
    let server = site.serve(&database).await?;
    let mut client = Client::open(&server, contents.orders()).await?;
    let mut reads = Rounds::default();
    let mut lists = QUESTIONS.map(|_| Measured::default());
    for _ in 0..site.pace.rounds {
        site.settle().await?;
        let read = client.reads(site.pace.round).await?;
        reads.alone(read.ms(0.99));
        for (question, measured) in QUESTIONS.iter().zip(&mut lists) {
            let answers = client.lists(question, site.pace.round).await?;
            measured.add(&read, &answers);
        }
    }
    drop(client);
    server.stop().await?;
    let mut figures = Vec::new();
    for (question, measured) in QUESTIONS.iter().zip(&lists) {
        figures.extend(measured.figures(&format!("{name}{}", question.part), question));
    }
    figures.push(reads.figure(&format!("{name}/get/p99"), "ms", None));
    Ok(figures)
}

/// One client with one connection, which waits for each answer.
struct Client {
    connections: Connections,
    get: Call,
    random: fastrand::Rng,
    orders: usize,
    rare: BTreeSet<String>,
}

/// A list, however many calls it took.
#[derive(Debug, Default)]
struct Answer {
    orders: Vec<ListedOrder>,
    calls: u32,
    is_whole: bool,
}

/// The latencies of one round's answers.
struct Answers {
    latency_us: Histogram<u64>,
    /// The most calls that one took.
    calls: u32,
    /// The number of orders in an answer that was left.
    left_with: Option<usize>,
}

impl Client {
    async fn open(server: &Server, orders: usize) -> Result<Self, Failure> {
        Ok(Self {
            connections: Connections::open(&[server.address()]).await?,
            get: Method::GET_ORDER.call()?,
            random: fastrand::Rng::new(),
            orders,
            rare: listed::rare(orders).collect(),
        })
    }

    /// Reads orders for a while.
    async fn reads(&mut self, length: Duration) -> Result<Answers, Failure> {
        let window = Window::after_warm_up(length);
        let mut answers = Answers::new()?;
        while answers.are_wanted(window) {
            let request = shop::get(shop::order_id(self.random.usize(0..self.orders)));
            let begun = Instant::now();
            self.get
                .send_and_drain(self.connections.sender()?, request)
                .await?;
            answers.count(window, begun);
        }
        Ok(answers)
    }

    /// Requests a list for a while, at least once.
    async fn lists(&self, question: &Question, length: Duration) -> Result<Answers, Failure> {
        let window = Window::after_warm_up(length);
        let mut answers = Answers::new()?;
        while answers.are_wanted(window) {
            let begun = Instant::now();
            let answer = self.list(question).await?;
            answers.count(window, begun);
            answers.calls = answers.calls.max(answer.calls);
            if answer.is_whole {
                answer.check(question.wanted, &self.rare)?;
            } else {
                answers.left_with = Some(answer.orders.len());
            }
        }
        Ok(answers)
    }

    /// Requests the pages of a list until all that is wanted is there.
    async fn list(&self, question: &Question) -> Result<Answer, Failure> {
        let mut request = question.request();
        let mut answer = Answer::default();
        while !answer.is_whole && answer.calls < CALLS_MAX {
            let page: Listed = self.connections.ask(Method::LIST_ORDERS, &request).await?;
            answer.calls += 1;
            answer.orders.extend(page.orders);
            answer.is_whole = page.next_page_token.is_empty()
                || (question.wanted == Wanted::Newest && answer.orders.len() >= NEWEST);
            request.page_token = page.next_page_token;
        }
        Ok(answer)
    }
}

impl Question {
    fn request(&self) -> ListOrdersRequest {
        let filter = match self.wanted {
            Wanted::Rare => Some(OrderFilter {
                statuses: vec![listed::STATUS.to_owned()],
                ..OrderFilter::default()
            }),
            Wanted::Newest => None,
        };
        ListOrdersRequest {
            filter,
            order_by: self.order_by.to_owned(),
            page_size: PAGE,
            ..ListOrdersRequest::default()
        }
    }
}

impl Answer {
    /// Fails for a whole list that is not what was wanted.
    fn check(&self, wanted: Wanted, rare: &BTreeSet<String>) -> Result<(), Failure> {
        let found = self.orders.len();
        let ids = self.orders.iter().map(|order| order.id.as_str());
        let ids = ids.collect::<BTreeSet<_>>();
        let (wanted, is_right) = match wanted {
            Wanted::Rare => (
                rare.len(),
                found == rare.len() && ids.iter().all(|id| rare.contains(*id)),
            ),
            Wanted::Newest => {
                let times = self.orders.iter().map(|order| order.update_time);
                let times = times.map(|time| time.map(|time| (time.seconds, time.nanos)));
                let is_sorted = times.is_sorted_by(|before, after| before >= after);
                (NEWEST, found >= NEWEST && is_sorted)
            }
        };
        if is_right && ids.len() == found {
            return Ok(());
        }
        Err(Failure::WrongList { wanted, found })
    }
}

impl Answers {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            latency_us: latencies()?,
            calls: 0,
            left_with: None,
        })
    }

    /// Whether to go on: to the end of the window, and until there is one.
    fn are_wanted(&self, window: Window) -> bool {
        self.latency_us.is_empty() || !window.is_over()
    }

    /// Counts one that began at `begun` and ended now, unless that was the warm-up. One that takes longer than the
    /// window counts all the same.
    fn count(&mut self, window: Window, begun: Instant) {
        let now = Instant::now();
        if now < window.begin {
            return;
        }
        let micros = now.saturating_duration_since(begun).as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.latency_us.saturating_record(micros);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a latency is known to three digits"
    )]
    fn ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

/// The results of all rounds of one list.
#[derive(Debug, Default)]
struct Measured {
    medians: Rounds,
    p99: Rounds,
    calls: Rounds,
    left_with: Option<usize>,
}

impl Measured {
    fn add(&mut self, read: &Answers, answers: &Answers) {
        self.medians.pair(read.ms(0.5), answers.ms(0.5));
        self.p99.alone(answers.ms(0.99));
        self.calls.alone(f64::from(answers.calls));
        self.left_with = self.left_with.or(answers.left_with);
    }

    fn figures(&self, name: &str, question: &Question) -> [Figure; 3] {
        if let Some(orders) = self.left_with {
            output::print_error(&format!(
                "{name}: a list was left after {CALLS_MAX} calls, with {orders} orders; whole, it takes longer than reported"
            ));
        }
        let ratio = Target::RatioAtMost(question.ratio_max);
        let one_call = Target::Exactly(1.0);
        [
            self.medians.figure(name, "ms", Some(ratio)),
            self.p99.figure(&format!("{name}/p99"), "ms", None),
            self.calls
                .figure(&format!("{name}/calls"), "calls", Some(one_call)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(orders: &[(String, i64)]) -> Answer {
        let orders = orders.iter().map(|(id, seconds)| ListedOrder {
            id: id.clone(),
            update_time: Some(prost_types::Timestamp {
                seconds: *seconds,
                nanos: 0,
            }),
        });
        Answer {
            orders: orders.collect(),
            calls: 1,
            is_whole: true,
        }
    }

    #[test]
    fn the_rare_orders_are_all_of_them_and_no_others() {
        let rare = BTreeSet::from(["a", "b"].map(str::to_owned));
        let is_right = |ids: &[&str]| {
            let orders = ids.iter().map(|id| ((*id).to_owned(), 0));
            let answer = answer(&orders.collect::<Vec<_>>());
            answer.check(Wanted::Rare, &rare).is_ok()
        };
        assert!(is_right(&["b", "a"]));
        for wrong in [&["a"][..], &["a", "a"], &["a", "c"], &["a", "b", "c"]] {
            assert!(!is_right(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn the_newest_orders_are_enough_and_sorted() {
        let rare = BTreeSet::new();
        let is_right = |seconds: &[i64]| {
            let orders = seconds.iter().zip(0..);
            let orders = orders.map(|(seconds, number)| (shop::order_id(number), *seconds));
            let answer = answer(&orders.collect::<Vec<_>>());
            answer.check(Wanted::Newest, &rare).is_ok()
        };
        let mut seconds = (0..50).rev().collect::<Vec<_>>();
        assert!(is_right(&seconds));
        assert!(!is_right(&seconds[1..]));
        seconds.swap(3, 4);
        assert!(!is_right(&seconds));
        assert!(is_right(&[7; 50]));
    }
}
