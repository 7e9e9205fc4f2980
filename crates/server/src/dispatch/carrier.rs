//! Carries one delivery to its target, and says what becomes of it.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};
use waymark_domain::{
    delivery::{self, Delivery},
    history::{Destination, Readers, SetOff},
    order::Order,
    value::{EndpointCode, Period, TemplateName, Timestamp},
    workflow::{Channel, Email, Identity, Policy, Publish, Work},
};
use waymark_persistence::{Clock, DeploymentId, Endpoint, Error, Finished, NextStep, Store};
use waymark_transports::{
    Attempt, BuildError, MessageId, Outcome, Post, Secret, WebhookUrl, Webhooks,
    mail::{self, Mail, Mailbox, Mailer, Templates},
    publish::{ConnectError, Event, Publisher},
};

use super::{
    content::{Occasion, Parcel},
    unsent::{CHANGED, way},
};
use crate::settings::DispatchSettings;

/// How much waits vary, so that what failed together is not tried together.
const JITTER: f64 = 0.1;
/// The longest that a target may ask to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// What is said where the settings lack a server.
const NO_MAIL_SERVER: &str = "there is no mail server in the settings";
const NO_NATS_SERVER: &str = "there is no NATS server in the settings";

/// The endpoints by their codes.
pub(super) type Endpoints = HashMap<EndpointCode, Endpoint>;

/// Reads all endpoints.
///
/// # Errors
/// Returns [`Error`] when the database cannot be read.
pub(super) async fn endpoints(store: &Store) -> Result<Endpoints, Error> {
    Ok(by_code(store.endpoints().await?))
}

/// Endpoints by their codes.
pub(super) fn by_code(endpoints: Vec<Endpoint>) -> Endpoints {
    let endpoints = endpoints.into_iter();
    endpoints
        .map(|endpoint| (endpoint.code.clone(), endpoint))
        .collect()
}

/// What leads out of the house.
pub(crate) struct Carrier {
    webhooks: Webhooks,
    templates: Templates,
    mailer: Option<Mailer>,
    publisher: Option<Publisher>,
    deployment: DeploymentId,
    clock: Clock,
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").finish_non_exhaustive()
    }
}

