//! The dispatcher's own loop: it renews leases, polls for what is due, sends it, and records results.
//! The loops beside it are tasks of their own.

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
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use waymark_domain::{
    delivery::{DeliveryId, Outcome},
    history::Destination,
    partition::Partition,
    value::EndpointCode,
};
use waymark_persistence::{DispatcherId, Error, Finished, NextStep, Store};

use super::{
    attempt::DeliveryResult,
    breaker::Breakers,
    changes, clocks,
    endpoints::KnownEndpoints,
    in_flight::{Ended, InFlight},
    lanes::{LATE, LaneAnswer, Lanes},
    leases::Leases,
    loops::{LogOnce, Rounds},
    poison::{PROBLEM, PoisonSuspects},
    retention,
    test_action::TestSlots,
    timers,
    transports::Transports,
    unreadable::{PausedLanes, Unreadable},
    unrecorded::Unrecorded,
};
use crate::{committer::Committer, settings::DispatchSettings, supervisor::Supervisor, wake::Wake};

/// How long attempts that are being made may take to end when the process stops.
const END_MAX: Duration = Duration::from_secs(2);
/// The shortest time between two polls.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(10);
/// How long attempts that have just begun have at least to end together.
const GATHERING_MIN: Duration = Duration::from_millis(3);

/// The parts of the server that a dispatcher works with.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) store: Store,
    /// The committer, which takes the steps of timers.
    pub(crate) committer: Arc<Committer>,
    pub(crate) transports: Arc<Transports>,
    /// The tests of actions, which count as in flight.
    pub(crate) test_slots: Arc<TestSlots>,
    pub(crate) wake: Wake,
}

/// Sends deliveries until it is stopped.
pub(crate) struct Dispatcher {
    pub(super) parts: Parts,
    pub(super) settings: DispatchSettings,
    pub(super) leases: Leases,
    pub(super) endpoints: KnownEndpoints,
    pub(super) in_flight: InFlight,
    pub(super) unrecorded: Unrecorded,
    /// Lanes whose targets ask to be left alone, and until when.
    pub(super) resting_lanes: HashMap<String, Instant>,
    pub(super) breakers: Breakers,
    pub(super) lanes: Lanes,
    /// The partitions whose suspects are known.
    pub(super) known: BTreeSet<Partition>,
    pub(super) suspects: PoisonSuspects,
    /// Suspects that have survived, which has yet to be recorded.
    pub(super) survivors: BTreeSet<DeliveryId>,
    /// Whether the row of this process names deliveries as in flight.
    pub(super) is_marked: bool,
    /// Whether this process had a row when that was last asked.
    pub(super) has_row: bool,
    /// When to poll again, though nothing happens.
    pub(super) poll_again: Option<Instant>,
    /// Lanes for which the settings name no server, once that was logged.
    pub(super) unserved: BTreeSet<String>,
    pub(super) paused_lanes: PausedLanes,
    pub(super) unreadable: Unreadable,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

impl Dispatcher {
    pub(crate) fn new(parts: Parts, settings: DispatchSettings) -> Self {
        Self {
            leases: Leases::new(parts.store.clone(), settings.lease),
            parts,
            lanes: Lanes::new(settings.in_flight_max),
            settings,
            endpoints: KnownEndpoints::none(),
            in_flight: InFlight::default(),
            unrecorded: Unrecorded::default(),
            resting_lanes: HashMap::new(),
            breakers: Breakers::default(),
            known: BTreeSet::new(),
            suspects: PoisonSuspects::default(),
            survivors: BTreeSet::new(),
            is_marked: false,
            has_row: true,
            poll_again: None,
            unserved: BTreeSet::new(),
            paused_lanes: PausedLanes::default(),
            unreadable: Unreadable::default(),
        }
    }

    /// The name under which it has leases.
    pub(crate) fn me(&self) -> &DispatcherId {
        self.leases.me()
    }

