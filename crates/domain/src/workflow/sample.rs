//! A small workflow and order for the tests of this crate.
