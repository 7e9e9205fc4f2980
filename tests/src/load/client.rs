//! Clients: each does one call after the other, and comes again as a client of its habit may.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    call::{Call, Sent, Together, read},
    choice::Chooser,
    dice::Dice,
    recorder::Recorder,
    verdict::{is_fault, is_in_order},
};
use crate::{
    Clients,
    validator::{Answer, Read, Step},
};

/// How long a client comes again before it gives the service up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Who comes again, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Sends request ids, and comes again also when it does not know what became of a call.
    Careful,
    /// Sends none, and comes again only when it was told that nothing was written.
    Plain,
}

/// Many clients.
#[derive(Debug, Clone, Copy)]
pub struct Clientele {
    /// How many; every other one is careful.
    pub clients: usize,
    /// How many calls each makes at most.
    pub calls_max: usize,
    /// How many orders they share.
    pub orders: usize,
}

impl Clientele {
    /// Starts them. Each begins at one of `servers`, and goes to the next when one does not serve it.
    pub fn start(self, recorder: &Arc<Recorder>, servers: &[Vec<Clients>]) -> JoinSet<()> {
        let seed = recorder.record().seed;
        let mut set = JoinSet::new();
        for number in 0..self.clients {
            let habit = if number % 2 == 0 {
                Habit::Careful
            } else {
                Habit::Plain
            };
            let client = Client {
                recorder: recorder.clone(),
                // Of each habit some begin at each server.
                servers: servers[(number / 2) % servers.len()].clone(),
                turn: number,
                habit,
                dice: Dice::new(seed.wrapping_add(u64::try_from(number).expect("few clients"))),
            };
            set.spawn(client.run(number, self));
        }
        set
    }
}

struct Client {
    recorder: Arc<Recorder>,
    servers: Vec<Clients>,
    turn: usize,
    habit: Habit,
    dice: Dice,
}

impl Client {
    async fn run(mut self, number: usize, clientele: Clientele) {
        let recorder = self.recorder.clone();
        let mut chooser = Chooser {
            recorder: &recorder,
            dice: Dice::new(self.dice.number()),
            name: format!("c{number}"),
            count: 0,
            has_request_ids: self.habit == Habit::Careful,
            orders: clientele.orders,
        };
        for _ in 0..clientele.calls_max {
            if recorder.is_over() {
                return;
            }
            let call = chooser.next();
            self.carry_out(&call).await;
            if self.dice.chance(10) {
                self.look().await;
            }
        }
    }

    /// Makes a call until each of its steps has an answer that this client takes for the last.
    async fn carry_out(&mut self, call: &Call) {
        let deadline = Instant::now() + PATIENCE;
        let began = self.recorder.now();
        let steps = call.steps();
        let mut tries = vec![Vec::new(); steps.len()];
        let mut open: Vec<usize> = (0..steps.len()).collect();
        while !open.is_empty() {
            if Instant::now() > deadline {
                self.recorder
                    .protest(format!("given up after {PATIENCE:?}: {call:?}"));
                break;
            }
            if let Sent::Answered(answers) = call.only(&open).send(self.server()).await {
                let orders: Vec<_> = open.iter().map(|place| &steps[*place].1).collect();
                if !is_in_order(&orders, &answers) {
                    self.recorder
                        .protest(format!("not in this order: {call:?}"));
                }
                for (place, answer) in open.iter().zip(answers) {
                    self.note(&answer, call);
                    tries[*place].push(answer);
                }
                open.retain(|place| {
                    tries[*place]
                        .last()
                        .is_none_or(|answer| self.comes_again(answer))
                });
            }
            if !open.is_empty() {
                self.turn += 1;
                let pause = 5 + self.dice.below(20);
                sleep(Duration::from_millis(u64::try_from(pause).expect("short"))).await;
            }
        }
        let ended = self.recorder.now();
        let is_atomic = matches!(
            call,
            Call::Many {
                how: Together::Atomic,
                ..
            }
        );
        let group = is_atomic.then(|| self.recorder.fresh_group());
        let steps = steps.into_iter().zip(tries);
        let steps = steps.map(|((mark, order), tries)| Step {
            mark,
            order,
            group,
            began,
            ended,
            tries,
        });
        self.recorder.add_steps(steps.collect());
    }

    /// Reads an order. A reader who is told that there is no answer does not mind.
    async fn look(&mut self) {
        let number = self.dice.below(self.recorder.order_count().max(1));
        let Some((id, _)) = self.recorder.order(number) else {
            return;
        };
        let began = self.recorder.now();
        match read(self.server(), self.recorder.workflow(), &id).await {
            Ok(order) => self.recorder.record().reads.push(Read { began, order }),
            Err(answer) if is_fault(&answer) || matches!(answer, Answer::Refused(..)) => {
                self.recorder
                    .protest(format!("{answer:?} to a reader of {id}"));
            }
            Err(_) => self.turn += 1,
        }
    }

    fn server(&self) -> &Clients {
        &self.servers[self.turn % self.servers.len()]
    }

    fn comes_again(&self, answer: &Answer) -> bool {
        match answer {
            Answer::Unavailable(_) => true,
            Answer::Unknown(_) => self.habit == Habit::Careful,
            Answer::Done(_) | Answer::Refused(..) => false,
        }
    }

    fn note(&self, answer: &Answer, call: &Call) {
        self.recorder.count(answer);
        if is_fault(answer) {
            self.recorder.protest(format!("{answer:?} to {call:?}"));
        }
    }
}
