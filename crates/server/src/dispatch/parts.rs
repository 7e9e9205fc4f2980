//! The parts of the server that a dispatcher works with.

use std::sync::Arc;

use waymark_persistence::Store;

use super::{test_action::TestSlots, transports::Transports};
use crate::{committer::Committer, wake::Wake};

/// The parts of the server that a dispatcher works with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The store.
    pub(crate) store: Store,
    /// The committer, which takes the steps of timers.
    pub(crate) committer: Arc<Committer>,
    /// The outbound transports.
    pub(crate) transports: Arc<Transports>,
    /// The tests of actions, which count as in flight.
    pub(crate) test_slots: Arc<TestSlots>,
    /// The signal that there may be something to send.
    pub(crate) wake: Wake,
}