    /// Runs until `stop` is cancelled, then lets the attempts that are being made end in two seconds.
    pub(crate) async fn run(mut self, stop: CancellationToken, supervisor: Supervisor) {
        let mut renew = interval(self.settings.lease / 3);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tick = interval(self.settings.poll_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (tell, owned) = watch::channel(BTreeSet::new());
        let beside = self.spawn_others(&owned, &supervisor);
        let mut failures = LogOnce::default();
        let wake = self.parts.wake.clone();
        let mut timeline = self.parts.store.timeline();
        loop {
            let mut done = Vec::new();
            let resume = self.resume();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Ok(()) = timeline.changed() => self.forget(),
                _ = renew.tick() => {
                    failures.note("lease renewal failed", self.renew().await);
                    tell.send_replace(self.leases.owned());
                }
                Some(ended) = self.in_flight.tasks.join_next_with_id() => done.push(ended),
                _ = tick.tick() => {
                    let read = self.endpoints.read(&self.parts.store).await;
                    failures.note("endpoint read failed", read);
                }
                () = wake.woken() => {}
                () = reached(resume) => {}
            }
            let began = Instant::now();
            while let Some(ended) = self.in_flight.tasks.try_join_next_with_id() {
                done.push(ended);
            }
            let gone = self.settle(done);
            let (due, polled) = match self.poll().await {
                Ok(due) => (due, Ok(())),
                Err(error) => (Vec::new(), Err(error)),
            };
            failures.note("delivery poll failed", polled);
            failures.note(
                "recording deliveries failed",
                self.record_and_begin(due).await,
            );
            failures.note("disabling endpoints failed", self.disable(gone).await);
            // Attempts that end meanwhile are recorded together.
            let gathered = Instant::now() + GATHERING_MIN;
            sleep_until(gathered.max(began + POLL_INTERVAL_MIN)).await;
        }
        drop(beside);
        self.end().await;
    }

    /// Spawns the other loops, which go by the partitions that are owned. They end with what this
    /// gives, so also where the dispatcher panics.
    fn spawn_others(
        &self,
        owned: &watch::Receiver<BTreeSet<Partition>>,
        supervisor: &Supervisor,
    ) -> [AbortOnDropHandle<()>; 4] {
        let (me, settings) = (self.me(), &self.settings);
        let (store, wake) = (&self.parts.store, &self.parts.wake);
        let committer = Arc::clone(&self.parts.committer);
        let rounds = || Rounds::new(settings.poll_interval, owned.clone());
        let retention = retention::run(store.for_bulk(), me.clone(), settings.keep, owned.clone());
        let clocks = clocks::run(store.clone(), wake.clone(), me.clone(), rounds());
        let timers = timers::run(store.clone(), committer, me.clone(), rounds());
        let changes = changes::run(store.clone(), wake.clone(), me.clone(), rounds());
        [
            supervisor.spawn("retention", retention),
            supervisor.spawn("clocks", clocks),
            supervisor.spawn("timers", timers),
            supervisor.spawn("changes", changes),
        ]
        .map(AbortOnDropHandle::new)
    }

    /// Waits for the attempts that are being made, records results, and gives the leases back.
    async fn end(mut self) {
        let mut done = Vec::new();
        let all_done = async {
            while let Some(ended) = self.in_flight.tasks.join_next_with_id().await {
                done.push(ended);
            }
        };
        // Those that hang are repeated by the next owner of their partition, under the same id.
        let _ = timeout(END_MAX, all_done).await;
        self.in_flight.tasks.abort_all();
        let mut failures = LogOnce::default();
        self.settle(done);
        let recorded = self.record_and_begin(Vec::new()).await;
        failures.note("recording deliveries failed", recorded);
        failures.note("lease release failed", self.leases.end().await);
    }

