//! The dispatcher: carries what steps set off to its targets, and lets time do what is due.
//!
//! The processes of a deployment share the partitions; of those that it carries, each looks for
//! what is due, makes so many attempts at once, and notes what came of them in batches. The
//! deliveries of one order to one target go in turn; one target that hangs holds up
//! nobody else.

mod breaker;
mod carrier;
mod content;
mod in_hand;
mod retention;
mod tenure;
mod timers;
mod trial;

use std::{
    collections::{BTreeSet, HashMap},
    fmt, future,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use waymark_domain::{
    delivery::{Delivery, DeliveryId},
    history::{Destination, LogPosition},
    order::{self, Order},
    value::EndpointCode,
};
use waymark_persistence::{Batched, DispatcherId, Error, Finished, NextStep, Store};

use self::{
    breaker::Breakers,
    carrier::{Carried, Endpoints, later, unattempted},
    content::Occasion,
    in_hand::{Ended, InHand, Load},
    tenure::Tenure,
};
pub(crate) use self::{
    carrier::{Carrier, CarrierError},
    trial::{Tested, test},
};
use crate::{App, error::chain, settings::DispatchSettings, tracking};

/// How many deliveries are looked for in one lane and partition at once.
const LOOK_MAX: usize = 256;
/// How many entries of an order are read at once to see it as it was.
const REPLAY_CHUNK: usize = 1_000;
/// How long attempts that are being made may take to end when the process stops.
const END_MAX: Duration = Duration::from_secs(2);
/// How old what is known of endpoints may be when something is sent to one.
const ENDPOINTS_AGE_MAX: Duration = Duration::from_millis(100);
/// How long a mail waits whose link could not be made.
const LINK_WAIT: Duration = Duration::from_secs(5);
/// The shortest time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// How long attempts that have just begun have at least to end together.
const GATHERING_MIN: Duration = Duration::from_millis(3);

/// Says that there may be something to carry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    /// Wakes the dispatcher where something was set off.
    pub(crate) fn written(&self, written: &[Batched]) {
        let sets_off = |batched: &Batched| !batched.logged.entry.set_off.is_empty();
        if written.iter().any(sets_off) {
            self.now();
        }
    }

    /// Wakes the dispatcher: somebody decided something about deliveries or endpoints.
    pub(crate) fn now(&self) {
        self.0.notify_one();
    }
}

/// Carries deliveries until it is stopped.
pub(crate) struct Dispatcher {
    app: Arc<App>,
    store: Store,
    settings: DispatchSettings,
    carrier: Arc<Carrier>,
    tenure: Tenure,
    endpoints: Arc<Endpoints>,
    endpoints_read: Instant,
    in_hand: InHand,
    /// What came of attempts and has yet to be noted.
    unnoted: Vec<Finished>,
    /// Lanes that ask to be left alone, and until when.
    paused: HashMap<String, Instant>,
    breakers: Breakers,
    /// Lanes for which the settings name no server, once that was said.
    unserved: BTreeSet<String>,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

impl Dispatcher {
    pub(crate) fn new(app: Arc<App>, settings: DispatchSettings) -> Self {
        let store = app.store.clone();
        Self {
            tenure: Tenure::new(store.clone(), settings.lease),
            carrier: Arc::clone(&app.carrier),
            app,
            store,
            settings,
            endpoints: Arc::default(),
            endpoints_read: Instant::now(),
            in_hand: InHand::default(),
            unnoted: Vec::new(),
            paused: HashMap::new(),
            breakers: Breakers::default(),
            unserved: BTreeSet::new(),
        }
    }

