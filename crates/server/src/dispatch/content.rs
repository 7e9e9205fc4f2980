//! The content of a delivery: the entry that set it off, and the order as its step left it, and what
//! is made of them for each transport.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};
use uuid::Uuid;
use waymark_domain::{
    delivery::Delivery,
    history::{Destination, Readers, SetOff},
    order::Order,
    template::TemplateError,
    value::{Currency, EmailAddress, Money, TemplateName, Timestamp},
    workflow::{CopyMethod, Email, Identity, Publish},
};
use waymark_persistence::{Batched, DeploymentId, Published};
use waymark_proto::{
    convert::order::order_to_wire,
    json::{self, JsonError, Names},
    v1,
};
use waymark_transports::{
    Attempt, CloudEvent,
    mail::{self, Mail, Mailbox},
};

/// A message to send, and how receivers tell it from others.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The id by which a receiver knows a repeat.
    pub(super) id: String,
    /// The name of its delivery; empty for a test.
    delivery_id: String,
    /// The action that wants it, and where it goes.
    pub(super) set_off: SetOff,
}

impl Message {
    /// The message of a delivery. Its id also tells this timeline from one that a restore brought
    /// back, which the name of the delivery does not.
    pub(super) fn of(delivery: &Delivery, context: &DeliveryContext) -> Self {
        let batch = context.entry.batch.0.iter().take(6);
        let batch = batch.fold(String::with_capacity(12), |mut text, byte| {
            use std::fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self {
            id: format!("msg_{batch}_{}", delivery.id),
            delivery_id: delivery.id.to_string(),
            set_off: SetOff {
                action: delivery.action.clone(),
                to: delivery.to.clone(),
            },
        }
    }

    /// A message that is sent once, to test an action.
    pub(super) fn test(set_off: SetOff) -> Self {
        Self {
            id: format!("test_{}", Uuid::new_v4().simple()),
            delivery_id: String::new(),
            set_off,
        }
    }
}

/// The context of a delivery: the entry, the order and the workflow that it is about.
#[derive(Debug, Clone)]
pub(super) struct DeliveryContext {
    /// The entry that set it off.
    pub(super) entry: Batched,
    /// The order as the step left it.
    pub(super) order: Order,
    /// The workflow as it is now, whose labels are shown.
    pub(super) published: Arc<Published>,
    /// Where the customer can follow the order, for mails; empty where nowhere.
    pub(super) feed_url: String,
}

impl DeliveryContext {
    pub(super) fn event(&self, id: &str, deployment: DeploymentId) -> CloudEvent {
        let logged = &self.entry.logged;
        CloudEvent {
            id: id.to_owned(),
            source: format!("/waymark/{deployment}/{}", logged.workflow),
            kind: format!("dev.waymark.order.{}", logged.entry.kind().word()),
            subject: logged.order_id.to_string(),
            time: instant(logged.entry.create_time),
            content_type: "application/json".to_owned(),
        }
    }

    /// The body of a webhook or an event: its type, its time, and the entry and order as protobuf's JSON.
    pub(super) fn body(&self, message: &Message) -> Result<Bytes, JsonError> {
        let logged = &self.entry.logged;
        let body = json!({
            "type": format!("order.{}", logged.entry.kind().word()),
            "timestamp": instant(logged.entry.create_time),
            "data": {
                "deliveryId": message.delivery_id,
                "action": message.set_off.action.to_string(),
                "entry": json::entry(&v1::HistoryEntry::from(logged), Names::Canonical)?,
                "order": json::order(&self.order_to_wire(), Names::Canonical)?,
            },
        });
        Ok(Bytes::from(body.to_string()))
    }

    /// The values that a template of mails may use.
    fn template_values(&self) -> Result<Value, JsonError> {
        let order = &self.order;
        let mut shown = json::order(&self.order_to_wire(), Names::Contract)?;
        let amounts = [
            ("grand_total_decimal", order.grand_total),
            ("total_paid_decimal", order.total_paid),
            ("total_refunded_decimal", order.total_refunded),
            ("total_canceled_decimal", order.total_canceled),
            ("total_invoiced_decimal", order.total_invoiced),
            ("total_due_decimal", order.total_due()),
            ("total_overpaid_decimal", order.total_overpaid()),
        ];
        if let Some(fields) = shown.as_object_mut() {
            for (name, amount) in amounts {
                fields.insert(name.to_owned(), Value::String(self.decimal(amount)));
            }
        }
        let entry = v1::HistoryEntry::from(&self.entry.logged);
        Ok(json!({
            "order": shown,
            "entry": json::entry(&entry, Names::Contract)?,
            "store_view": order.store_view.as_ref().map_or("", |view| view.as_str()),
            "customer": {
                "name": order.customer.name.as_str(),
                "email": order.customer.email.as_str(),
                "guest": order.customer.guest,
            },
            "feed_url": self.feed_url,
        }))
    }

    pub(super) fn subject(&self, publish: &Publish) -> Result<String, TemplateError> {
        let entry = &self.entry.logged.entry;
        publish.subject.fill_in(&waymark_domain::judge::Facts {
            workflow: self.published.graph.workflow(),
            order: &self.order,
            actor: &entry.actor,
            comment: &entry.comment,
            metadata: &entry.metadata,
            now: entry.create_time,
            recorded: entry.detail.recorded(),
            entry: Some(entry),
        })
    }

    /// The mail, or the attempt that failed with one that cannot be written.
    pub(super) fn mail(&self, message: &Message, email: &Email) -> Result<Mail, Attempt> {
        let order = &self.order;
        let (to, copies) = self.readers(email, &message.set_off.to);
        let name = match (to, &message.set_off.to) {
            (Some(address), Destination::Readers(_))
                if address == order.customer.email.as_str() =>
            {
                order.customer.name.as_str()
            }
            _ => "",
        };
        let mailbox = |name: &str, address: &str| {
            Mailbox::new(name, address)
                .map_err(|error| Attempt::refused(format!("{address}: {error}")))
        };
        let to = to.map(|address| mailbox(name, address)).transpose();
        let to = to.map_err(Attempt::with_addressee_refused)?;
        let copies = copies.into_iter().map(|address| mailbox("", address));
        let values = self.template_values();
        Ok(Mail {
            id: message.id.clone(),
            identity: identity(email.identity),
            to,
            bcc: copies.collect::<Result<_, _>>()?,
            template: template_for(email, order).to_string(),
            store_view: order
                .store_view
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            date: self.time(),
            context: values.map_err(|error| Attempt::refused(error.to_string()))?,
        })
    }

    /// The addressee of the mail, and its blind copies.
    fn readers<'e>(
        &'e self,
        email: &'e Email,
        to: &'e Destination,
    ) -> (Option<&'e str>, Vec<&'e str>) {
        let copies = || email.copy_to.iter().map(EmailAddress::as_str).collect();
        match to {
            Destination::Readers(Readers::Customer) => {
                let copies = match email.copy_method {
                    CopyMethod::Bcc => copies(),
                    CopyMethod::Separate => Vec::new(),
                };
                (Some(self.order.customer.email.as_str()), copies)
            }
            Destination::Readers(Readers::CustomerAlone | Readers::CustomerRefused) => {
                (Some(self.order.customer.email.as_str()), Vec::new())
            }
            Destination::Readers(Readers::Copies) => (None, copies()),
            Destination::Readers(Readers::Copy(address)) => (Some(address.as_str()), Vec::new()),
            Destination::Endpoint(_) | Destination::Subject => (None, Vec::new()),
        }
    }

    /// When the entry was written.
    fn time(&self) -> SystemTime {
        let micros = self.entry.logged.entry.create_time.micros();
        SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    fn order_to_wire(&self) -> v1::Order {
        order_to_wire(&self.published.graph, &self.order, None)
    }

    /// An amount in units of its currency, with the decimals that ISO 4217 gives it; with two where
    /// there is no currency, or one to which it gives none.
    fn decimal(&self, amount: Money) -> String {
        let currency = self.order.currency.as_ref();
        let unit = currency.and_then(Currency::whole_unit);
        let unit = unit.map_or(100, Money::minor_units);
        let decimals = unit.checked_ilog10().unwrap_or_default();
        let amount = amount.minor_units();
        if decimals == 0 {
            return amount.to_string();
        }
        let width = usize::try_from(decimals).unwrap_or_default();
        format!("{}.{:0width$}", amount / unit, amount % unit)
    }
}

fn instant(timestamp: Timestamp) -> String {
    DateTime::from_timestamp_micros(timestamp.micros())
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub(super) fn template_for<'e>(email: &'e Email, order: &Order) -> &'e TemplateName {
    email
        .guest_template
        .as_ref()
        .filter(|_| order.customer.guest)
        .unwrap_or(&email.template)
}

fn identity(identity: Identity) -> mail::Identity {
    match identity {
        Identity::General => mail::Identity::General,
        Identity::Sales => mail::Identity::Sales,
        Identity::Support => mail::Identity::Support,
        Identity::Custom1 => mail::Identity::Custom1,
        Identity::Custom2 => mail::Identity::Custom2,
    }
}
