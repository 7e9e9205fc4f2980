//! The outbound transports, and one attempt to deliver by them.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};
use waymark_domain::{
    delivery::{self, Delivery},
    history::{Destination, SetOff},
    value::{EndpointCode, Period},
    workflow::{Channel, Email, Policy, Publish, Work},
};
use waymark_persistence::{Endpoint, NextStep, Store};
use waymark_transports::{
    Attempt, BuildError, MessageId, Post, Secret, WebhookUrl, Webhooks,
    mail::{self, Mailer, Templates},
    publish::{self, Event, Publisher},
};

use super::{
    attempt::{self, DeliveryResult},
    content::{DeliveryContext, Message},
    endpoints::{Endpoints, Lane},
    pauses::later,
    unsent::{CHANGED, way},
};
use crate::{
    fault,
    settings::DispatchSettings,
    tracking::{self, Links},
};

/// How long a mail waits whose link could not be made.
const LINK_WAIT: Duration = Duration::from_secs(5);

/// The problems where the settings lack a server.
const NO_MAIL_SERVER: &str = "there is no mail server in the settings";
const NO_NATS_SERVER: &str = "there is no NATS server in the settings";

/// The outbound transports: webhooks, mails by SMTP, and events by NATS.
pub(crate) struct Transports {
    webhooks: Webhooks,
    templates: Templates,
    mailer: Option<Mailer>,
    publisher: Option<Publisher>,
    pub(super) store: Store,
    /// The addresses of feeds, which mails name; none where feeds are off.
    pub(super) links: Option<Links>,
}

impl fmt::Debug for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transports").finish_non_exhaustive()
    }
}

