//! One attempt to deliver, and its outcome.

use std::time::Duration;

/// The length of an answer that is kept, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1024;

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Whether the target took it, and if not, whether another attempt may help.
    pub outcome: Outcome,
    /// The code of the answer, as its protocol has them (HTTP 503, SMTP 451); none where no answer came.
    pub code: Option<u16>,
    /// The beginning of the answer, at most [`ANSWER_BYTES_MAX`] bytes; empty where no answer came.
    pub answer: Vec<u8>,
    /// Whether the address of a mail's addressee was not taken. Nobody got the mail then, and those
    /// who were to get blind copies may be reached without the addressee.
    pub addressee_refused: bool,
}

/// Whether the target took a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did.
    Accepted,
    /// It did not; another attempt may help.
    Failed {
        /// The problem, in words for the merchant.
        problem: String,
        /// The time for which the target asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It did not, and another attempt of the same would not help.
    Refused {
        /// The problem, in words for the merchant.
        problem: String,
    },
    /// The target says that it is gone for good (HTTP 410).
    Gone,
}

impl Attempt {
    /// An attempt that the target took, with the code and the text of its answer.
    pub(crate) fn accepted(code: Option<u16>, answer: &str) -> Self {
        Self {
            outcome: Outcome::Accepted,
            code,
            answer: beginning(answer),
            addressee_refused: false,
        }
    }

    /// An attempt that failed before an answer came.
    pub fn failed(problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::unanswered(Outcome::Failed {
            problem,
            retry_after: None,
        })
    }

    /// An attempt that was given up before an answer came.
    pub fn refused(problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::unanswered(Outcome::Refused { problem })
    }

    /// The same attempt with the code and the text of the answer that led to it.
    pub(crate) fn with_answer(mut self, code: Option<u16>, answer: &str) -> Self {
        self.code = code;
        self.answer = beginning(answer);
        self
    }

    /// The same attempt, refused for the address of the addressee.
    #[must_use]
    pub fn with_addressee_refused(mut self) -> Self {
        self.addressee_refused = true;
        self
    }

    fn unanswered(outcome: Outcome) -> Self {
        Self {
            outcome,
            code: None,
            answer: Vec::new(),
            addressee_refused: false,
        }
    }
}

fn beginning(answer: &str) -> Vec<u8> {
    let end = answer.floor_char_boundary(ANSWER_BYTES_MAX);
    answer.bytes().take(end).collect()
}
