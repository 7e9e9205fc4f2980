//! The outbound transports: webhooks to endpoints, mails to an SMTP server, events to NATS.
//!
//! A transport makes one attempt to deliver and returns its result. It knows neither a database nor
//! gRPC, repeats nothing and remembers nothing: when to try again is the dispatcher's business.
//!
//! Start at [`Attempt`], then [`Webhooks`], [`mail::Mailer`] and [`publish::Publisher`].

mod address;
mod answer;
mod attempt;
mod client;
mod cloud_event;
pub mod mail;
mod message_id;
mod password;
mod policy;
mod post;
mod problem;
pub mod publish;
mod resolver;
mod secret;
mod signature;
mod tls;
mod webhook;
mod webhook_url;

pub use address::{Allowed, InvalidEntry};
pub use attempt::{ANSWER_BYTES_MAX, Attempt, Outcome};
pub use cloud_event::CloudEvent;
pub use message_id::{InvalidMessageId, MessageId};
pub use password::Password;
pub use policy::{Barred, WebhookSettings};
pub use post::Post;
pub use resolver::{Addrs, Name, Resolve, Resolving};
pub use secret::{InvalidSecret, SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret};
pub use webhook::{BuildError, Webhooks};
pub use webhook_url::{InvalidUrl, URL_BYTES_MAX, WebhookUrl};
