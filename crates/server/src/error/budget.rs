//! The size of an error. Statuses travel in trailers, for which clients allow some
//! 8 KiB in all: an error that is too large arrives as another one.

use tonic::Status;
use waymark_proto::v1;

use super::Problem;

/// The most that message and details may take together, as they are encoded for the wire.
const BYTES_MAX: usize = 4_096;

/// The metadata key that says that something was cut.
const TRUNCATED: &str = "details_truncated";

/// The part of each text that is kept: bytes of texts, and a number of violations.
struct Caps {
    message: usize,
    value: usize,
    violations: usize,
    problem: usize,
    field: usize,
}

/// Tried in this order until the error fits: violations and message give way before
/// the metadata, which programs read. With the last caps every error fits.
const LADDER: [Caps; 5] = [
    Caps::of(50, [1_024, 1_536, 512, 256]),
    Caps::of(16, [512, 1_024, 160, 128]),
    Caps::of(8, [320, 768, 120, 96]),
    Caps::of(4, [256, 256, 96, 96]),
    Caps::of(2, [96, 96, 64, 64]),
];

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        fit_in(problem, BYTES_MAX).to_status()
    }
}

impl Problem {
    /// The error of one step of several, in at most so many bytes; 1,900 are enough for any.
    pub(crate) fn into_step_error(self, bytes_max: usize) -> v1::StepError {
        let fitted = fit_in(self.spelling_fields(), bytes_max.min(BYTES_MAX));
        v1::StepError {
            code: i32::from(fitted.reason.code()),
            reason: fitted.reason.as_str().to_owned(),
            message: fitted.message,
            metadata: fitted
                .metadata
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        }
    }
}

/// Cuts a problem so that its status has at most so many bytes, and notes in the metadata that it was cut. As many
/// violations are kept as fit, down to those that the next caps keep.
fn fit_in(problem: Problem, bytes_max: usize) -> Problem {
    let fewest = LADDER.iter().skip(1).map(|caps| caps.violations);
    let mut fitted = problem;
    for (caps, fewest) in LADDER.iter().zip(fewest.chain([0])) {
        fitted = caps.apply(fitted);
        while wire_bytes(&fitted.to_status()) > bytes_max {
            if fitted.violations.len() <= fewest.max(1) {
                break;
            }
            fitted.violations.pop();
            fitted = fitted.with(TRUNCATED, &true);
        }
        if wire_bytes(&fitted.to_status()) <= bytes_max {
            break;
        }
    }
    fitted
}

/// The bytes of a status as headers: the message percent-encoded, the details in base64.
pub(super) fn wire_bytes(status: &Status) -> usize {
    let encoded = |byte: u8| match byte {
        b' ' | b'"' | b'#' | b'%' | b'<' | b'>' | b'`' | b'?' | b'{' | b'}' => 3,
        _ if byte.is_ascii_graphic() => 1,
        _ => 3,
    };
    let message: usize = status.message().bytes().map(encoded).sum();
    message + status.details().len().div_ceil(3) * 4
}

impl Caps {
    /// Caps of so many violations, and of the bytes of message, value, problem and field.
    const fn of(violations: usize, [message, value, problem, field]: [usize; 4]) -> Self {
        Self {
            message,
            value,
            violations,
            problem,
            field,
        }
    }

    fn apply(&self, mut problem: Problem) -> Problem {
        let mut was_cut = problem.violations.len() > self.violations;
        problem.violations.truncate(self.violations);
        was_cut |= cut(&mut problem.message, self.message);
        was_cut |= cut(&mut problem.subject, self.field);
        for (field, problem) in &mut problem.violations {
            was_cut |= cut(field, self.field);
            was_cut |= cut(problem, self.problem);
        }
        for value in problem.metadata.values_mut() {
            was_cut |= cut(value, self.value);
        }
        if was_cut {
            problem.with(TRUNCATED, &true)
        } else {
            problem
        }
    }
}

/// Shortens a text to at most `max` bytes, on the bound of a character.
fn cut(text: &mut String, max: usize) -> bool {
    const MARK: &str = "...";
    if text.len() <= max {
        return false;
    }
    let end = text.floor_char_boundary(max.saturating_sub(MARK.len()));
    text.truncate(end);
    text.push_str(MARK);
    true
}
