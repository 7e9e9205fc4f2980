//! Load on a server. In a closed loop a fixed number of calls are in flight, and
//! each that ends begins the next: that finds the rate. In an open loop calls
//! begin at a fixed rate, whether or not earlier ones have ended: that finds the
//! latency, counted from the instant at which a call was due.

mod closed;
mod open;

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    deck::Deck,
    failure::Failure,
    shop::Composer,
    tally::{Tally, Window},
    wire::{Connections, Method},
};

/// The number of steps in a call of `ExecuteSteps`.
pub(crate) const BATCH_STEPS: usize = 100;
/// The number of new orders in a call of `ExecuteSteps`.
pub(crate) const CREATE_STEPS: usize = 64;
/// Steps in flight where nothing is measured.
const UNMEASURED_STEPS: usize = 256;

/// The kind of calls.
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
    /// `CreateOrder`.
    Create,
    /// `ExecuteSteps` with 64 new orders in each call.
    CreateSteps,
}

/// The orders of one database, and the requests that move them.
#[derive(Debug)]
pub(crate) struct Generator {
    deck: RefCell<Deck>,
    composer: RefCell<Composer>,
}

impl Generator {
    pub(crate) fn new(deck: Deck) -> Self {
        Self {
            deck: RefCell::new(deck),
            composer: RefCell::new(Composer::new()),
        }
    }

    /// Keeps `in_flight` steps or calls in flight for a while, and counts those that end.
    pub(crate) async fn closed(
        &self,
        connections: &Connections,
        kind: Kind,
        in_flight: usize,
        length: Duration,
    ) -> Result<Tally, Failure> {
        let shift = self.shift(connections, length)?;
        shift.closed(kind, in_flight).await?;
        Ok(shift.tally.into_inner())
    }

    /// Begins `rate` steps in each second for a while, each as a call of its own.
    pub(crate) async fn open(
        &self,
        connections: &Connections,
        rate: f64,
        length: Duration,
    ) -> Result<Tally, Failure> {
        let shift = self.shift(connections, length)?;
        shift.open(rate).await?;
        Ok(shift.tally.into_inner())
    }

    /// Moves so many orders once each, outside any measurement.
    pub(crate) async fn pass(
        &self,
        connections: &Connections,
        orders: usize,
    ) -> Result<(), Failure> {
        let shift = &self.shift(connections, Duration::ZERO)?;
        let call = &Method::TRANSITION_ORDER.call()?;
        let cards = self.deck.borrow_mut().deal(orders)?;
        stream::iter(cards)
            .map(async |card| shift.step(call, card, Instant::now()).await)
            .buffer_unordered(UNMEASURED_STEPS)
            .try_collect()
            .await
    }

    fn shift<'g>(
        &'g self,
        connections: &'g Connections,
        length: Duration,
    ) -> Result<Shift<'g>, Failure> {
        let window = Window::after_warm_up(length);
        Ok(Shift {
            connections,
            deck: &self.deck,
            composer: &self.composer,
            window,
            tally: RefCell::new(Tally::new(window)?),
        })
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
