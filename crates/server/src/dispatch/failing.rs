//! Says what fails in a loop that tries on.

use std::collections::BTreeSet;

use waymark_persistence::Error;

use crate::error::chain;

/// What fails is said once, until it works again.
#[derive(Default)]
pub(super) struct Failing(BTreeSet<&'static str>);

impl Failing {
    /// Says that something failed, unless that was said already.
    pub(super) fn note(&mut self, what: &'static str, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => {
                self.0.remove(what);
            }
            Err(error) if self.0.insert(what) => {
                tracing::warn!(error = chain(&error), "{what}; trying on");
            }
            Err(error) => tracing::debug!(error = chain(&error), "{what}"),
        }
    }
}
