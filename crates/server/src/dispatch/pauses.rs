//! Pauses of things that fail again and again, each twice as long as the one before.

use std::{borrow::Borrow, collections::HashMap, hash::Hash, time::Duration};

use tokio::time::Instant;
use waymark_domain::value::Timestamp;

/// The first pause, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// The things that have failed, and until when each is left alone.
#[derive(Debug)]
pub(super) struct Pauses<K>(HashMap<K, Pause>);

#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    length: Duration,
}

impl<K> Default for Pauses<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Pauses<K> {
    /// Leaves something alone that has failed, longer each time; says whether it is the first.
    pub(super) fn failed(&mut self, key: K) -> bool {
        let before = self.0.get(&key).map(|pause| pause.length);
        let length = before.map_or(FIRST, |before| before.saturating_mul(2).min(LONGEST));
        let until = Instant::now() + length;
        self.0.insert(key, Pause { until, length });
        before.is_none()
    }

    /// Forgets that something has failed, and says whether it had.
    pub(super) fn worked<Q>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.remove(key).is_some()
    }

    pub(super) fn is_paused<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let pause = self.0.get(key);
        pause.is_some_and(|pause| pause.until > Instant::now())
    }

    /// How many have failed.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether something has failed.
    pub(super) fn is_known(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// When the next of them that is left alone has its turn again.
    pub(super) fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let ends = self.0.values().map(|pause| pause.until);
        ends.filter(|until| *until > now).min()
    }

    pub(super) fn retain(&mut self, is_there: impl Fn(&K) -> bool) {
        self.0.retain(|key, _| is_there(key));
    }
}

pub(super) fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.micros().saturating_add(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_it_works() {
        let mut pauses = Pauses::default();
        assert!(!pauses.is_paused("a") && pauses.next().is_none());
        for (number, seconds) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
            assert_eq!(pauses.failed("a".to_owned()), number == 0);
            let end = Instant::now() + Duration::from_secs(seconds);
            assert_eq!(pauses.next(), Some(end));
            tokio::time::advance(Duration::from_millis(seconds * 1_000 - 1)).await;
            assert!(pauses.is_paused("a") && !pauses.is_paused("b"));
            tokio::time::advance(Duration::from_millis(1)).await;
            // What has its turn is nothing to wait for.
            assert!(!pauses.is_paused("a") && pauses.next().is_none());
        }
        assert!(pauses.worked("a") && !pauses.worked("a"));
        assert!(pauses.failed("a".to_owned()));
        pauses.retain(|key| key != "a");
        assert!(pauses.failed("a".to_owned()));
    }
}
