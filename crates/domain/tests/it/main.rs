//! The domain seen from outside: properties of any command sequence on the
//! presets, the cases of Magento's own tests, and templates that a generator makes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "tests fail by panicking"
)]

mod magento;
mod properties;
mod rights;
mod templates;