/// Why nothing can be carried.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// There is no client for webhooks.
    #[error("there is no client for webhooks")]
    Webhooks(#[from] BuildError),
    /// The mail server of the settings cannot be used.
    #[error("the mail server of the settings cannot be used")]
    Mail(#[from] mail::SettingsError),
    /// The NATS servers of the settings cannot be used.
    #[error("the NATS servers of the settings cannot be used")]
    Nats(#[from] ConnectError),
}

/// What came of carrying a delivery.
pub(super) struct Carried {
    pub(super) finished: Finished,
    /// How long the target asks to be left alone.
    pub(super) pause: Option<Duration>,
    /// The URL that says that it is gone.
    pub(super) gone: Option<String>,
    /// Whether it was broken off to make room for others.
    pub(super) gave_way: bool,
    /// Whether the address of a mail's addressee was not taken, which says nothing of the others.
    pub(super) addressee_refused: bool,
}

impl Carrier {
    /// Opens what the settings name; no connection is made yet.
    ///
    /// # Errors
    /// Returns [`CarrierError`] for settings that cannot be used.
    pub(crate) async fn open(
        settings: &DispatchSettings,
        store: &Store,
    ) -> Result<Self, CarrierError> {
        let templates = match settings.templates.clone() {
            Some(directory) => Templates::in_directory(directory),
            None => Templates::embedded(),
        };
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
            deployment: store.deployment(),
            clock: store.clock().clone(),
        })
    }

    /// Waits until what publishes has ended, which it does not by itself; none without NATS.
    pub(crate) fn publisher_ended(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        self.publisher.as_ref().map(Publisher::ended)
    }

    /// What mails are made of, also where there is no mail server.
    pub(crate) fn templates(&self) -> &Templates {
        &self.templates
    }

    /// Why deliveries of a lane cannot be carried at all; none where they can.
    pub(crate) fn problem(&self, lane: &str) -> Option<&'static str> {
        match lane {
            "email" | "email.copies" if self.mailer.is_none() => Some(NO_MAIL_SERVER),
            "publish" if self.publisher.is_none() => Some(NO_NATS_SERVER),
            _ => None,
        }
    }

    /// Makes an attempt.
    pub(super) async fn carry(
        &self,
        delivery: Delivery,
        occasion: Occasion,
        endpoints: Arc<Endpoints>,
    ) -> Carried {
        let published = Arc::clone(&occasion.published);
        let (channel, policy) = match way(published.graph.workflow(), &delivery) {
            Ok(found) => found,
            Err(unsent) => {
                let next = unsent.next(self.clock.now(), &delivery.problem);
                return unattempted(delivery, next);
            }
        };
        let began = (Instant::now(), self.clock.now());
        let parcel = Parcel::of(&delivery, &occasion);
        let attempt = self.attempt(&parcel, &occasion, (channel, policy), &endpoints);
        let Some(attempt) = attempt.await else {
            return unattempted(delivery, changed());
        };
        let url = match &delivery.to {
            Destination::Endpoint(code) => endpoints.get(code).map(|endpoint| endpoint.url.clone()),
            Destination::Readers(_) | Destination::Subject => None,
        };
        self.judge(delivery, policy, attempt, began, url)
    }

    /// Carries something once, whether or not its action and its endpoint are switched on, and
    /// leaves it at that; not beyond an instant, even where the policy of the action waits longer.
    /// It also says whether the address of a mail's addressee was not taken.
    pub(super) async fn test(
        &self,
        set_off: SetOff,
        occasion: &Occasion,
        endpoints: &Endpoints,
        until: Instant,
    ) -> (delivery::Attempt, bool) {
        let began = (Instant::now(), self.clock.now());
        let workflow = occasion.published.graph.workflow();
        let attempt = match workflow.action(&set_off.action).map(|action| &action.work) {
            Some(Work::Send(channel, policy)) => {
                let parcel = Parcel::test(set_off);
                let attempt = self.attempt(&parcel, occasion, (channel, *policy), endpoints);
                let too_late = "it was not done in the time that a test may take";
                timeout_at(until, attempt)
                    .await
                    .unwrap_or_else(|_| Some(failed(too_late.to_owned())))
            }
            Some(Work::Write(_)) | None => None,
        };
        let attempt = attempt.unwrap_or_else(|| failed(CHANGED.to_owned()));
        let addressee_refused = attempt.addressee_refused;
        (recorded(attempt, began).0, addressee_refused)
    }

    /// Makes an attempt; none where the channel does not lead to the destination.
    async fn attempt(
        &self,
        parcel: &Parcel,
        occasion: &Occasion,
        (channel, policy): (&Channel, Policy),
        endpoints: &Endpoints,
    ) -> Option<Attempt> {
        Some(match (channel, &parcel.set_off.to) {
            (Channel::Webhook(_), Destination::Endpoint(code)) => {
                let endpoint = endpoints.get(code);
                self.post(parcel, occasion, code, endpoint, policy).await
            }
            (Channel::Email(email), Destination::Readers(_)) => {
                self.mail(parcel, occasion, email, policy).await
            }
            (Channel::Publish(publish), Destination::Subject) => {
                self.publish(parcel, occasion, publish, policy).await
            }
            _ => return None,
        })
    }

    async fn post(
        &self,
        parcel: &Parcel,
        occasion: &Occasion,
        code: &EndpointCode,
        endpoint: Option<&Endpoint>,
        policy: Policy,
    ) -> Attempt {
        let Some(endpoint) = endpoint else {
            return failed(format!("there is no endpoint {code}"));
        };
        let id = &parcel.message_id;
        let (Ok(url), Ok(message_id)) = (WebhookUrl::parse(&endpoint.url), MessageId::new(id))
        else {
            return failed(format!("the URL of endpoint {code} cannot be used"));
        };
        let now = self.clock.now();
        let valid = endpoint
            .secrets
            .iter()
            .filter(|secret| secret.expire_time.is_none_or(|expires| expires > now));
        let secrets = valid.filter_map(|secret| Secret::parse(&secret.secret).ok());
        let body = match occasion.body(parcel) {
            Ok(body) => body,
            Err(error) => return failed(error.to_string()),
        };
        self.webhooks
            .post(Post {
                url,
                id: message_id,
                timestamp: u64::try_from(now.micros() / 1_000_000).unwrap_or(0),
                secrets: secrets.collect(),
                event: occasion.event(id, self.deployment),
                body,
                timeout: policy.timeout.duration(),
            })
            .await
    }

    async fn mail(
        &self,
        parcel: &Parcel,
        occasion: &Occasion,
        email: &Email,
        policy: Policy,
    ) -> Attempt {
        let Some(mailer) = &self.mailer else {
            return failed(NO_MAIL_SERVER.to_owned());
        };
        let letter = match letter(parcel, occasion, email) {
            Ok(letter) => letter,
            Err(attempt) => return attempt,
        };
        within(policy.timeout, mailer.send(letter)).await
    }

    async fn publish(
        &self,
        parcel: &Parcel,
        occasion: &Occasion,
        publish: &Publish,
        policy: Policy,
    ) -> Attempt {
        let Some(publisher) = &self.publisher else {
            return failed(NO_NATS_SERVER.to_owned());
        };
        let id = parcel.message_id.clone();
        let (subject, body) = match (occasion.subject(publish), occasion.body(parcel)) {
            (Ok(subject), Ok(body)) => (subject, body),
            (Err(error), _) => {
                return refused(format!("the subject cannot be filled in: {error}"));
            }
            (_, Err(error)) => return failed(error.to_string()),
        };
        let event = Event {
            attributes: occasion.event(&id, self.deployment),
            id,
            subject,
            body,
        };
        within(policy.timeout, publisher.publish(event)).await
    }

    /// Decides what becomes of a delivery after an attempt.
    fn judge(
        &self,
        mut delivery: Delivery,
        policy: Policy,
        attempt: Attempt,
        began: (Instant, Timestamp),
        url: Option<String>,
    ) -> Carried {
        let now = self.clock.now();
        let is_gone = matches!(attempt.outcome, Outcome::Gone);
        let addressee_refused = attempt.addressee_refused;
        if addressee_refused && is_of_customer(&delivery.to) {
            delivery.to = Destination::Readers(Readers::CustomerRefused);
        }
        let (attempt, pause) = recorded(attempt, began);
        let problem = attempt.problem.clone();
        let failed = delivery.attempts.saturating_add(1);
        let next = match (attempt.outcome, policy.wait_after(failed)) {
            // It waits until somebody switches the endpoint on again.
            _ if is_gone => NextStep::Retry { at: now, problem },
            (delivery::Outcome::Accepted, _) => NextStep::Succeed,
            (delivery::Outcome::Failed, Some(wait)) => NextStep::Retry {
                at: later(
                    now,
                    jittered(wait.duration()).max(pause.unwrap_or_default()),
                ),
                problem,
            },
            (delivery::Outcome::Failed, None) | (delivery::Outcome::Refused, _) => {
                NextStep::GiveUp { problem }
            }
        };
        Carried {
            finished: Finished {
                delivery,
                attempt: Some(attempt),
                next,
            },
            pause,
            gone: url.filter(|_| is_gone),
            gave_way: false,
            addressee_refused,
        }
    }
}

