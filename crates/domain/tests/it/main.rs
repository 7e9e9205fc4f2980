//! The domain seen from outside: properties of any command sequence on the
//! presets, and the cases of Magento's own tests.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod magento;
mod properties;
