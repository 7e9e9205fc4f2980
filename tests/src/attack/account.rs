//! What came of inputs, counted.

use std::{collections::BTreeMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// How many strange answers are kept.
const STRANGE_MAX: usize = 50;

/// What came of inputs.
#[derive(Debug, Default)]
pub struct Account {
    /// Each kind of input.
    pub kinds: BTreeMap<&'static str, Kind>,
    /// How often inputs were refused, by code and reason.
    pub refusals: BTreeMap<String, usize>,
    /// Inputs that got no answer, or one that no input should get.
    pub strange: Vec<String>,
}

/// What came of the inputs of a kind.
#[derive(Debug, Default)]
pub struct Kind {
    /// How many there were.
    pub sent: usize,
    /// How many of them were taken.
    pub taken: usize,
    /// How long all of them took.
    pub took: Duration,
    /// How long the slowest took, and what it was.
    pub slowest: (Duration, String),
}

impl Account {
    /// Notes the answer to an input.
    pub fn note(
        &mut self,
        kind: &'static str,
        input: &str,
        took: Duration,
        refusal: Option<&Status>,
    ) {
        let count = self.kinds.entry(kind).or_default();
        count.sent += 1;
        count.taken += usize::from(refusal.is_none());
        count.took += took;
        if took > count.slowest.0 {
            count.slowest = (took, input.to_owned());
        }
        let Some(status) = refusal else {
            return;
        };
        let reason = status
            .get_details_error_info()
            .map_or_else(|| "no reason".to_owned(), |info| info.reason);
        let what = format!("{:?} {reason}", status.code());
        if is_strange(status.code()) && self.strange.len() < STRANGE_MAX {
            let said = status.message();
            self.strange.push(format!("{kind}: {what} {said}: {input}"));
        }
        *self.refusals.entry(what).or_default() += 1;
    }

    /// Adds what came of the inputs of another attacker.
    pub fn add(&mut self, other: Self) {
        for (kind, more) in other.kinds {
            let count = self.kinds.entry(kind).or_default();
            count.sent += more.sent;
            count.taken += more.taken;
            count.took += more.took;
            if more.slowest.0 > count.slowest.0 {
                count.slowest = more.slowest;
            }
        }
        for (what, times) in other.refusals {
            *self.refusals.entry(what).or_default() += times;
        }
        self.strange.extend(other.strange);
    }

    /// How many inputs there were.
    pub fn inputs(&self) -> usize {
        self.kinds.values().map(|kind| kind.sent).sum()
    }
}

/// Whether an answer says that something is wrong with the server. A call that was cut off is one too: its caller did
/// not cancel it.
fn is_strange(code: Code) -> bool {
    matches!(
        code,
        Code::Internal
            | Code::Unknown
            | Code::Unavailable
            | Code::DeadlineExceeded
            | Code::DataLoss
            | Code::Cancelled
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_kind_and_reason() {
        let second = Duration::from_secs(1);
        let mut account = Account::default();
        account.note("guard", "1", second, None);
        let mut other = Account::default();
        let cut = Status::cancelled("cut off");
        other.note("guard", "2", second * 3, Some(&cut));
        other.note("guard", "3", second * 2, Some(&Status::not_found("")));
        account.add(other);
        let kind = &account.kinds["guard"];
        assert_eq!((kind.sent, kind.taken, kind.took), (3, 1, second * 6));
        assert_eq!(kind.slowest, (second * 3, "2".to_owned()));
        assert_eq!(account.inputs(), 3);
        assert_eq!(account.refusals["NotFound no reason"], 1);
        assert_eq!(account.strange.len(), 1, "{:?}", account.strange);
    }
}
