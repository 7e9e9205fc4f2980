//! The dispatcher: carries what steps set off to its targets, and lets time do what is due.
//!
//! The processes of a deployment share the partitions; of those that it carries, each looks for
//! what is due, makes so many attempts at once, and notes what came of them in batches. The
//! deliveries of one order to one target go in turn; targets that hang hold up nobody else.

mod breaker;
mod carrier;
mod changes;
mod clocks;
mod content;
mod dead;
mod failing;
mod in_hand;
mod lanes;
mod occasions;
mod retention;
mod rounds;
#[cfg(test)]
mod sample;
mod suspects;
mod tenure;
mod timers;
mod trial;
mod unsent;
mod wake;

use std::{
    collections::{BTreeSet, HashMap},
    fmt, future,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use waymark_domain::{
    delivery::{Delivery, DeliveryId, Outcome},
    history::{Destination, Readers},
    partition::Partition,
    value::EndpointCode,
};
use waymark_persistence::{Clock, Error, Finished, NextStep, Round, Store};

use self::{
    breaker::Breakers,
    carrier::{Carried, Endpoints, later, unattempted},
    content::Occasion,
    failing::Failing,
    in_hand::{Ended, InHand},
    lanes::{Answer, LATE, Lanes},
    occasions::{Occasions, unread},
    rounds::Rounds,
    suspects::Suspects,
    tenure::Tenure,
};
pub(crate) use self::{
    carrier::{Carrier, CarrierError, template_for},
    trial::{Tested, TrialLimit, Trials, test},
    unsent::{before_off, switched_off, way},
    wake::Wake,
};
use crate::{App, settings::DispatchSettings, tracking};

/// How the lanes of endpoints begin, before their codes.
const WEBHOOKS: &str = "webhook.";
/// How long attempts that are being made may take to end when the process stops.
const END_MAX: Duration = Duration::from_secs(2);
/// How old what is known of endpoints may be when something is sent to one.
const ENDPOINTS_AGE_MAX: Duration = Duration::from_millis(100);
/// How long a mail waits whose link could not be made.
const LINK_WAIT: Duration = Duration::from_secs(5);
/// How long a delivery waits whose attempt was broken off to make room for others.
const GIVEN_WAY_WAIT: Duration = Duration::from_secs(30);
/// When to look again where there was no room for all that was due.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The shortest time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// How long attempts that have just begun have at least to end together.
const GATHERING_MIN: Duration = Duration::from_millis(3);

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
    lanes: Lanes,
    /// The partitions of which it is known what is in doubt.
    taken_up: BTreeSet<Partition>,
    suspects: Suspects,
    /// What need not be in doubt any more, which has yet to be noted.
    survivors: BTreeSet<DeliveryId>,
    /// Whether the row of this process names deliveries as under way.
    is_marked: bool,
    /// Whether this process had a row when that was last asked.
    has_row: bool,
    /// When to look again, though nothing happens.
    look_again: Option<Instant>,
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
            lanes: Lanes::new(settings.in_flight_max),
            settings,
            endpoints: Arc::default(),
            endpoints_read: Instant::now(),
            in_hand: InHand::default(),
            unnoted: Vec::new(),
            paused: HashMap::new(),
            breakers: Breakers::default(),
            taken_up: BTreeSet::new(),
            suspects: Suspects::default(),
            survivors: BTreeSet::new(),
            is_marked: false,
            has_row: true,
            look_again: None,
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
            self.store.for_bulk(),
            self.tenure.me().clone(),
            self.settings.keep,
            owned.clone(),
        );
        let retention = tokio::spawn(retention);
        let (app, me) = (&self.app, self.tenure.me());
        let rounds = || Rounds::new(self.settings.poll_interval, owned.clone());
        let clocks = clocks::run(Arc::clone(app), me.clone(), rounds());
        let clocks = tokio::spawn(clocks);
        let timers = timers::run(Arc::clone(app), me.clone(), rounds());
        let timers = tokio::spawn(timers);
        let changes = changes::run(Arc::clone(app), me.clone(), rounds());
        let changes = tokio::spawn(changes);
        let mut failing = Failing::default();
        let wake = self.app.wake.clone();
        let mut timeline = self.store.timeline();
        loop {
            let mut done = Vec::new();
            let resume = self.paused.values().chain(&self.look_again).min().copied();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Ok(()) = timeline.changed() => self.forget(),
                _ = renew.tick() => {
                    failing.note("leases cannot be renewed", self.renew().await);
                    tell.send_replace(self.tenure.owned());
                }
                Some(ended) = self.in_hand.tasks.join_next_with_id() => done.push(ended),
                _ = poll.tick() => {
                    failing.note("endpoints cannot be read", self.read_endpoints().await);
                }
                () = wake.woken() => {}
                () = reached(resume) => {}
            }
            let began = Instant::now();
            while let Some(ended) = self.in_hand.tasks.try_join_next_with_id() {
                done.push(ended);
            }
            let gone = self.settle(done);
            let looked = self.look().await;
            let (due, looked) = match looked {
                Ok(due) => (due, Ok(())),
                Err(error) => (Vec::new(), Err(error)),
            };
            failing.note("deliveries cannot be looked for", looked);
            failing.note("deliveries cannot be noted", self.carry_on(due).await);
            failing.note("endpoints cannot be switched off", self.disable(gone).await);
            // What ends meanwhile is noted together.
            let gathered = Instant::now() + GATHERING_MIN;
            sleep_until(gathered.max(began + LOOK_INTERVAL)).await;
        }
        changes.abort();
        timers.abort();
        clocks.abort();
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
        failing.note(
            "deliveries cannot be noted",
            self.carry_on(Vec::new()).await,
        );
        failing.note("leases cannot be given back", self.tenure.end().await);
    }

    /// Renews the leases, and finds out what is in doubt in partitions that are new.
    async fn renew(&mut self) -> Result<(), Error> {
        let renewed = self.tenure.renew(&self.in_hand.partitions()).await;
        let owned = self.tenure.owned();
        self.suspects.retain(&owned);
        self.taken_up.retain(|partition| owned.contains(partition));
        let new: BTreeSet<_> = owned.difference(&self.taken_up).copied().collect();
        if !new.is_empty() {
            let lost = self.store.lost_deliveries(&new).await?;
            let (dead, done) = self.suspects.take_up(lost);
            self.survivors.extend(done);
            for delivery in dead {
                let problem = Suspects::problem();
                if self.in_hand.take(&delivery) {
                    self.unnoted.push(Finished {
                        delivery,
                        attempt: None,
                        next: NextStep::GiveUp { problem },
                    });
                }
            }
            self.taken_up.extend(new);
        }
        renewed
    }

    /// Lets go of all that is in hand: it was found in a database that went on otherwise since, where
    /// other deliveries may have the same ids. What is still due is found due again.
    fn forget(&mut self) {
        self.in_hand = InHand::default();
        self.unnoted.clear();
        self.taken_up.clear();
        self.suspects = Suspects::default();
        self.survivors.clear();
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
            let now = self.store.clock().now();
            let Some((carried, took)) = self.in_hand.settle(ended, now) else {
                continue;
            };
            let delivery = &carried.finished.delivery;
            let lane = delivery.lane.clone();
            self.suspects.ended(delivery.id);
            if let Some(answer) = answer(&carried, took) {
                self.lanes.ended(&lane, answer);
            }
            // What is said of one address says nothing about the server.
            if let Some(attempt) = &carried.finished.attempt
                && !carried.addressee_refused
            {
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

    /// Looks for what is due, as far as there is room for it.
    async fn look(&mut self) -> Result<Vec<Delivery>, Error> {
        self.look_again = None;
        let owned = self.tenure.owned();
        let owned: BTreeSet<_> = owned.intersection(&self.taken_up).copied().collect();
        let now = Instant::now();
        self.paused.retain(|_, until| *until > now);
        // What is being noted leaves its place to others; what cannot be noted must not pile up.
        let known = self.in_hand.ids.len();
        let unnoted = known.saturating_sub(self.in_hand.tasks.len());
        // What is tested counts too; what is due always has room.
        let most = self.settings.in_flight_max;
        let most = most.saturating_sub(self.app.trials.under_way()).max(1);
        let room = most.saturating_mul(2).saturating_sub(unnoted);
        if owned.is_empty() || room == 0 {
            return Ok(Vec::new());
        }
        let mut lanes = self.store.busy_lanes().await?;
        self.breakers.retain(&lanes);
        self.lanes.retain(&lanes);
        // What keeps a lane may have been lifted a moment ago.
        if lanes.iter().any(|lane| self.is_closed(lane)) {
            if self.endpoints_are_old() {
                self.read_endpoints().await?;
            } else if lanes.iter().any(|lane| self.is_missing(lane)) {
                // It may have been created, and wanted, since the endpoints were read.
                self.look_again = Some(self.endpoints_read + ENDPOINTS_AGE_MAX);
            }
        }
        lanes.retain(|lane| self.is_served(lane) && self.may_go(lane));
        let loads = self.in_hand.loads();
        let is_probed = |lane: &str| self.breakers.is_half_open(lane);
        let mut plan = self.lanes.plan(&lanes, &loads, room, is_probed);
        self.in_hand.make_room(plan.giving_way);
        for (lane, count) in self.suspects.counts() {
            if let Some(limit) = plan.limits.get_mut(lane) {
                *limit = limit.saturating_add(count);
            }
        }
        let mut due = Vec::new();
        if !plan.limits.is_empty() {
            let limits = plan.limits.clone();
            let found = self.store.due_in_lanes(self.tenure.me(), &owned, limits);
            due = found.await?;
        }
        due.sort_by_key(|delivery| (delivery.due_time, delivery.id));
        due.retain(|delivery| !self.in_hand.ids.contains(&delivery.id));
        let found = due.len();
        due.retain(|delivery| self.suspects.admits(delivery.id));
        plan.is_cut |= due.len() < found;
        let due = self.lanes.choose(&mut plan, due, &loads);
        if plan.is_cut {
            self.look_again = Some(Instant::now() + LOOK_AGAIN);
        }
        let due = self.keep_known_endpoints(due).await;
        // Also where the endpoints cannot be read: one that is not begun must not keep its turn.
        let begun = due.as_deref().unwrap_or_default();
        self.suspects
            .keep(|id| begun.iter().any(|delivery| delivery.id == id));
        due
    }

    /// Whether the settings name what takes deliveries of a lane; once it is said where they do not.
    fn is_served(&mut self, lane: &str) -> bool {
        let problem = self.carrier.problem(lane);
        if let Some(problem) = problem
            && self.unserved.insert(lane.to_owned())
        {
            tracing::warn!(delivery.lane = lane, "deliveries wait: {problem}");
        }
        problem.is_none()
    }

    fn may_go(&self, lane: &str) -> bool {
        !self.paused.contains_key(lane) && !self.is_closed(lane)
    }

    /// Whether nothing goes to the endpoint of a lane now: it is switched off, or there is none.
    fn is_closed(&self, lane: &str) -> bool {
        let code = lane.strip_prefix(WEBHOOKS);
        let endpoint = code.map(|code| self.endpoints.get(code));
        endpoint.is_some_and(|endpoint| endpoint.is_none_or(|endpoint| !endpoint.active))
    }

    fn is_missing(&self, lane: &str) -> bool {
        let code = lane.strip_prefix(WEBHOOKS);
        code.is_some_and(|code| !self.endpoints.contains_key(code))
    }

    fn endpoints_are_old(&self) -> bool {
        self.endpoints_read.elapsed() > ENDPOINTS_AGE_MAX
    }

    /// Reads the endpoints anew where one is wanted that may have changed.
    async fn keep_known_endpoints(
        &mut self,
        mut due: Vec<Delivery>,
    ) -> Result<Vec<Delivery>, Error> {
        let is_wanting = |delivery: &Delivery| match &delivery.to {
            Destination::Endpoint(_) => true,
            Destination::Readers(_) | Destination::Subject => false,
        };
        if self.endpoints_are_old() && due.iter().any(is_wanting) {
            self.read_endpoints().await?;
            // One may have been switched off, or made so, since they were read last.
            due.retain(|delivery| !self.is_closed(&delivery.lane));
        }
        Ok(due)
    }

    /// Reads what is due, notes what came of attempts and which ones are begun now, in one
    /// transaction, and begins them. Nothing is begun before it is noted: a database that takes no
    /// notes must not make targets hear the same again and again.
    async fn carry_on(&mut self, mut due: Vec<Delivery>) -> Result<(), Error> {
        due.retain(|delivery| self.in_hand.take(delivery));
        // First, so that nothing is noted as begun that cannot be.
        let (occasions, read) = match occasions::read(&self.store, &due).await {
            Ok(occasions) => (occasions, Ok(())),
            Err(error) => {
                self.let_go(std::mem::take(&mut due));
                (HashMap::new(), Err(error))
            }
        };
        match self.note(&due).await {
            Ok(true) => self.begin(due, occasions),
            noted => {
                self.let_go(due);
                noted?;
            }
        }
        read
    }

    /// Notes what came of attempts, and what is under way as soon as these are begun. Says whether
    /// they may be. What could not be noted is kept.
    async fn note(&mut self, due: &[Delivery]) -> Result<bool, Error> {
        let finished = std::mem::take(&mut self.unnoted);
        let ends = finished.iter().map(|finished| finished.delivery.id);
        let survivors = ends.filter(|id| self.suspects.contains(*id));
        self.survivors.extend(survivors);
        let in_flight = self.in_hand.in_flight().chain(due);
        let in_flight = in_flight.filter(|delivery| self.suspects.is_to_blame(delivery.id));
        let in_flight: Vec<_> = in_flight.collect();
        let is_idle = in_flight.is_empty();
        let marks = !due.is_empty() || (self.is_marked && is_idle);
        if finished.is_empty() && self.survivors.is_empty() && !marks {
            return Ok(true);
        }
        let survivors: Vec<_> = self.survivors.iter().copied().collect();
        let round = Round {
            finished: &finished,
            cleared: &survivors,
            in_flight: marks.then_some(&in_flight),
        };
        let noted = self.store.carry_on(self.tenure.me(), round).await;
        if marks {
            // What failed may have been written all the same.
            self.is_marked = !is_idle || noted.is_err();
        }
        let noted = match noted {
            Ok(noted) => noted,
            Err(error) => {
                self.unnoted = finished;
                return Err(error);
            }
        };
        for finished in &finished {
            self.in_hand.finish(finished);
            let is_over = !matches!(finished.next, NextStep::Retry { .. });
            if is_over || finished.delivery.to == Destination::Readers(Readers::CustomerRefused) {
                // The next in its lane may go now, and the copies of whom it did not reach.
                self.look_again = Some(Instant::now());
            }
        }
        for id in std::mem::take(&mut self.survivors) {
            self.suspects.clear(id);
        }
        if marks {
            if self.has_row && !noted {
                tracing::warn!("nothing is delivered: this process has no row among those that do");
            }
            self.has_row = noted;
        }
        Ok(noted)
    }

    /// Lets go of deliveries that are not begun after all; they are found again.
    fn let_go(&mut self, due: Vec<Delivery>) {
        for delivery in due {
            self.in_hand.end(&delivery);
            self.suspects.ended(delivery.id);
        }
    }

    fn begin(&mut self, due: Vec<Delivery>, mut occasions: Occasions) {
        for delivery in due {
            let give_way = CancellationToken::new();
            let occasion = match occasions.remove(&delivery.id) {
                Some(Ok(occasion)) => occasion,
                missing => {
                    let next = unread(missing.and_then(Result::err), self.store.clock().now());
                    let carried = unattempted(delivery.clone(), next);
                    self.in_hand
                        .spawn(delivery, give_way, future::ready(carried));
                    continue;
                }
            };
            let (app, endpoints) = (Arc::clone(&self.app), Arc::clone(&self.endpoints));
            let attempt = carry(app, delivery.clone(), occasion, endpoints);
            let clock = self.store.clock().clone();
            let attempt = unless_told(give_way.clone(), (delivery.clone(), clock), attempt);
            self.in_hand.spawn(delivery, give_way, attempt);
        }
    }
}

/// Makes an attempt, unless it is told to make room for others.
async fn unless_told(
    give_way: CancellationToken,
    (delivery, clock): (Delivery, Clock),
    attempt: impl Future<Output = Carried>,
) -> Carried {
    tokio::select! {
        biased;
        carried = attempt => carried,
        () = give_way.cancelled() => {
            let problem = "it was not answered, and was broken off while many others were not".to_owned();
            let at = later(clock.now(), GIVEN_WAY_WAIT);
            Carried {
                gave_way: true,
                ..unattempted(delivery, NextStep::Retry { at, problem })
            }
        }
    }
}

/// What the end of an attempt tells of its lane; nothing where it was not for its target to say.
fn answer(carried: &Carried, took: Duration) -> Option<Answer> {
    if carried.gave_way {
        return Some(Answer::WasLate);
    }
    let attempt = carried.finished.attempt.as_ref()?;
    match attempt.outcome {
        Outcome::Accepted => Some(Answer::Came),
        Outcome::Failed | Outcome::Refused if attempt.code.is_some() => Some(Answer::Came),
        Outcome::Failed if took >= LATE => Some(Answer::WasLate),
        Outcome::Failed => Some(Answer::Failed),
        Outcome::Refused => None,
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
