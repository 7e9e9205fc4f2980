//! The crate against real servers, on loopback.

mod certificate;
mod mail;
mod nats;
mod publish;
mod smtp;
