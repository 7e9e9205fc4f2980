//! One mail over one SMTP connection, recipient by recipient.

use std::error::Error as _;

use lettre::{
    Address,
    transport::smtp::{
        Error,
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Rcpt},
        extension::{Extension, MailParameter},
        response::Response,
    },
};

use super::message::Letter;
use crate::Attempt;

/// "Authentication required", the reply to any mail of a server that wants a login.
const LOGIN_REQUIRED: u16 = 530;

/// Hands `letter` over.
///
/// An addressee who is refused ends it before anybody got the mail, so that the
/// copies can go by themselves and the addressee be tried again alone. A copy that
/// is refused keeps nobody else from the mail: it is named in the answer, and not
/// tried again, since a repeat would go to the others a second time.
///
/// # Errors
/// Returns the error of a connection that is of no more use.
pub(super) async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    letter: &Letter,
) -> Result<Attempt, Error> {
    let takes_utf8 = Extension::SmtpUtfEight;
    let mut parameters = Vec::new();
    if letter.needs_utf8() {
        if !connection.server_info().supports_feature(takes_utf8) {
            let attempt = Attempt::refused("the mail server takes only addresses in ASCII");
            return Ok(if letter.is_ascii_but_for_addressee() {
                attempt.with_addressee_refused()
            } else {
                attempt
            });
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    let from = Mail::new(Some(letter.from.clone()), parameters);
    if let Err(negative) = reply(connection.command(from).await)? {
        return Ok(negative.attempt("the sender"));
    }
    if let Some(to) = &letter.to
        && let Err(negative) = recipient(connection, to).await?
    {
        let attempt = negative.attempt(to.as_ref());
        // A server that wants a login says so of any address.
        return Ok(if negative.code == LOGIN_REQUIRED {
            attempt
        } else {
            attempt.with_addressee_refused()
        });
    }
    let mut refused = Vec::new();
    for copy in &letter.copies {
        if let Err(negative) = recipient(connection, copy).await? {
            refused.push((copy, negative));
        }
    }
    if letter.to.is_none() && refused.len() == letter.copies.len() {
        return Ok(all_refused(&refused));
    }
    content(connection, letter, &refused).await
}

async fn recipient(
    connection: &mut AsyncSmtpConnection,
    address: &Address,
) -> Result<Result<Response, NegativeReply>, Error> {
    let command = Rcpt::new(address.clone(), Vec::new());
    reply(connection.command(command).await)
}

async fn content(
    connection: &mut AsyncSmtpConnection,
    letter: &Letter,
    refused: &[(&Address, NegativeReply)],
) -> Result<Attempt, Error> {
    if let Err(negative) = reply(connection.command(Data).await)? {
        return Ok(negative.attempt("the mail"));
    }
    let positive = match reply(connection.message(&letter.content).await)? {
        Ok(positive) => positive,
        Err(negative) => return Ok(negative.attempt("the mail")),
    };
    let mut answer: Vec<_> = positive.message().map(str::to_owned).collect();
    for (address, NegativeReply { code, text }) in refused {
        answer.push(format!("no copy to {address}: {code} {text}"));
    }
    let code = Some(positive.code().into());
    Ok(Attempt::accepted(code, &answer.join("\n")))
}

/// The attempt that reached nobody. The first copy that another attempt may reach decides; else
/// the first one.
fn all_refused(refused: &[(&Address, NegativeReply)]) -> Attempt {
    let transient = refused.iter().find(|(_, negative)| negative.is_transient());
    match transient.or(refused.first()) {
        Some((address, negative)) => negative.attempt(AsRef::<str>::as_ref(*address)),
        None => Attempt::refused("the mail has no recipient"),
    }
}

/// A reply of 4xx or 5xx.
struct NegativeReply {
    code: u16,
    text: String,
}

impl NegativeReply {
    fn is_transient(&self) -> bool {
        self.code < 500 || self.code == LOGIN_REQUIRED
    }

    fn attempt(&self, what: &str) -> Attempt {
        let problem = format!("the mail server answered {} for {what}", self.code);
        let attempt = if self.is_transient() {
            Attempt::failed(problem)
        } else {
            Attempt::refused(problem)
        };
        attempt.with_answer(Some(self.code), &self.text)
    }
}

/// Separates a negative reply from a connection that broke.
fn reply(result: Result<Response, Error>) -> Result<Result<Response, NegativeReply>, Error> {
    match result {
        Ok(positive) => Ok(Ok(positive)),
        Err(error) => match error.status() {
            Some(code) => Ok(Err(NegativeReply {
                code: code.into(),
                text: error.source().map(ToString::to_string).unwrap_or_default(),
            })),
            None => Err(error),
        },
    }
}
