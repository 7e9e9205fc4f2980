//! Looks for what is due, in the lanes to which something may go.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;
use waymark_domain::{delivery::Delivery, history::Destination, value::EndpointCode};
use waymark_persistence::{Due, Error};

use super::Dispatcher;

/// How the lanes of endpoints begin, before their codes.
const WEBHOOKS: &str = "webhook.";
/// How old what is known of endpoints may be when something is sent to one.
const ENDPOINTS_AGE_MAX: Duration = Duration::from_millis(100);
/// When to look again where there was no room for all that was due.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Dispatcher {
    /// Looks for what is due, as far as there is room for it.
    pub(super) async fn look(&mut self) -> Result<Vec<Delivery>, Error> {
        self.look_again = None;
        let owned = self.tenure.owned();
        let owned: BTreeSet<_> = owned.intersection(&self.taken_up).copied().collect();
        let now = Instant::now();
        self.paused.retain(|_, until| *until > now);
        // What is being noted leaves its place to others; what cannot be noted must not pile up.
        let known = self.in_hand.ids.len();
        let unnoted = known.saturating_sub(self.in_hand.tasks.len());
        let unnoted = unnoted.saturating_sub(self.unnoted.apart());
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
        self.failing_lanes.retain(&lanes);
        // What keeps a lane may have been lifted a moment ago.
        if lanes.iter().any(|lane| self.is_closed(lane)) {
            if self.endpoints_are_old() {
                self.renew_endpoints().await?;
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
        let by = (&self.store, self.tenure.me());
        let found = self.failing_lanes.find_due(by, &owned, &plan.limits);
        let Due {
            deliveries: mut due,
            unreadable,
        } = found.await?;
        if self.unreadable.give_up(by, unreadable).await? > 0 {
            // What comes behind it has its turn.
            plan.is_cut = true;
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
        let pauses = self.paused.contains_key(lane) || self.failing_lanes.is_paused(lane);
        !pauses && !self.is_closed(lane)
    }

    /// Whether nothing goes to the endpoint of a lane now: it is switched off, or there is none.
    fn is_closed(&self, lane: &str) -> bool {
        let Some(code) = lane.strip_prefix(WEBHOOKS) else {
            return false;
        };
        match self.endpoints.get(code) {
            Some(endpoint) => !endpoint.active,
            // Nobody will ever create one under what is no code; what is there cannot be read.
            None => EndpointCode::new(code).is_ok(),
        }
    }

    fn is_missing(&self, lane: &str) -> bool {
        let code = lane.strip_prefix(WEBHOOKS);
        code.is_some_and(|code| !self.endpoints.contains_key(code))
    }

    fn endpoints_are_old(&self) -> bool {
        self.endpoints_read.elapsed() > ENDPOINTS_AGE_MAX
    }

    /// Reads the endpoints anew, and says whether that was done: where what is stored cannot be read,
    /// that is no matter of what goes elsewhere.
    async fn renew_endpoints(&mut self) -> Result<bool, Error> {
        match self.read_endpoints().await {
            Ok(()) => Ok(true),
            Err(error) if error.is_of_data() => Ok(false),
            Err(error) => Err(error),
        }
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
            let are_known = self.renew_endpoints().await?;
            // One may have been switched off, or made so, since they were read last.
            due.retain(|delivery| {
                !is_wanting(delivery) || (are_known && !self.is_closed(&delivery.lane))
            });
        }
        Ok(due)
    }
}
