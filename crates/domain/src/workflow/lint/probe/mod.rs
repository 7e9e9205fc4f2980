//! Finds out on invented orders what may come of an expression.

mod atoms;
mod outcomes;
mod samples;
mod trial;

pub(super) use outcomes::Outcomes;
pub(super) use trial::Probe;

#[cfg(test)]
mod tests;
