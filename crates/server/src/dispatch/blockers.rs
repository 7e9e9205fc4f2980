//! Blockers: why deliveries wait, found out where they are read, from the settings, the workflows,
//! the endpoints and the outbox as they are then. So each replica says the same, a blocker that is
//! gone is not named any more, and nothing is written about deliveries that only wait.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use waymark_domain::{
    delivery::{Delivery, DeliveryState},
    history::Destination,
    order::Order,
    value::{EndpointCode, Timestamp, WorkflowCode},
    workflow::{ActionPath, Channel, Work, Workflow},
};
use waymark_persistence::{Error as DatabaseError, Published, Store, StoredDelivery};

use super::{
    content::template_for,
    unsent::{before_off, switched_off, way},
};
use crate::{App, Error};

/// How long a delivery is due before its waiting is explained.
const OVERDUE: Duration = Duration::from_secs(2);
/// In how many lanes one answer finds out whether others fail.
const LANES_MAX: usize = 8;
/// The blocker of one that is not due before another one is finished.
const BEHIND: &str = "it waits for an earlier delivery of its order to the same target";

/// Puts what blocks deliveries that wait before what their last attempts came to. Those that cannot
/// be read say so already.
pub(crate) async fn explain(
    app: &App,
    store: &Store,
    deliveries: &mut [StoredDelivery],
) -> Result<(), Error> {
    let mut lookups = Lookups::new(app, store);
    let waiting = deliveries.iter_mut().filter_map(|stored| match stored {
        StoredDelivery::Readable(delivery) => Some(delivery),
        StoredDelivery::Unreadable(_) => None,
    });
    for delivery in waiting.filter(|delivery| delivery.state == DeliveryState::Pending) {
        let blocker = lookups.blocker(delivery).await?;
        // It may have been switched on since, and the delivery behind another one.
        let earlier = before_off(&delivery.problem).map(str::to_owned);
        if let Some(earlier) = earlier {
            delivery.problem = earlier;
        }
        delivery.problem = match blocker {
            None => continue,
            Some(blocker) if delivery.problem.is_empty() || delivery.problem == blocker => blocker,
            Some(blocker) => format!("{blocker}; before that: {}", delivery.problem),
        };
    }
    Ok(())
}

/// Says what would block or fail what an action sends, as things are now, each thing once.
pub(crate) async fn blockers(
    app: &App,
    (workflow, order): (&Workflow, &Order),
    path: &ActionPath,
    destinations: &[Destination],
) -> Result<Vec<String>, Error> {
    let mut problems = Vec::new();
    let Some(action) = workflow.action(path) else {
        return Ok(problems);
    };
    if !action.active {
        problems.push(switched_off(path));
    }
    let mut lookups = Lookups::new(app, app.store());
    for to in destinations {
        let unserved = app.transports.problem(&to.lane()).map(str::to_owned);
        let closed = lookups.closed(to).await?;
        for problem in unserved.into_iter().chain(closed) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    if let Work::Send(Channel::Email(email), _) = &action.work
        && !destinations.is_empty()
    {
        let (templates, name) = (
            app.transports.templates().clone(),
            template_for(email, order).to_string(),
        );
        let missing = app.compute(move || templates.problem(&name)).await?;
        problems.extend(missing);
    }
    Ok(problems)
}

/// What was looked up for the deliveries before.
struct Lookups<'a> {
    app: &'a App,
    store: &'a Store,
    now: Timestamp,
    /// None for what cannot be read.
    workflows: HashMap<WorkflowCode, Option<Arc<Published>>>,
    /// Whether each endpoint is switched on.
    endpoints: Option<HashMap<EndpointCode, bool>>,
    /// The problems of others that wait for another attempt in a lane: an ordering key of deliveries.
    failures: BTreeMap<String, Option<String>>,
}

impl<'a> Lookups<'a> {
    fn new(app: &'a App, store: &'a Store) -> Self {
        Self {
            app,
            store,
            now: store.clock().now(),
            workflows: HashMap::new(),
            endpoints: None,
            failures: BTreeMap::new(),
        }
    }

    /// Finds what blocks a delivery; none where it is only tried later, or in a moment.
    async fn blocker(&mut self, delivery: &Delivery) -> Result<Option<String>, Error> {
        if let Some(published) = self.workflow(&delivery.workflow).await?
            && let Err(unsent) = way(published.graph.workflow(), delivery)
        {
            let unreadable = published.unreadable().first().map(ToString::to_string);
            return Ok(Some(
                unreadable.unwrap_or_else(|| unsent.problem().to_owned()),
            ));
        }
        if let Some(problem) = self.app.transports.problem(&delivery.lane) {
            return Ok(Some(problem.to_owned()));
        }
        if let Some(problem) = self.closed(&delivery.to).await? {
            return Ok(Some(problem));
        }
        let Some(due) = delivery.due_time else {
            return Ok(Some(BEHIND.to_owned()));
        };
        let late = self.now.micros().saturating_sub(due.micros());
        let is_late = u128::try_from(late).is_ok_and(|late| late >= OVERDUE.as_micros());
        if !is_late || !delivery.problem.is_empty() {
            return Ok(None);
        }
        let failure = self.failure(&delivery.lane).await?;
        Ok(failure.map(|failure| {
            format!(
                "it waits for its turn, since another delivery to the same target failed: {failure}"
            )
        }))
    }

    async fn workflow(&mut self, code: &WorkflowCode) -> Result<Option<Arc<Published>>, Error> {
        if let Some(known) = self.workflows.get(code) {
            return Ok(known.clone());
        }
        // Read after the deliveries, so that no action is missing which set one of them off.
        let found = match self.store.workflow(code).await {
            Ok(found) => found,
            // Where it matters this is an error; deliveries are listed all the same.
            Err(DatabaseError::Corrupt { .. }) => None,
            Err(error) => return Err(Error::from(error)),
        };
        self.workflows.insert(code.clone(), found.clone());
        Ok(found)
    }

    /// Why nothing goes to an endpoint; none for one that is there and switched on, and for what is none.
    async fn closed(&mut self, to: &Destination) -> Result<Option<String>, Error> {
        let Destination::Endpoint(code) = to else {
            return Ok(None);
        };
        Ok(match self.is_on(code).await? {
            None => Some(format!("there is no endpoint {code}")),
            Some(false) => Some(format!("the endpoint {code} is switched off")),
            Some(true) => None,
        })
    }

    /// Whether an endpoint is switched on; none where there is none.
    async fn is_on(&mut self, code: &EndpointCode) -> Result<Option<bool>, Error> {
        let endpoints = match &mut self.endpoints {
            Some(endpoints) => endpoints,
            none => {
                let all = self.store.endpoints().await?.into_iter();
                let all = all.map(|endpoint| (endpoint.code, endpoint.active));
                none.insert(all.collect())
            }
        };
        Ok(endpoints.get(code).copied())
    }

    /// The problem of others in a lane, if that was found out.
    async fn failure(&mut self, lane: &str) -> Result<Option<String>, Error> {
        if let Some(known) = self.failures.get(lane) {
            return Ok(known.clone());
        }
        if self.failures.len() >= LANES_MAX {
            return Ok(None);
        }
        let problems = self.store.problems_in_lane(lane).await?.into_iter();
        let mut failures =
            problems.filter(|problem| !problem.is_empty() && before_off(problem).is_none());
        let failure = failures.next();
        self.failures.insert(lane.to_owned(), failure.clone());
        Ok(failure)
    }
}