    /// Renews the leases, and finds the suspects in partitions that are new.
    async fn renew(&mut self) -> Result<(), Error> {
        let renewed = self.leases.renew(&self.in_flight.partitions()).await;
        let owned = self.leases.owned();
        self.suspects.retain(&owned);
        self.known.retain(|partition| owned.contains(partition));
        let new: BTreeSet<_> = owned.difference(&self.known).copied().collect();
        if !new.is_empty() {
            let lost = self.parts.store.lost_deliveries(&new).await?;
            let (dead, done) = self.suspects.add(lost);
            self.survivors.extend(done);
            for delivery in dead {
                let problem = PROBLEM.to_owned();
                if self.in_flight.take(&delivery) {
                    self.unrecorded.push(Finished {
                        delivery,
                        attempt: None,
                        next: NextStep::GiveUp { problem },
                    });
                }
            }
            self.known.extend(new);
        }
        renewed
    }

    /// When to poll again, though nothing happens.
    fn resume(&self) -> Option<Instant> {
        let resting = self.resting_lanes.values().copied();
        let others = [
            self.poll_again,
            self.paused_lanes.next(),
            self.unrecorded.next(),
        ];
        resting.chain(others.into_iter().flatten()).min()
    }

    /// Lets go of all deliveries in flight: they were found in a database that went on otherwise
    /// since, where other deliveries may have the same ids. What is still due is found due again.
    fn forget(&mut self) {
        self.in_flight = InFlight::default();
        self.unrecorded = Unrecorded::default();
        self.known.clear();
        self.suspects = PoisonSuspects::default();
        self.survivors.clear();
    }

    /// Takes the results of attempts, to be recorded. Gives the endpoints that are gone, by their URLs.
    fn settle(&mut self, done: Vec<Ended>) -> Vec<(EndpointCode, String)> {
        let mut gone = Vec::new();
        for ended in done {
            let now = self.parts.store.clock().now();
            let Some((result, took)) = self.in_flight.settle(ended, now) else {
                continue;
            };
            let delivery = &result.finished.delivery;
            let lane = delivery.lane.clone();
            self.suspects.ended(delivery.id);
            if let Some(answer) = answer(&result, took) {
                self.lanes.ended(&lane, answer);
            }
            // The refusal of one address says nothing about the server.
            if let Some(attempt) = &result.finished.attempt
                && !result.addressee_refused
            {
                self.breakers.count(&lane, attempt.outcome);
            }
            let probe = self.breakers.pause(&lane);
            if let Some(pause) = result.pause.max(probe) {
                let until = Instant::now() + pause;
                let resting = self.resting_lanes.entry(lane).or_insert(until);
                *resting = until.max(*resting);
            }
            if let (Some(url), Destination::Endpoint(code)) = (result.gone, &delivery.to) {
                gone.push((code.clone(), url));
            }
            self.unrecorded.push(result.finished);
        }
        gone
    }

    async fn disable(&mut self, gone: Vec<(EndpointCode, String)>) -> Result<(), Error> {
        if gone.is_empty() {
            return Ok(());
        }
        let store = &self.parts.store;
        let problem = "switched off, since it answered 410 Gone";
        let mut disabled = Ok(());
        for (code, url) in gone {
            match store.disable_endpoint(&code, &url, problem).await {
                Ok(true) => {
                    tracing::warn!(endpoint = %code, "endpoint disabled: it answered 410 Gone");
                }
                Ok(false) => {}
                // It says so again when it is tried again.
                Err(error) => disabled = Err(error),
            }
        }
        self.endpoints.read(store).await.and(disabled)
    }
}

/// The answer that the end of an attempt is to its lane; none where its target had no part in it.
fn answer(result: &DeliveryResult, took: Duration) -> Option<LaneAnswer> {
    if result.gave_way {
        return Some(LaneAnswer::WasLate);
    }
    let attempt = result.finished.attempt.as_ref()?;
    match attempt.outcome {
        Outcome::Accepted => Some(LaneAnswer::Came),
        Outcome::Failed | Outcome::Refused if attempt.code.is_some() => Some(LaneAnswer::Came),
        Outcome::Failed if took >= LATE => Some(LaneAnswer::WasLate),
        Outcome::Failed => Some(LaneAnswer::Failed),
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
