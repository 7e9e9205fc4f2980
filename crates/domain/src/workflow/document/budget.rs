//! The memory that a document may take while it is read: a few bytes of text may be a part of
//! hundreds. What is kept of a part is reckoned as it is read, before the next one, so a document
//! that is too dense ends early.
//!
//! With the text itself and the texts in it, which have no more bytes than the document, this keeps
//! to eight bytes for each byte and 1 MiB. What is left over is for the readers themselves.

use std::{cell::Cell, fmt};

/// The bytes that the parts of any document may take, so that a small one may be as dense as it
/// likes.
const BYTES_FREE: usize = 768 * 1024;

/// The bytes that one document has left.
#[derive(Clone, Copy)]
struct Budget {
    document_bytes: usize,
    bytes_max: usize,
    left: usize,
    is_spent: bool,
}

thread_local! {
    // A document is read on one thread, and what serde derives has no place for more than the
    // reader.
    static BUDGET: Cell<Budget> = const {
        Cell::new(Budget {
            document_bytes: 0,
            bytes_max: 0,
            left: 0,
            is_spent: false,
        })
    };
}

/// The error of a document that is too dense.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dense {
    document_bytes: usize,
    bytes_max: usize,
}

impl fmt::Display for Dense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            document_bytes,
            bytes_max,
        } = self;
        write!(
            f,
            "has more short entries than a document of {document_bytes} bytes may have: they take more than {bytes_max} bytes in memory"
        )
    }
}

/// Reads a document of so many bytes, whose parts may take `per_byte` bytes for each of them.
pub(super) fn within<T>(document_bytes: usize, per_byte: usize, read: impl FnOnce() -> T) -> T {
    let bytes_max = BYTES_FREE.saturating_add(document_bytes.saturating_mul(per_byte));
    BUDGET.set(Budget {
        document_bytes,
        bytes_max,
        left: bytes_max,
        is_spent: false,
    });
    read()
}

/// Takes what something is about to take, or has just taken.
pub(super) fn take(bytes: usize) -> Result<(), Dense> {
    let budget = BUDGET.get();
    let Some(left) = budget.left.checked_sub(bytes) else {
        BUDGET.set(Budget {
            is_spent: true,
            ..budget
        });
        return Err(Dense {
            document_bytes: budget.document_bytes,
            bytes_max: budget.bytes_max,
        });
    };
    BUDGET.set(Budget { left, ..budget });
    Ok(())
}

/// Whether something did not fit, so that reading ends.
pub(super) fn is_spent() -> bool {
    BUDGET.get().is_spent
}

/// Gives back what was needed only for a while.
pub(super) fn give_back(bytes: usize) {
    let budget = BUDGET.get();
    let left = budget.left.saturating_add(bytes);
    BUDGET.set(Budget { left, ..budget });
}

/// The bytes that a shared text takes on the heap besides its own: two counts, and what rounds it
/// up.
pub(super) const fn text_bytes(length: usize) -> usize {
    let counts = 2 * size_of::<usize>();
    (counts + length).next_multiple_of(size_of::<usize>()) - length
}
