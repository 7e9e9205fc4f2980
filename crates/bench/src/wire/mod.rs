//! gRPC on bare HTTP/2. Generator, server and database share the processors, so
//! a call here costs no more than its frames: no channel, no layers, and answers
//! are read no further than a row needs.

mod call;
mod connection;
mod message;
mod method;

pub(crate) use call::{Call, Incoming};
pub(crate) use connection::Connections;
pub(crate) use message::{
    HealthReport, HealthRequest, Listed, ListedOrder, StepFaults, StreamedStep, Watched, framed,
};
pub(crate) use method::Method;
