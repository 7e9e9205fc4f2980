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
mod failing_lanes;
mod in_hand;
mod lanes;
mod looking;
mod loops;
mod noting;
mod occasions;
mod pauses;
mod retention;
mod rounds;
#[cfg(test)]
mod sample;
mod suspects;
mod tenure;
mod timer_pauses;
mod timers;
mod trial;
mod unnoted;
mod unreadable;
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
    delivery::{DeliveryId, Outcome},
    history::Destination,
    partition::Partition,
    value::EndpointCode,
};
use waymark_persistence::{DispatcherId, Error, Finished, NextStep, Store};

use self::{
    breaker::Breakers,
    carrier::{Carried, Endpoints},
    failing::Failing,
    failing_lanes::FailingLanes,
    in_hand::{Ended, InHand},
    lanes::{Answer, LATE, Lanes},
    suspects::Suspects,
    tenure::Tenure,
    unnoted::Unnoted,
    unreadable::Unreadable,
};
pub(crate) use self::{
    carrier::{Carrier, CarrierError, template_for},
    trial::{Tested, TrialLimit, Trials, test},
    unsent::{before_off, switched_off, way},
    wake::Wake,
};
use crate::{App, error::chain, settings::DispatchSettings, supervisor::Supervisor};

/// How long attempts that are being made may take to end when the process stops.
const END_MAX: Duration = Duration::from_secs(2);
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
    unnoted: Unnoted,
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
    failing_lanes: FailingLanes,
    unreadable: Unreadable,
    /// What was said of endpoints that cannot be read.
    unread_endpoints: BTreeSet<String>,
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
            unnoted: Unnoted::default(),
            paused: HashMap::new(),
            breakers: Breakers::default(),
            taken_up: BTreeSet::new(),
            suspects: Suspects::default(),
            survivors: BTreeSet::new(),
            is_marked: false,
            has_row: true,
            look_again: None,
            unserved: BTreeSet::new(),
            failing_lanes: FailingLanes::default(),
            unreadable: Unreadable::default(),
            unread_endpoints: BTreeSet::new(),
        }
    }

    /// The name under which it has leases.
    pub(crate) fn me(&self) -> &DispatcherId {
        self.tenure.me()
    }

    /// Runs until `stop` is cancelled, then lets the attempts that are being made end within two
    /// seconds.
    pub(crate) async fn run(mut self, stop: CancellationToken, supervisor: Supervisor) {
        let mut renew = interval(self.settings.lease / 3);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut poll = interval(self.settings.poll_interval);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (tell, owned) = watch::channel(BTreeSet::new());
        let beside = self.spawn_loops(&owned, &supervisor);
        let mut failing = Failing::default();
        let wake = self.app.wake.clone();
        let mut timeline = self.store.timeline();
        loop {
            let mut done = Vec::new();
            let resume = self.resume();
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
        drop(beside);
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

    /// When to look again, though nothing happens.
    fn resume(&self) -> Option<Instant> {
        let paused = self.paused.values().copied();
        let others = [
            self.look_again,
            self.failing_lanes.next(),
            self.unnoted.next(),
        ];
        paused.chain(others.into_iter().flatten()).min()
    }

    /// Lets go of all that is in hand: it was found in a database that went on otherwise since, where
    /// other deliveries may have the same ids. What is still due is found due again.
    fn forget(&mut self) {
        self.in_hand = InHand::default();
        self.unnoted = Unnoted::default();
        self.taken_up.clear();
        self.suspects = Suspects::default();
        self.survivors.clear();
    }

    async fn read_endpoints(&mut self) -> Result<(), Error> {
        let (endpoints, unreadable) = self.store.stored_endpoints().await?;
        self.endpoints = Arc::new(carrier::by_code(endpoints));
        self.endpoints_read = Instant::now();
        for error in &unreadable {
            let error = chain(error);
            if self.unread_endpoints.insert(error.clone()) {
                tracing::error!(error, "an endpoint cannot be read; nothing goes there");
            }
        }
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
        if gone.is_empty() {
            return Ok(());
        }
        let problem = "switched off, since it answered 410 Gone";
        let mut disabled = Ok(());
        for (code, url) in gone {
            match self.store.disable_endpoint(&code, &url, problem).await {
                Ok(true) => tracing::warn!(endpoint = %code, "{problem}"),
                Ok(false) => {}
                // It says so again when it is tried again.
                Err(error) => disabled = Err(error),
            }
        }
        self.read_endpoints().await.and(disabled)
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