    /// Runs until `stop` is cancelled, then lets the attempts that are being made end within two
    /// seconds.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut renew = interval(self.settings.lease / 3);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut poll = interval(self.settings.poll_interval);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (tell, owned) = watch::channel(BTreeSet::new());
        let retention = retention::run(
            self.store.clone(),
            self.tenure.me().clone(),
            self.settings.keep,
            owned.clone(),
        );
        let retention = tokio::spawn(retention);
        let timers = timers::run(Arc::clone(&self.app), self.settings.poll_interval, owned);
        let timers = tokio::spawn(timers);
        let mut failing = Failing::default();
        let wake = self.app.wake.clone();
        loop {
            let mut done = Vec::new();
            let resume = self.paused.values().min().copied();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = renew.tick() => {
                    let busy = self.in_hand.partitions();
                    failing.note("leases cannot be renewed", self.tenure.renew(&busy).await);
                    tell.send_replace(self.tenure.owned());
                }
                Some(ended) = self.in_hand.tasks.join_next_with_id() => done.push(ended),
                _ = poll.tick() => {
                    failing.note("endpoints cannot be read", self.read_endpoints().await);
                }
                () = wake.0.notified() => {}
                () = reached(resume) => {}
            }
            let began = Instant::now();
            while let Some(ended) = self.in_hand.tasks.try_join_next_with_id() {
                done.push(ended);
            }
            let gone = self.settle(done);
            let unnoted = std::mem::take(&mut self.unnoted);
            let note = note(self.store.clone(), self.tenure.me().clone(), &unnoted);
            // At once: what is being noted is in hand still, so no look finds it.
            let (noted, looked) = tokio::join!(note, self.look());
            failing.note("deliveries cannot be noted", self.noted(unnoted, noted));
            failing.note("deliveries cannot be looked for", looked);
            failing.note("endpoints cannot be switched off", self.disable(gone).await);
            // What ends meanwhile is noted together.
            let gathered = Instant::now() + GATHERING_MIN;
            sleep_until(gathered.max(began + LOOK_INTERVAL)).await;
        }
        timers.abort();
        retention.abort();
        self.end().await;
    }

    /// Notes what is done already, waits for what is under way, and gives the leases back.
    async fn end(mut self) {
        let mut done = Vec::new();
        let all_done = async {
            while let Some(ended) = self.in_hand.tasks.join_next_with_id().await {
                done.push(ended);
            }
        };
        // What hangs is repeated by the next who carries it, under the same id.
        let _ = timeout(END_MAX, all_done).await;
        self.in_hand.tasks.abort_all();
        let mut failing = Failing::default();
        self.settle(done);
        let noted = note(self.store.clone(), self.tenure.me().clone(), &self.unnoted);
        failing.note("deliveries cannot be noted", noted.await);
        failing.note("leases cannot be given back", self.tenure.end().await);
    }

    async fn read_endpoints(&mut self) -> Result<(), Error> {
        self.endpoints = Arc::new(carrier::endpoints(&self.store).await?);
        self.endpoints_read = Instant::now();
        Ok(())
    }

    /// Takes what came of attempts, to be noted. Gives the endpoints that are gone, with their URLs.
    fn settle(&mut self, done: Vec<Ended>) -> Vec<(EndpointCode, String)> {
        let mut gone = Vec::new();
        for ended in done {
            let Some(carried) = self.in_hand.settle(ended) else {
                continue;
            };
            let delivery = &carried.finished.delivery;
            let lane = delivery.to.lane();
            if let Some(attempt) = &carried.finished.attempt {
                self.breakers.count(&lane, attempt.outcome);
            }
            let probe = self.breakers.pause(&lane);
            if let Some(pause) = carried.pause.max(probe) {
                let until = Instant::now() + pause;
                let paused = self.paused.entry(lane).or_insert(until);
                *paused = until.max(*paused);
            }
            if let (Some(url), Destination::Endpoint(code)) = (carried.gone, &delivery.to) {
                gone.push((code.clone(), url));
            }
            self.unnoted.push(carried.finished);
        }
        gone
    }

    /// Lets go of what was noted. What could not be is kept, and is not tried again before it is: a
    /// database that takes no notes must not make targets hear the same again and again.
    fn noted(&mut self, batch: Vec<Finished>, outcome: Result<(), Error>) -> Result<(), Error> {
        if outcome.is_err() {
            self.unnoted = batch;
            return outcome;
        }
        for finished in batch {
            self.in_hand.end(&finished.delivery);
        }
        Ok(())
    }

    async fn disable(&mut self, gone: Vec<(EndpointCode, String)>) -> Result<(), Error> {
        let problem = "switched off, since it answered 410 Gone";
        for (code, url) in gone {
            if self.store.disable_endpoint(&code, &url, problem).await? {
                tracing::warn!(endpoint = %code, "{problem}");
            }
            self.read_endpoints().await?;
        }
        Ok(())
    }

    /// Looks for what is due, and begins attempts as far as there is room.
    async fn look(&mut self) -> Result<(), Error> {
        let owned = self.tenure.owned();
        let now = Instant::now();
        self.paused.retain(|_, until| *until > now);
        let most = self.settings.in_flight_max;
        // What is being noted leaves its place to others; what cannot be noted must not pile up.
        let unnoted_room = most
            .saturating_mul(2)
            .saturating_sub(self.in_hand.ids.len());
        let mut room = most
            .saturating_sub(self.in_hand.tasks.len())
            .min(unnoted_room);
        if owned.is_empty() || room == 0 {
            return Ok(());
        }
        let lanes = self.store.busy_lanes().await?;
        self.breakers.retain(&lanes);
        // What keeps a lane may have been lifted a moment ago.
        if self.endpoints_are_old() && lanes.iter().any(|lane| self.is_switched_off(lane)) {
            self.read_endpoints().await?;
        }
        for lane in lanes {
            if !self.carrier.serves(&lane) {
                if self.unserved.insert(lane.clone()) {
                    tracing::warn!(
                        delivery.lane = lane,
                        "deliveries wait: the settings name no server that takes them"
                    );
                }
                continue;
            }
            if !self.may_go(&lane) || room == 0 {
                continue;
            }
            let Load { known, tried } = self.in_hand.in_lane(&lane);
            let free = self.width(&lane).saturating_sub(tried).min(room);
            if free == 0 {
                continue;
            }
            let limit = i64::try_from((known + free).min(LOOK_MAX)).unwrap_or(i64::MAX);
            let mut due = self
                .store
                .due_deliveries(self.tenure.me(), &owned, &lane, limit)
                .await?;
            due.sort_by_key(|delivery| (delivery.due_time, delivery.id));
            due.retain(|delivery| !self.in_hand.ids.contains(&delivery.id));
            due.truncate(free);
            room -= due.len();
            self.begin(due).await?;
        }
        Ok(())
    }

    /// How many deliveries of a lane may be under way: half of what there is room for at most, so
    /// that one that hangs leaves the other half to the rest.
    fn width(&self, lane: &str) -> usize {
        if self.breakers.is_half_open(lane) {
            return 1;
        }
        self.settings.in_flight_max.div_ceil(2)
    }

    fn may_go(&self, lane: &str) -> bool {
        !self.paused.contains_key(lane) && !self.is_switched_off(lane)
    }

    fn is_switched_off(&self, lane: &str) -> bool {
        let code = lane.strip_prefix("webhook.");
        let endpoint = code.and_then(|code| self.endpoints.get(code));
        endpoint.is_some_and(|endpoint| !endpoint.active)
    }

    fn endpoints_are_old(&self) -> bool {
        self.endpoints_read.elapsed() > ENDPOINTS_AGE_MAX
    }

    async fn begin(&mut self, mut due: Vec<Delivery>) -> Result<(), Error> {
        let is_old = self.endpoints_are_old();
        let is_wanting = |delivery: &Delivery| match &delivery.to {
            Destination::Endpoint(code) => is_old || !self.endpoints.contains_key(code),
            Destination::Readers(_) | Destination::Subject => false,
        };
        if due.iter().any(is_wanting) {
            self.read_endpoints().await?;
            // One may have been switched off, or made so, since they were read last.
            due.retain(|delivery| !self.is_switched_off(&delivery.to.lane()));
        }
        let mut occasions = self.occasions(&due).await?;
        for delivery in due {
            if !self.in_hand.begin(&delivery) {
                continue;
            }
            let Some(occasion) = occasions.remove(&delivery.id) else {
                let problem = "its order or its entry is gone".to_owned();
                let carried = unattempted(delivery.clone(), NextStep::GiveUp { problem });
                self.in_hand.spawn(delivery, future::ready(carried));
                continue;
            };
            let (app, endpoints) = (Arc::clone(&self.app), Arc::clone(&self.endpoints));
            let attempt = carry(app, delivery.clone(), occasion, endpoints);
            self.in_hand.spawn(delivery, attempt);
        }
        Ok(())
    }

    /// Reads what deliveries are about.
    async fn occasions(&self, due: &[Delivery]) -> Result<HashMap<DeliveryId, Occasion>, Error> {
        if due.is_empty() {
            return Ok(HashMap::new());
        }
        let keys: Vec<_> = due
            .iter()
            .map(|delivery| (delivery.workflow.clone(), delivery.order_id.clone()))
            .collect();
        let found = self.store.find_orders(&keys).await?;
        let positions: Vec<LogPosition> = due.iter().map(|delivery| delivery.id.position).collect();
        let entries = self.store.history_at(&positions).await?.into_iter();
        let entries: HashMap<LogPosition, Batched> = entries
            .map(|batched| (batched.logged.position, batched))
            .collect();
        let mut occasions = HashMap::with_capacity(due.len());
        for (delivery, found) in due.iter().zip(found) {
            let (Some(stored), Some(published)) = (found.order, found.published) else {
                continue;
            };
            let Some(entry) = entries.get(&delivery.id.position) else {
                continue;
            };
            let Some(order) = self
                .as_it_was(stored.read()?, delivery.order_version)
                .await?
            else {
                continue;
            };
            let occasion = Occasion {
                entry: entry.clone(),
                order,
                published,
                feed_url: String::new(),
            };
            occasions.insert(delivery.id, occasion);
        }
        Ok(occasions)
    }

    /// The order as it was in a version, by its history where it has moved on.
    async fn as_it_was(&self, now: Order, version: i64) -> Result<Option<Order>, Error> {
        if now.version == version {
            return Ok(Some(now));
        }
        let mut entries = Vec::new();
        loop {
            let after = entries
                .last()
                .map_or(0, |batched: &Batched| batched.logged.entry.sequence);
            let read = self
                .store
                .order_history_after(&now.workflow, &now.id, after, REPLAY_CHUNK);
            let chunk = read.await?;
            let is_last = chunk.is_empty();
            entries.extend(chunk);
            let reached = entries
                .last()
                .is_some_and(|batched| batched.logged.entry.sequence >= version);
            if reached || is_last {
                break;
            }
        }
        let until = entries.iter().map(|batched| &batched.logged.entry);
        Ok(order::replay(
            until.take_while(|entry| entry.sequence <= version),
        ))
    }
}