fn is_of_customer(to: &Destination) -> bool {
    match to {
        Destination::Readers(
            Readers::Customer | Readers::CustomerAlone | Readers::CustomerRefused,
        ) => true,
        Destination::Readers(Readers::Copies | Readers::Copy(_))
        | Destination::Endpoint(_)
        | Destination::Subject => false,
    }
}

/// An attempt as it is noted, and how long its target asks to be left alone.
fn recorded(
    attempt: Attempt,
    (began, start_time): (Instant, Timestamp),
) -> (delivery::Attempt, Option<Duration>) {
    let Attempt {
        outcome,
        code,
        answer,
        addressee_refused: _,
    } = attempt;
    let (outcome, problem, pause) = match outcome {
        Outcome::Accepted => (delivery::Outcome::Accepted, String::new(), None),
        Outcome::Failed {
            problem,
            retry_after,
        } => (delivery::Outcome::Failed, problem, retry_after),
        Outcome::Refused { problem } => (delivery::Outcome::Refused, problem, None),
        Outcome::Gone => {
            let problem = "the endpoint says that it is gone for good (410)".to_owned();
            (delivery::Outcome::Failed, problem, None)
        }
    };
    let attempt = delivery::Attempt {
        start_time,
        duration: began.elapsed(),
        outcome,
        code,
        problem,
        answer,
    };
    (attempt, pause.map(|pause| pause.min(RETRY_AFTER_MAX)))
}

