//! Load on a server. In a closed loop a fixed number of calls are in flight, and
//! each that ends begins the next: that finds the rate. In an open loop calls
//! begin at a fixed rate, whether or not earlier ones have ended: that finds the
//! latency, counted from the instant at which a call was due.

mod closed;

use std::{cell::RefCell, time::Duration};

use clap::ValueEnum;

use crate::{
    deck::Deck,
    failure::Failure,
    shop::Composer,
    tally::{Tally, Window},
    wire::Connections,
};

/// How many steps `ExecuteSteps` carries.
pub(crate) const BATCH_STEPS: usize = 100;

/// What is asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// `TransitionOrder`, one call for each step.
    Unary,
    /// `StreamSteps`, one stream on each connection.
    Stream,
    /// `ExecuteSteps` with a hundred steps in each call.
    Batch,
    /// `GetOrder`.
    Get,
}

/// Who makes the load: connections, orders and requests.
#[derive(Debug)]
pub(crate) struct Generator {
    connections: Connections,
    deck: RefCell<Deck>,
    composer: RefCell<Composer>,
}

impl Generator {
    pub(crate) fn new(connections: Connections, deck: Deck) -> Self {
        Self {
            connections,
            deck: RefCell::new(deck),
            composer: RefCell::new(Composer::new()),
        }
    }

    /// Keeps `in_flight` steps or calls in flight for a while, and counts those that end.
    pub(crate) async fn closed(
        &self,
        kind: Kind,
        in_flight: usize,
        length: Duration,
    ) -> Result<Tally, Failure> {
        let window = Window::after_warm_up(length);
        let shift = Shift {
            connections: &self.connections,
            deck: &self.deck,
            composer: &self.composer,
            window,
            tally: RefCell::new(Tally::new(window)?),
        };
        shift.closed(kind, in_flight).await?;
        Ok(shift.tally.into_inner())
    }
}

/// One run of a generator.
struct Shift<'g> {
    connections: &'g Connections,
    deck: &'g RefCell<Deck>,
    composer: &'g RefCell<Composer>,
    window: Window,
    tally: RefCell<Tally>,
}