/// Waits until an instant; for ever where there is none.
async fn reached(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => future::pending().await,
    }
}

/// Carries a delivery; a mail with the link that its order has for the customer.
async fn carry(
    app: Arc<App>,
    delivery: Delivery,
    mut occasion: Occasion,
    endpoints: Arc<Endpoints>,
) -> Carried {
    if matches!(delivery.to, Destination::Readers(_)) {
        match tracking::link(&app, &delivery.workflow, &delivery.order_id).await {
            Ok(url) => occasion.feed_url = url,
            Err(error) => {
                let problem = format!("no link could be made for the customer: {error}");
                let at = later(app.store.clock().now(), LINK_WAIT);
                return unattempted(delivery, NextStep::Retry { at, problem });
            }
        }
    }
    app.carrier.carry(delivery, occasion, endpoints).await
}

/// Notes what came of attempts.
async fn note(store: Store, me: DispatcherId, finished: &[Finished]) -> Result<(), Error> {
    if finished.is_empty() {
        return Ok(());
    }
    store.finish_deliveries(&me, finished).await
}

/// What fails is said once, until it works again.
#[derive(Default)]
struct Failing(BTreeSet<&'static str>);

impl Failing {
    fn note(&mut self, what: &'static str, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => {
                self.0.remove(what);
            }
            Err(error) if self.0.insert(what) => {
                tracing::warn!(error = chain(&error), "{what}; trying on");
            }
            Err(error) => tracing::debug!(error = chain(&error), "{what}"),
        }
    }
}
