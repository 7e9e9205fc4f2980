//! The endpoints as they were read last, and the lanes, which name them. A lane is the ordering key of
//! deliveries: those of an order that share a lane are sent one after the other. `Destination::lane`
//! writes it; it is read here alone.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;
use waymark_domain::value::EndpointCode;
use waymark_persistence::{Endpoint, Error, Store};

use crate::telemetry::chain;

/// The highest age of endpoints when something is sent to one.
const AGE_MAX: Duration = Duration::from_millis(100);

pub(super) type Endpoints = HashMap<EndpointCode, Endpoint>;

pub(super) fn by_code(endpoints: Vec<Endpoint>) -> Endpoints {
    let endpoints = endpoints.into_iter();
    endpoints
        .map(|endpoint| (endpoint.code.clone(), endpoint))
        .collect()
}

/// The endpoints that the dispatcher knows, and when it read them.
pub(super) struct KnownEndpoints {
    by_code: Arc<Endpoints>,
    read: Instant,
    /// The errors of endpoints that cannot be read, once they were logged.
    unreadable: BTreeSet<String>,
}

impl KnownEndpoints {
    pub(super) fn none() -> Self {
        Self {
            by_code: Arc::default(),
            read: Instant::now(),
            unreadable: BTreeSet::new(),
        }
    }

    pub(super) fn shared(&self) -> Arc<Endpoints> {
        Arc::clone(&self.by_code)
    }

    pub(super) async fn read(&mut self, store: &Store) -> Result<(), Error> {
        let (endpoints, unreadable) = store.stored_endpoints().await?;
        self.by_code = Arc::new(by_code(endpoints));
        self.read = Instant::now();
        for error in &unreadable {
            let error = chain(error);
            if self.unreadable.insert(error.clone()) {
                tracing::error!(error, "endpoint unreadable: nothing is sent to it");
            }
        }
        Ok(())
    }

    /// Reads the endpoints anew, and says whether that was done: stored data that cannot be read
    /// does not hold up what goes elsewhere.
    pub(super) async fn renew(&mut self, store: &Store) -> Result<bool, Error> {
        match self.read(store).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_of_data() => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn are_old(&self) -> bool {
        self.read.elapsed() > AGE_MAX
    }

    pub(super) fn old_at(&self) -> Instant {
        self.read + AGE_MAX
    }

    /// Whether nothing is sent to the endpoint of a lane now: it is switched off, or there is none.
    pub(super) fn is_closed(&self, lane: &str) -> bool {
        let Lane::Webhook(code) = Lane::parse(lane) else {
            return false;
        };
        match self.by_code.get(code) {
            Some(endpoint) => !endpoint.active,
            // Nobody will ever create one under what is no code; what is there cannot be read.
            None => EndpointCode::new(code).is_ok(),
        }
    }

    pub(super) fn is_missing(&self, lane: &str) -> bool {
        match Lane::parse(lane) {
            Lane::Webhook(code) => !self.by_code.contains_key(code),
            Lane::Email | Lane::Publish | Lane::Unknown => false,
        }
    }
}

/// A lane by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane<'l> {
    /// Webhooks to the endpoint with this code.
    Webhook(&'l str),
    Email,
    Publish,
    /// A kind that this version does not know.
    Unknown,
}

impl<'l> Lane<'l> {
    pub(super) fn parse(text: &'l str) -> Self {
        match text {
            "email" | "email.copies" => Self::Email,
            "publish" => Self::Publish,
            _ => match text.strip_prefix("webhook.") {
                Some(code) => Self::Webhook(code),
                None => Self::Unknown,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use waymark_domain::history::{Destination, Readers};

    use super::*;

    #[test]
    fn lanes_are_read_as_destinations_write_them() {
        let endpoint = EndpointCode::new("erp").unwrap();
        for (to, expected) in [
            (Destination::Endpoint(endpoint), Lane::Webhook("erp")),
            (Destination::Readers(Readers::Customer), Lane::Email),
            (Destination::Readers(Readers::Copies), Lane::Email),
            (Destination::Subject, Lane::Publish),
        ] {
            assert_eq!(Lane::parse(&to.lane()), expected);
        }
        assert_eq!(Lane::parse("fax"), Lane::Unknown);
    }
}
