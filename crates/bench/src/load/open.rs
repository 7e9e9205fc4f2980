//! The open loop. A thread of its own says when the next step is due: the timer
//! of the runtime is too coarse for latencies below a millisecond.

use std::{
    thread,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Shift;
use crate::{failure::Failure, tally::Window, wire::Method};

impl Shift<'_> {
    pub(super) async fn open(&self, rate: f64) -> Result<(), Failure> {
        let call = &Method::TRANSITION_ORDER.call()?;
        let mut due = clock(self.window, rate)?;
        let mut in_flight = FuturesUnordered::new();
        loop {
            tokio::select! {
                next = due.recv() => match next {
                    Some(due) => {
                        let card = self.deck.borrow_mut().draw()?;
                        in_flight.push(self.step(call, card, due));
                    }
                    None => break,
                },
                Some(done) = in_flight.next() => done?,
            }
        }
        while let Some(done) = in_flight.next().await {
            done?;
        }
        Ok(())
    }
}

/// The instants at which steps are due, each when it has come.
fn clock(window: Window, rate: f64) -> Result<UnboundedReceiver<Instant>, Failure> {
    let (sender, receiver) = unbounded_channel();
    let interval = Duration::from_secs_f64(1.0 / rate.max(1.0));
    thread::Builder::new()
        .name("clock".to_owned())
        .spawn(move || tick(&sender, window, interval))
        .map_err(Failure::io("no thread for the clock"))?;
    Ok(receiver)
}

fn tick(sender: &UnboundedSender<Instant>, window: Window, interval: Duration) {
    let mut due = Instant::now();
    while due < window.end {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // Nobody listens any more: the run has failed.
        if sender.send(due).is_err() {
            return;
        }
        due += interval;
    }
}
