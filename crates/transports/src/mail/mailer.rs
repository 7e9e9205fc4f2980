//! The SMTP mailer: renders a mail, writes it and hands it over.

use std::{error::Error, sync::Arc};

use minijinja::{Value, context, value::Serde};

use super::{
    Identity, Mail, Senders, Server, SettingsError, Templates,
    connections::{ConnectError, Connections},
    message::{ComposeError, Letter},
    template::TemplateError,
    transaction,
};
use crate::Attempt;

/// Sends mails through one SMTP server. One for the whole process: it keeps
/// connections for the next mail.
pub struct Mailer {
    connections: Connections,
    senders: Senders,
    templates: Arc<Templates>,
}

/// The error of a mail that cannot be written, which no server saw.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error("the template could not be rendered")]
    Crashed(#[from] tokio::task::JoinError),
}

impl Mailer {
    /// A mailer for `server`. It opens no connection yet.
    ///
    /// # Errors
    /// Returns [`SettingsError::Certificate`] where TLS is wanted and the
    /// certificates cannot be used.
    pub fn new(
        server: Server,
        senders: Senders,
        templates: Templates,
    ) -> Result<Self, SettingsError> {
        let domain = senders.get(Identity::General).domain();
        Ok(Self {
            connections: Connections::new(server, domain)?,
            senders,
            templates: Arc::new(templates),
        })
    }

    /// Makes one attempt to send `mail`.
    ///
    /// Accepted is what the server answered 2xx to; the answer also names copies that it did not
    /// take. Where it does not take the address of the addressee, nobody got the mail, and the
    /// attempt says so. A reply of 4xx, a connection that fails and a time-out are failures; so is
    /// whatever goes wrong before the mail is named, a login included, since it is not the mail's
    /// fault. A reply of 5xx to the mail, a template that is broken and a mail that cannot be
    /// written are refusals.
    pub async fn send(&self, mail: Mail) -> Attempt {
        match self.compose(mail).await {
            Ok(letter) => self.deliver(&letter).await,
            Err(error) => Attempt::refused(error_chain(&error)),
        }
    }

    async fn compose(&self, mail: Mail) -> Result<Letter, WriteError> {
        let sender = self.senders.get(mail.identity).clone();
        let templates = Arc::clone(&self.templates);
        let task = tokio::task::spawn_blocking(move || {
            let given = Value::from(Serde(&mail.context));
            let context = context! {
                sender => context! { name => sender.name(), address => sender.address() },
                ..given
            };
            let rendered = templates.render(&mail.template, &mail.store_view, &context)?;
            Ok(Letter::compose(&mail, &sender, rendered)?)
        });
        task.await?
    }

    async fn deliver(&self, letter: &Letter) -> Attempt {
        let timeout = self.connections.server().timeout();
        let name = self.server_name();
        match tokio::time::timeout(timeout, self.exchange(letter)).await {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(error)) => unreached(&name, &error),
            Err(_elapsed) => Attempt::failed(format!(
                "the mail server {name} was not done within {} s",
                timeout.as_secs_f64()
            )),
        }
    }

    async fn exchange(&self, letter: &Letter) -> Result<Attempt, ConnectError> {
        let mut ready = self.connections.take().await?;
        let attempt = transaction::hand_over(&mut ready.connection, letter).await?;
        self.connections.put_back(ready);
        Ok(attempt)
    }

    fn server_name(&self) -> String {
        let server = self.connections.server();
        format!("{}:{}", server.host(), server.port())
    }
}

/// The attempt that failed before any mail: at the connection, the greeting, STARTTLS or the login.
fn unreached(name: &str, error: &ConnectError) -> Attempt {
    let answered = match error {
        ConnectError::Unreached(_) => None,
        ConnectError::Smtp(error) => error.status().map(|code| (u16::from(code), error)),
    };
    match answered {
        Some((code, error)) => {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            let problem = format!("the mail server {name} answered {code} before any mail");
            Attempt::failed(problem).with_answer(Some(code), &text)
        }
        None => Attempt::failed(format!("the mail server {name}: {error}")),
    }
}

/// An error and its causes in one line.
fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
