//! The `config.xml` of a Magento 1 module: `config` reads what it has, `merge` makes changes of a
//! workflow of it.

mod config;
mod merge;

pub(super) use config::{Config, parse};
pub(super) use merge::merge;
