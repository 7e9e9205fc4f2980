//! Conversions between messages and the values of the domain, seen from outside.

mod arbitrary;
mod masks;
mod refused;
mod requests;
mod round_trips;
mod sample;
mod written;
