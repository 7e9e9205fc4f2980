//! The mail of a delivery.

use waymark_domain::{
    history::Destination,
    order::Order,
    value::TemplateName,
    workflow::{Email, Identity},
};
use waymark_transports::{
    Attempt,
    mail::{self, Mail, Mailbox},
};

use super::content::{DeliveryContext, Message};

/// The template of the mail about an order.
pub(super) fn template_for<'e>(email: &'e Email, order: &Order) -> &'e TemplateName {
    email
        .guest_template
        .as_ref()
        .filter(|_| order.customer.guest)
        .unwrap_or(&email.template)
}

/// Writes a mail, or gives the attempt that failed with one that cannot be written.
pub(super) fn write(
    message: &Message,
    context: &DeliveryContext,
    email: &Email,
) -> Result<Mail, Attempt> {
    let order = &context.order;
    let template = template_for(email, order);
    let (to, copies) = context.readers(email, &message.set_off.to);
    let name = match (to, &message.set_off.to) {
        (Some(address), Destination::Readers(_)) if address == order.customer.email.as_str() => {
            order.customer.name.as_str()
        }
        _ => "",
    };
    let mailbox = |name: &str, address: &str| {
        Mailbox::new(name, address).map_err(|error| Attempt::refused(format!("{address}: {error}")))
    };
    let to = to.map(|address| mailbox(name, address)).transpose();
    let to = to.map_err(Attempt::with_addressee_refused)?;
    let copies = copies.into_iter().map(|address| mailbox("", address));
    let values = context.template_values();
    Ok(Mail {
        id: message.message_id.clone(),
        identity: identity(email.identity),
        to,
        bcc: copies.collect::<Result<_, _>>()?,
        template: template.to_string(),
        store_view: order
            .store_view
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        date: context.time(),
        context: values.map_err(|error| Attempt::refused(error.to_string()))?,
    })
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
