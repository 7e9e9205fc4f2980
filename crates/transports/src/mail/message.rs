//! A mail as its caller asks for it, and the letter that goes over the wire.

use std::time::{SystemTime, UNIX_EPOCH};

use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use super::{Identity, Mailbox, template::Rendered};

const ID_BYTES_MAX: usize = 128;
/// The first second of the year 10000, which a date in a mail cannot say.
const DATE_END_S: u64 = 253_402_300_800;

/// One mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The id of the delivery: the same at every attempt, so that receivers can
    /// tell a repeat. 1 to 128 of the characters `A-Z a-z 0-9 - _ .`
    pub id: String,
    /// The sender.
    pub identity: Identity,
    /// The addressee; none where only copies are sent.
    pub to: Option<Mailbox>,
    /// The recipients of blind copies.
    pub bcc: Vec<Mailbox>,
    /// The name of its template.
    pub template: String,
    /// The store view whose templates come first; empty = none.
    pub store_view: String,
    /// The time when it was set off, for its `Date`.
    pub date: SystemTime,
    /// The variables of the template; docs/mails.md lists them. The mailer adds `sender`.
    pub context: serde_json::Value,
}

/// A mail as it is sent by SMTP.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) from: Address,
    /// The addressee, without whom the letter is sent to nobody.
    pub(super) to: Option<Address>,
    pub(super) copies: Vec<Address>,
    pub(super) content: Vec<u8>,
}

/// The reason why no letter can be made of a mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum ComposeError {
    #[error("the mail has no recipient")]
    NoRecipient,
    #[error("the id of the delivery cannot stand in a mail")]
    Id,
    #[error("the date of the mail lies before 1970 or after 9999")]
    Date,
    #[error("the mail cannot be written")]
    Write(#[from] lettre::error::Error),
}

impl Letter {
    /// Writes the letter from `sender` with the rendered parts.
    pub(super) fn compose(
        mail: &Mail,
        sender: &Mailbox,
        rendered: Rendered,
    ) -> Result<Self, ComposeError> {
        let to = mail.to.as_ref().map(|mailbox| mailbox.path().clone());
        let mut copies: Vec<Address> = Vec::new();
        for mailbox in &mail.bcc {
            let path = mailbox.path();
            if to.as_ref() != Some(path) && !copies.contains(path) {
                copies.push(path.clone());
            }
        }
        let everybody: Vec<_> = to.iter().chain(&copies).cloned().collect();
        if everybody.is_empty() {
            return Err(ComposeError::NoRecipient);
        }
        let envelope = Envelope::new(Some(sender.path().clone()), everybody)?;
        Ok(Self {
            from: sender.path().clone(),
            to,
            copies,
            content: write(mail, sender, rendered, envelope)?.formatted(),
        })
    }

    /// Whether an address needs a server that takes more than ASCII in addresses.
    pub(super) fn needs_utf8(&self) -> bool {
        let is_ascii = |to: &Address| AsRef::<str>::as_ref(to).is_ascii();
        !self.is_ascii_but_for_addressee() || !self.to.iter().all(is_ascii)
    }

    /// Whether no address but that of the addressee needs one.
    pub(super) fn is_ascii_but_for_addressee(&self) -> bool {
        let mut others = self.copies.iter().chain([&self.from]);
        others.all(|address| AsRef::<str>::as_ref(address).is_ascii())
    }
}

fn write(
    mail: &Mail,
    sender: &Mailbox,
    rendered: Rendered,
    envelope: Envelope,
) -> Result<Message, ComposeError> {
    let id = checked_id(&mail.id)?;
    // Servers refuse a mail without `To` (Amazon SES) and some one without any address in it, such as
    // `undisclosed-recipients:;`. The sender, to whom it does not go, is taken everywhere and discloses nobody.
    let to = mail.to.as_ref().unwrap_or(sender);
    let message = Message::builder()
        .date(checked_date(mail.date)?)
        .from(sender.header())
        .to(to.header())
        .subject(rendered.subject)
        .message_id(Some(format!("<{id}@{}>", sender.domain())))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Waymark-Delivery", id))
        .envelope(envelope);
    let message = match (rendered.text, rendered.html) {
        (Some(text), Some(html)) => {
            message.multipart(MultiPart::alternative_plain_html(text, html))
        }
        (None, Some(html)) => message.singlepart(SinglePart::html(html)),
        (text, None) => message.singlepart(SinglePart::plain(text.unwrap_or_default())),
    };
    Ok(message?)
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn checked_id(id: &str) -> Result<&str, ComposeError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(allowed) {
        return Err(ComposeError::Id);
    }
    Ok(id)
}

fn checked_date(date: SystemTime) -> Result<SystemTime, ComposeError> {
    let since_epoch = date.duration_since(UNIX_EPOCH);
    if since_epoch.is_ok_and(|since_epoch| since_epoch.as_secs() < DATE_END_S) {
        Ok(date)
    } else {
        Err(ComposeError::Date)
    }
}
