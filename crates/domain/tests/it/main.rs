//! The domain seen from outside: properties of any command sequence on the
//! presets, and the cases of Magento's own tests.

mod magento;
mod properties;