/// What cannot be attempted.
pub(super) fn unattempted(delivery: Delivery, next: NextStep) -> Carried {
    Carried {
        finished: Finished {
            delivery,
            attempt: None,
            next,
        },
        pause: None,
        gone: None,
        gave_way: false,
        addressee_refused: false,
    }
}

fn changed() -> NextStep {
    NextStep::GiveUp {
        problem: CHANGED.to_owned(),
    }
}

/// The template of the mail about an order.
pub(crate) fn template_for<'e>(email: &'e Email, order: &Order) -> &'e TemplateName {
    email
        .guest_template
        .as_ref()
        .filter(|_| order.customer.guest)
        .unwrap_or(&email.template)
}

/// Writes a mail, or says what comes of an attempt with one that cannot be written.
fn letter(parcel: &Parcel, occasion: &Occasion, email: &Email) -> Result<Mail, Attempt> {
    let order = &occasion.order;
    let template = template_for(email, order);
    let (to, copies) = occasion.readers(email, &parcel.set_off.to);
    let name = match (to, &parcel.set_off.to) {
        (Some(address), Destination::Readers(_)) if address == order.customer.email.as_str() => {
            order.customer.name.as_str()
        }
        _ => "",
    };
    let mailbox = |name: &str, address: &str| {
        Mailbox::new(name, address).map_err(|error| refused(format!("{address}: {error}")))
    };
    let to = to.map(|address| mailbox(name, address)).transpose();
    let to = to.map_err(|attempt| Attempt {
        addressee_refused: true,
        ..attempt
    })?;
    let copies = copies.into_iter().map(|address| mailbox("", address));
    let context = occasion.context();
    Ok(Mail {
        id: parcel.message_id.clone(),
        identity: identity(email.identity),
        to,
        bcc: copies.collect::<Result<_, _>>()?,
        template: template.to_string(),
        store_view: order
            .store_view
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        date: occasion.time(),
        context: context.map_err(|error| refused(error.to_string()))?,
    })
}

fn identity(identity: Identity) -> waymark_transports::mail::Identity {
    use waymark_transports::mail;
    match identity {
        Identity::General => mail::Identity::General,
        Identity::Sales => mail::Identity::Sales,
        Identity::Support => mail::Identity::Support,
        Identity::Custom1 => mail::Identity::Custom1,
        Identity::Custom2 => mail::Identity::Custom2,
    }
}

async fn within(limit: Period, attempt: impl Future<Output = Attempt>) -> Attempt {
    match timeout(limit.duration(), attempt).await {
        Ok(attempt) => attempt,
        Err(_) => failed(format!("it was not done within {limit}")),
    }
}

fn failed(problem: String) -> Attempt {
    unanswered(Outcome::Failed {
        problem,
        retry_after: None,
    })
}

fn refused(problem: String) -> Attempt {
    unanswered(Outcome::Refused { problem })
}

fn unanswered(outcome: Outcome) -> Attempt {
    Attempt {
        outcome,
        code: None,
        answer: Vec::new(),
        addressee_refused: false,
    }
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + JITTER * (2.0 * fastrand::f64() - 1.0))
}

/// The instant some time after another.
pub(super) fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.micros().saturating_add(micros))
}
