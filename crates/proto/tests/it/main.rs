//! Conversions between messages and the values of the domain, seen from outside.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect fails"
)]

mod arbitrary;
mod contract_page;
mod ledger;
mod masks;
mod refused;
mod requests;
mod round_trips;
mod sample;
mod tracking;
mod written;
