//! What was sent when, so that the inputs that were under way while somebody else waited can be named.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

/// How many inputs are remembered: those of some ten seconds.
const REMEMBERED: usize = 4_096;
/// How much of an input is remembered, in characters.
const SHOWN: usize = 1_000;

/// The last inputs of all attackers; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<Inputs>>);

#[derive(Debug, Default)]
struct Inputs {
    next: u64,
    last: VecDeque<Input>,
}

#[derive(Debug)]
struct Input {
    number: u64,
    what: String,
    began: Instant,
    ended: Option<Instant>,
}

/// An input that is under way until this is dropped.
#[derive(Debug)]
pub struct UnderWay<'j> {
    journal: &'j Journal,
    number: u64,
}

impl Journal {
    /// Notes that an input is sent.
    pub fn begin(&self, kind: &str, input: &str) -> UnderWay<'_> {
        let shown: String = input.chars().take(SHOWN).collect();
        let mut inputs = self.inputs();
        let number = inputs.next;
        inputs.next += 1;
        inputs.last.push_back(Input {
            number,
            what: format!("{kind}: {shown}"),
            began: Instant::now(),
            ended: None,
        });
        if inputs.last.len() > REMEMBERED {
            inputs.last.pop_front();
        }
        drop(inputs);
        UnderWay {
            journal: self,
            number,
        }
    }

    /// The inputs that were under way at any time between two instants.
    pub fn between(&self, since: Instant, until: Instant) -> Vec<String> {
        let inputs = self.inputs();
        let under_way = inputs
            .last
            .iter()
            .filter(|input| input.began <= until && input.ended.is_none_or(|ended| ended >= since));
        under_way.map(|input| input.what.clone()).collect()
    }

    fn inputs(&self) -> MutexGuard<'_, Inputs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut inputs = self.journal.inputs();
        let number = self.number;
        let found = inputs
            .last
            .iter_mut()
            .rev()
            .find(|input| input.number == number);
        if let Some(input) = found {
            input.ended = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_what_was_under_way() {
        let journal = Journal::default();
        let start = Instant::now();
        let first = journal.begin("a", "1");
        let second = journal.begin("b", "2");
        drop(first);
        let later = || Instant::now() + Duration::from_millis(1);
        let late = later();
        assert_eq!(journal.between(start, late), ["a: 1", "b: 2"]);
        assert_eq!(journal.between(late, late), ["b: 2"]);
        drop(second);
        let last = later();
        assert!(journal.between(last, last).is_empty());
    }
}
