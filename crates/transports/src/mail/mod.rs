//! Mails to customers and the merchant's copies: composed from templates, sent
//! through an SMTP server. Start at [`Mailer::send`].

mod connections;
mod identity;
mod mailbox;
mod mailer;
mod message;
mod settings;
mod stream;
mod template;
mod transaction;

pub use identity::{Identity, Senders, UnknownIdentity};
pub use mailbox::{InvalidMailbox, Mailbox};
pub use mailer::Mailer;
pub use message::Mail;
pub use settings::{Security, Server, SettingsError, UnknownSecurity};
pub use template::Templates;
