//! Settings of deliveries and timers, and of the outbound transports.

use std::{path::PathBuf, time::Duration};

use serde::Deserializer;
use waymark_transports::{Allowed, WebhookSettings, publish::Servers};

use super::{
    key::{parsed, settings},
    outbound::{self, MailSettings},
    values::{Noted, Values},
};

/// How deliveries and timers are carried out.
#[derive(Debug, Clone)]
pub struct DispatchSettings {
    /// How long a process may be without a heartbeat before others take over its partitions.
    pub lease: Duration,
    /// How often due deliveries and timers are polled, should no hint come.
    pub poll_interval: Duration,
    /// How many attempts are made at once.
    pub in_flight_max: usize,
    /// How long finished work is kept.
    pub keep: Keep,
    /// Where webhooks may go.
    pub webhooks: WebhookSettings,
    /// How mails are sent; none where they are not.
    pub mail: Option<MailSettings>,
    /// The directory of the shop's own templates of mails; none for those that are built in.
    pub templates: Option<PathBuf>,
    /// Where events go; none where they do not.
    pub nats: Option<Servers>,
}

/// How long finished work is kept; none for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Deliveries that succeeded or were skipped, since their last change.
    pub deliveries: Option<Duration>,
    /// Answers to calls with a request id that changed anything but orders.
    pub requests: Option<Duration>,
}

settings! {
    /// Deliveries and timers, as they are set.
    pub(super) struct DispatchKeys {
        /// Lease of the deliveries and timers of a partition: how long a process may be without a
        /// heartbeat before others take them over.
        lease: Duration = "dispatch_lease", Span(100), "6s";
        /// How often to poll for deliveries and timers that are due, and for changes of endpoints.
        poll: Duration = "dispatch_poll", Span(10), "1s";
        /// How many deliveries are in flight at once besides one for each target; one target takes
        /// half of them at most.
        in_flight_max: usize = "deliveries_in_flight_max", Number(1, 10_000), "64";
        /// How many days deliveries are kept after their last change, once they succeeded or were
        /// skipped; 0: for ever.
        deliveries_keep_days: u64 = "deliveries_keep_days", Number(0, 36_500), "0";
        /// How many days the answers to calls with a `request_id` are kept that change anything but
        /// orders; the same call is carried out anew after that. Steps of orders are recognised as
        /// long as their history is kept. 0: for ever.
        requests_keep_days: u64 = "requests_keep_days", Number(0, 36_500), "30";
        /// Addresses, networks such as `10.1.0.0/16` and host names that webhooks may reach besides the
        /// public internet, separated by commas.
        #[serde(deserialize_with = "allowed")]
        allowed: Allowed = "webhooks_allowed", Text, "";
        /// Refuses endpoints without TLS.
        https_only: bool = "webhooks_https_only", Switch, "false";
    }
}

pub(super) fn read(values: &mut Values) -> Result<DispatchSettings, Noted> {
    let keys: DispatchKeys = values.read()?;
    let (mail, templates) = outbound::mail(values)?;
    Ok(DispatchSettings {
        lease: keys.lease,
        poll_interval: keys.poll,
        in_flight_max: keys.in_flight_max,
        keep: Keep {
            deliveries: days(keys.deliveries_keep_days),
            requests: days(keys.requests_keep_days),
        },
        webhooks: WebhookSettings {
            allowed: keys.allowed,
            https_only: keys.https_only,
        },
        mail,
        templates,
        nats: outbound::nats(values)?,
    })
}

fn days(days: u64) -> Option<Duration> {
    (days > 0).then(|| Duration::from_hours(24 * days))
}

fn allowed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Allowed, D::Error> {
    parsed(deserializer, |text| {
        text.parse().map_err(|_| {
            "must be networks such as 10.1.0.0/16, addresses and names of hosts, separated by commas"
        })
    })
}
