//! Closed loops, one for each kind of call.

use std::{collections::HashMap, time::Instant};

use bytes::Bytes;
use futures::future::try_join_all;
use h2::SendStream;

use super::{BATCH_STEPS, CREATE_STEPS, Kind, Shift};
use crate::{
    card::Card,
    failure::Failure,
    shop,
    wire::{Call, Method, StepFaults, StreamedStep},
};

impl Shift<'_> {
    pub(super) async fn closed(&self, kind: Kind, in_flight: usize) -> Result<(), Failure> {
        match kind {
            Kind::Unary => {
                let call = Method::TRANSITION_ORDER.call()?;
                try_join_all((0..in_flight).map(|_| self.unary(&call))).await?;
            }
            Kind::Get => {
                let call = Method::GET_ORDER.call()?;
                try_join_all((0..in_flight).map(|_| self.get(&call))).await?;
            }
            Kind::Batch => {
                let call = Method::EXECUTE_STEPS.call()?;
                let calls = in_flight.div_ceil(BATCH_STEPS);
                try_join_all((0..calls).map(|_| self.batch(&call))).await?;
            }
            Kind::Stream => {
                let call = Method::STREAM_STEPS.call()?;
                let streams = self.connections.count();
                let each = in_flight.div_ceil(streams.max(1));
                try_join_all((0..streams).map(|_| self.stream(&call, each))).await?;
            }
            Kind::Create => {
                let call = Method::CREATE_ORDER.call()?;
                try_join_all((0..in_flight).map(|_| self.create(&call))).await?;
            }
            Kind::CreateSteps => {
                let call = Method::EXECUTE_STEPS.call()?;
                let calls = in_flight.div_ceil(CREATE_STEPS);
                try_join_all((0..calls).map(|_| self.create_many(&call))).await?;
            }
        }
        Ok(())
    }

    async fn unary(&self, call: &Call) -> Result<(), Failure> {
        while !self.window.is_over() {
            let card = self.deck.borrow_mut().draw()?;
            self.step(call, card, Instant::now()).await?;
        }
        Ok(())
    }

    /// One step as a call of its own, which was due at an instant.
    pub(super) async fn step(&self, call: &Call, card: Card, due: Instant) -> Result<(), Failure> {
        let request = self.composer.borrow_mut().call(card);
        call.send_and_drain(self.connections.sender()?, request)
            .await?;
        self.tally.borrow_mut().count(1, due);
        self.deck.borrow_mut().moved(card);
        Ok(())
    }

    async fn get(&self, call: &Call) -> Result<(), Failure> {
        while !self.window.is_over() {
            let request = shop::get(self.deck.borrow_mut().any());
            let begun = Instant::now();
            call.send_and_drain(self.connections.sender()?, request)
                .await?;
            self.tally.borrow_mut().count(1, begun);
        }
        Ok(())
    }

    async fn batch(&self, call: &Call) -> Result<(), Failure> {
        while !self.window.is_over() {
            let cards = (0..BATCH_STEPS)
                .map(|_| self.deck.borrow_mut().draw())
                .collect::<Result<Vec<_>, _>>()?;
            let request = self.composer.borrow_mut().batch(&cards);
            self.execute(call, request, BATCH_STEPS).await?;
            for card in cards {
                self.deck.borrow_mut().moved(card);
            }
        }
        Ok(())
    }

    async fn create(&self, call: &Call) -> Result<(), Failure> {
        while !self.window.is_over() {
            let request = self.composer.borrow_mut().creation();
            let begun = Instant::now();
            call.send_and_drain(self.connections.sender()?, request)
                .await?;
            self.tally.borrow_mut().count(1, begun);
        }
        Ok(())
    }

    async fn create_many(&self, call: &Call) -> Result<(), Failure> {
        while !self.window.is_over() {
            let request = self.composer.borrow_mut().creations(CREATE_STEPS);
            self.execute(call, request, CREATE_STEPS).await?;
        }
        Ok(())
    }

    /// One call with so many steps, none of which may be refused.
    async fn execute(&self, call: &Call, request: Bytes, steps: usize) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut answer = call.send(self.connections.sender()?, request).await?;
        let method = call.method();
        let message = answer.message().await?;
        let message = message.ok_or(Failure::NoMessage { method })?;
        let faults: StepFaults = prost::Message::decode(message)?;
        answer.finish().await?;
        if faults.results.len() != steps {
            return Err(Failure::NoMessage { method });
        }
        for fault in faults.results {
            fault.check()?;
        }
        self.tally.borrow_mut().count(steps as u64, begun);
        Ok(())
    }

    /// Keeps `in_flight` steps on one stream.
    async fn stream(&self, call: &Call, in_flight: usize) -> Result<(), Failure> {
        let (answer, mut outgoing) = call.begin(self.connections.sender()?).await?;
        let mut waiting = HashMap::with_capacity(in_flight);
        for _ in 0..in_flight {
            self.put(&mut outgoing, &mut waiting)?;
        }
        let mut answer = call.answered(answer).await?;
        while !waiting.is_empty() {
            let message = answer.message().await?;
            let message = message.ok_or(Failure::NoMessage {
                method: call.method(),
            })?;
            let streamed: StreamedStep = prost::Message::decode(message)?;
            let correlation_id = streamed.correlation_id;
            let Some((card, begun)) = correlation_id
                .parse::<usize>()
                .ok()
                .and_then(|number| waiting.remove(&number))
            else {
                return Err(Failure::Uncorrelated { correlation_id });
            };
            streamed.result.unwrap_or_default().check()?;
            self.tally.borrow_mut().count(1, begun);
            self.deck.borrow_mut().moved(card);
            if !self.window.is_over() {
                self.put(&mut outgoing, &mut waiting)?;
            }
        }
        outgoing.send_data(Bytes::new(), true)?;
        answer.finish().await
    }

    /// Puts one more step on a stream.
    fn put(
        &self,
        outgoing: &mut SendStream<Bytes>,
        waiting: &mut HashMap<usize, (Card, Instant)>,
    ) -> Result<(), Failure> {
        let card = self.deck.borrow_mut().draw()?;
        outgoing.send_data(self.composer.borrow_mut().streamed(card), false)?;
        waiting.insert(card.number, (card, Instant::now()));
        Ok(())
    }
}
