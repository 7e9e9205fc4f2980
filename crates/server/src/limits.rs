//! Sizes that the contract promises, in one place.

/// The largest message that a client may send, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The largest message of the services of health and reflection, in bytes.
pub(crate) const SIDE_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// The largest headers of a call, in bytes as HTTP/2 counts them.
pub(crate) const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Size at which pages end, in bytes of entries or resources. With
/// tokens and framing an answer stays under the 2 MiB of the contract.
pub(crate) const ANSWER_BYTES_SOFT_MAX: usize = 2 * 1024 * 1024 - 64 * 1024;

/// Size that one result of a batch of any size may always have: where the answer is full, what is larger is left out.
pub(crate) const RESULT_BYTES_MIN: usize = 1_900;

/// Size at which messages of streams of history end, in bytes of entries; only a step that is larger goes beyond, alone. It is
/// what a client that does not read costs, so it is far below the contract's limit.
pub(crate) const STREAM_BYTES_SOFT_MAX: usize = 64 * 1024;
