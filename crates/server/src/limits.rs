//! Sizes that the contract promises, in one place.

/// The largest message that a client may send, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Where pages and stream messages end, in bytes of entries or resources. With
/// tokens and framing a message stays under the 2 MiB of the contract.
pub(crate) const ANSWER_BYTES_SOFT_MAX: usize = 2 * 1024 * 1024 - 64 * 1024;
