//! Carries what a step set off to its target: webhooks to endpoints, mails to
//! an SMTP server, events to NATS.
//!
//! It makes one attempt and says what came of it. It knows neither a database
//! nor gRPC, repeats nothing and remembers nothing: when to try again is the
//! dispatcher's business.
//!
//! Start at [`Attempt`], then [`mail::Mailer`] and [`publish::Publisher`].

mod attempt;
mod cloud_event;
pub mod mail;
mod password;
pub mod publish;

pub use attempt::{ANSWER_BYTES_MAX, Attempt, Outcome};
pub use cloud_event::CloudEvent;
pub use password::Password;