/// Why the outbound transports cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum TransportsError {
    /// There is no client for webhooks.
    #[error("there is no client for webhooks")]
    Webhooks(#[from] BuildError),
    /// The mail server of the settings cannot be used.
    #[error("the mail server of the settings cannot be used")]
    Mail(#[from] mail::SettingsError),
    /// The NATS servers of the settings cannot be used.
    #[error("the NATS servers of the settings cannot be used")]
    Nats(#[from] publish::SettingsError),
}

impl Transports {
    /// Opens what the settings name; no connection is made yet.
    ///
    /// # Errors
    /// Returns [`TransportsError`] for settings that cannot be used.
    pub(crate) async fn open(
        settings: &DispatchSettings,
        store: &Store,
        links: Option<Links>,
    ) -> Result<Self, TransportsError> {
        let templates = settings.templates.clone();
        let templates = templates.map_or_else(Templates::embedded, Templates::in_directory);
        let mail = settings.mail.clone();
        let mailer = mail.map(|mail| Mailer::new(mail.server, mail.senders, templates.clone()));
        let publisher = match settings.nats.clone() {
            Some(servers) => Some(Publisher::connect(servers).await?),
            None => None,
        };
        Ok(Self {
            webhooks: Webhooks::new(settings.webhooks.clone())?,
            templates,
            mailer: mailer.transpose()?,
            publisher,
            store: store.clone(),
            links,
        })
    }

    /// Waits until the publisher has ended, which it does not by itself; none without NATS.
    pub(crate) fn publisher_ended(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        self.publisher.as_ref().map(Publisher::ended)
    }

    /// The templates of mails, also where there is no mail server.
    pub(crate) fn templates(&self) -> &Templates {
        &self.templates
    }

    /// Why deliveries of a lane cannot be sent at all; none where they can.
    pub(crate) fn problem(&self, lane: &str) -> Option<&'static str> {
        match Lane::parse(lane) {
            Lane::Email if self.mailer.is_none() => Some(NO_MAIL_SERVER),
            Lane::Publish if self.publisher.is_none() => Some(NO_NATS_SERVER),
            Lane::Email | Lane::Publish | Lane::Webhook(_) | Lane::Unknown => None,
        }
    }

    /// Makes an attempt. A mail gets the link that its order has for the customer.
    pub(super) async fn deliver(
        &self,
        delivery: Delivery,
        mut context: DeliveryContext,
        endpoints: &Endpoints,
    ) -> DeliveryResult {
        fault::point("attempt", delivery.order_id.as_str());
        let clock = self.store.clock();
        if matches!(delivery.to, Destination::Readers(_)) {
            let (workflow, order_id) = (&delivery.workflow, &delivery.order_id);
            let links = self.links.as_ref();
            match tracking::link(&self.store, links, workflow, order_id).await {
                Ok(url) => context.feed_url = url,
                Err(error) => {
                    let problem = format!("no link could be made for the customer: {error}");
                    let at = later(clock.now(), LINK_WAIT);
                    return DeliveryResult::unattempted(delivery, NextStep::Retry { at, problem });
                }
            }
        }
        let published = Arc::clone(&context.published);
        let (channel, policy) = match way(published.graph.workflow(), &delivery) {
            Ok(found) => found,
            Err(unsent) => {
                let next = unsent.next(clock.now(), &delivery.problem);
                return DeliveryResult::unattempted(delivery, next);
            }
        };
        let began = (Instant::now(), clock.now());
        let message = Message::of(&delivery, &context);
        let attempt = self.attempt(&message, &context, (channel, policy), endpoints);
        let Some(attempt) = attempt.await else {
            let problem = CHANGED.to_owned();
            return DeliveryResult::unattempted(delivery, NextStep::GiveUp { problem });
        };
        let url = match &delivery.to {
            Destination::Endpoint(code) => endpoints.get(code).map(|endpoint| endpoint.url.clone()),
            Destination::Readers(_) | Destination::Subject => None,
        };
        attempt::judge(delivery, policy, attempt, (began, clock.now()), url)
    }

    /// Sends something once, whether or not its action and its endpoint are switched on; not beyond
    /// an instant, even where the policy of the action waits longer. Says also whether the address
    /// of a mail's addressee was not taken.
    pub(super) async fn send_once(
        &self,
        set_off: SetOff,
        context: &DeliveryContext,
        endpoints: &Endpoints,
        until: Instant,
    ) -> (delivery::Attempt, bool) {
        let began = (Instant::now(), self.store.clock().now());
        let workflow = context.published.graph.workflow();
        let attempt = match workflow.action(&set_off.action).map(|action| &action.work) {
            Some(Work::Send(channel, policy)) => {
                let message = Message::test(set_off);
                let attempt = self.attempt(&message, context, (channel, *policy), endpoints);
                let too_late = "it was not done in the time that a test may take";
                timeout_at(until, attempt)
                    .await
                    .unwrap_or_else(|_| Some(Attempt::failed(too_late)))
            }
            Some(Work::Write(_)) | None => None,
        };
        let attempt = attempt.unwrap_or_else(|| Attempt::failed(CHANGED));
        let addressee_refused = attempt.addressee_refused;
        (attempt::recorded(attempt, began).0, addressee_refused)
    }

    /// Makes an attempt; none where the channel does not lead to the destination.
    async fn attempt(
        &self,
        message: &Message,
        context: &DeliveryContext,
        (channel, policy): (&Channel, Policy),
        endpoints: &Endpoints,
    ) -> Option<Attempt> {
        Some(match (channel, &message.set_off.to) {
            (Channel::Webhook(_), Destination::Endpoint(code)) => {
                let endpoint = endpoints.get(code);
                self.post(message, context, code, endpoint, policy).await
            }
            (Channel::Email(email), Destination::Readers(_)) => {
                self.mail(message, context, email, policy).await
            }
            (Channel::Publish(publish), Destination::Subject) => {
                self.publish(message, context, publish, policy).await
            }
            _ => return None,
        })
    }

    async fn post(
        &self,
        message: &Message,
        context: &DeliveryContext,
        code: &EndpointCode,
        endpoint: Option<&Endpoint>,
        policy: Policy,
    ) -> Attempt {
        let Some(endpoint) = endpoint else {
            return Attempt::failed(format!("there is no endpoint {code}"));
        };
        let id = &message.id;
        let (Ok(url), Ok(message_id)) = (WebhookUrl::parse(&endpoint.url), MessageId::new(id))
        else {
            return Attempt::failed(format!("the URL of endpoint {code} cannot be used"));
        };
        let now = self.store.clock().now();
        let valid = endpoint
            .secrets
            .iter()
            .filter(|secret| secret.expire_time.is_none_or(|expires| expires > now));
        let secrets = valid.filter_map(|secret| Secret::parse(&secret.secret).ok());
        let body = match context.body(message) {
            Ok(body) => body,
            Err(error) => return Attempt::failed(error.to_string()),
        };
        self.webhooks
            .post(Post {
                url,
                id: message_id,
                timestamp: u64::try_from(now.micros() / 1_000_000).unwrap_or(0),
                secrets: secrets.collect(),
                event: context.event(id, self.store.deployment()),
                body,
                timeout: policy.timeout.duration(),
            })
            .await
    }

    async fn mail(
        &self,
        message: &Message,
        context: &DeliveryContext,
        email: &Email,
        policy: Policy,
    ) -> Attempt {
        let Some(mailer) = &self.mailer else {
            return Attempt::failed(NO_MAIL_SERVER);
        };
        match context.mail(message, email) {
            Ok(letter) => within(policy.timeout, mailer.send(letter)).await,
            Err(attempt) => attempt,
        }
    }

    async fn publish(
        &self,
        message: &Message,
        context: &DeliveryContext,
        publish: &Publish,
        policy: Policy,
    ) -> Attempt {
        let Some(publisher) = &self.publisher else {
            return Attempt::failed(NO_NATS_SERVER);
        };
        let id = message.id.clone();
        let (subject, body) = match (context.subject(publish), context.body(message)) {
            (Ok(subject), Ok(body)) => (subject, body),
            (Err(error), _) => {
                return Attempt::refused(format!("the subject cannot be filled in: {error}"));
            }
            (_, Err(error)) => return Attempt::failed(error.to_string()),
        };
        let event = Event {
            attributes: context.event(&id, self.store.deployment()),
            id,
            subject,
            body,
        };
        within(policy.timeout, publisher.publish(event)).await
    }
}

async fn within(limit: Period, attempt: impl Future<Output = Attempt>) -> Attempt {
    let done = timeout(limit.duration(), attempt).await;
    done.unwrap_or_else(|_| Attempt::failed(format!("it was not done within {limit}")))
}
