//! Polls for deliveries that are due, in the lanes to which something may go.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;
use waymark_domain::{delivery::Delivery, history::Destination};
use waymark_persistence::{Due, Error};

use super::dispatcher::Dispatcher;

/// When to poll again where there was no room for all that was due.
const POLL_AGAIN: Duration = Duration::from_millis(100);

impl Dispatcher {
    /// Polls for deliveries that are due, as far as there is room for them.
    pub(super) async fn poll(&mut self) -> Result<Vec<Delivery>, Error> {
        self.poll_again = None;
        let owned = self.leases.owned();
        let owned: BTreeSet<_> = owned.intersection(&self.known).copied().collect();
        let now = Instant::now();
        self.resting_lanes.retain(|_, until| *until > now);
        let room = self.room();
        if owned.is_empty() || room == 0 {
            return Ok(Vec::new());
        }
        let lanes = self.open_lanes().await?;
        let loads = self.in_flight.loads();
        let is_probed = |lane: &str| self.breakers.is_half_open(lane);
        let mut plan = self.lanes.plan(&lanes, &loads, room, is_probed);
        self.in_flight.make_room(plan.giving_way);
        for (lane, count) in self.suspects.counts() {
            if let Some(limit) = plan.limits.get_mut(lane) {
                *limit = limit.saturating_add(count);
            }
        }
        let by = (&self.parts.store, self.leases.me());
        let found = self.paused_lanes.find_due(by, &owned, &plan.limits);
        let Due {
            deliveries: mut due,
            unreadable,
        } = found.await?;
        if self.unreadable.give_up(by, unreadable).await? > 0 {
            // Those behind it have their turn.
            plan.is_cut = true;
        }
        due.sort_by_key(|delivery| (delivery.due_time, delivery.id));
        due.retain(|delivery| !self.in_flight.ids.contains(&delivery.id));
        let found = due.len();
        due.retain(|delivery| self.suspects.admits(delivery.id));
        plan.is_cut |= due.len() < found;
        let due = self.lanes.choose(&mut plan, due, &loads);
        if plan.is_cut {
            self.poll_again = Some(Instant::now() + POLL_AGAIN);
        }
        let due = self.keep_known_endpoints(due).await;
        // Also where the endpoints cannot be read: one that is not begun must not keep its turn.
        let begun = due.as_deref().unwrap_or_default();
        self.suspects
            .keep(|id| begun.iter().any(|delivery| delivery.id == id));
        due
    }

    /// How many deliveries may be begun.
    fn room(&self) -> usize {
        // Results that are being recorded leave their place to others; others must not pile up.
        let known = self.in_flight.ids.len();
        let unrecorded = known.saturating_sub(self.in_flight.tasks.len());
        let unrecorded = unrecorded.saturating_sub(self.unrecorded.apart());
        // Tests count too; what is due always has room.
        let most = self.settings.in_flight_max;
        let most = most
            .saturating_sub(self.parts.test_slots.under_way())
            .max(1);
        most.saturating_mul(2).saturating_sub(unrecorded)
    }

    /// The lanes in which something waits and to which something may go.
    async fn open_lanes(&mut self) -> Result<Vec<String>, Error> {
        let mut lanes = self.parts.store.busy_lanes().await?;
        self.breakers.retain(&lanes);
        self.lanes.retain(&lanes);
        self.paused_lanes.retain(&lanes);
        // An endpoint may have been switched on a moment ago.
        if lanes.iter().any(|lane| self.endpoints.is_closed(lane)) {
            if self.endpoints.are_old() {
                self.endpoints.renew(&self.parts.store).await?;
            } else if lanes.iter().any(|lane| self.endpoints.is_missing(lane)) {
                // It may have been created, and wanted, since the endpoints were read.
                self.poll_again = Some(self.endpoints.old_at());
            }
        }
        lanes.retain(|lane| self.is_served(lane) && self.may_go(lane));
        Ok(lanes)
    }

    /// Whether the settings name a server for deliveries of a lane; logged once where they do not.
    fn is_served(&mut self, lane: &str) -> bool {
        let problem = self.parts.transports.problem(lane);
        if let Some(problem) = problem
            && self.unserved.insert(lane.to_owned())
        {
            tracing::warn!(
                delivery.lane = lane,
                error = problem,
                "deliveries wait: no server"
            );
        }
        problem.is_none()
    }

    fn may_go(&self, lane: &str) -> bool {
        let pauses = self.resting_lanes.contains_key(lane) || self.paused_lanes.is_paused(lane);
        !pauses && !self.endpoints.is_closed(lane)
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
        if self.endpoints.are_old() && due.iter().any(is_wanting) {
            let are_known = self.endpoints.renew(&self.parts.store).await?;
            // One may have been switched off, or made so, since they were read last.
            due.retain(|delivery| {
                !is_wanting(delivery) || (are_known && !self.endpoints.is_closed(&delivery.lane))
            });
        }
        Ok(due)
    }
}
