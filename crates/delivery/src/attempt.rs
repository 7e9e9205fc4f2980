//! What one attempt to deliver came to.

use std::time::Duration;

/// How much of an answer is kept, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1024;

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Whether the target took it, and if not, whether another attempt may help.
    pub outcome: Outcome,
    /// The code of the answer, as its protocol has them (HTTP 503, SMTP 451); none where no answer came.
    pub code: Option<u16>,
    /// The beginning of the answer, at most [`ANSWER_BYTES_MAX`] bytes; empty where no answer came.
    pub answer: Vec<u8>,
}

/// Whether the target took a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did.
    Accepted,
    /// It did not; another attempt may help.
    Failed {
        /// What went wrong, in words for the merchant.
        problem: String,
        /// How long the target asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It did not, and another attempt of the same would not help.
    Refused {
        /// What is wrong, in words for the merchant.
        problem: String,
    },
    /// The target says that it is gone for good (HTTP 410).
    Gone,
}
