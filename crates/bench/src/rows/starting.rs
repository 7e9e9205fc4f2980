//! The time from the start of a server on a large database to its first answer that
//! it serves.

use super::size::large_contents;
use crate::{
    failure::Failure,
    place::{Backend, Site},
    report::{Figure, Rounds, Target},
};

const START_MS_MAX: f64 = 300.0;

/// Starts and stops the server by turns.
pub(super) async fn to_serving(
    name: &str,
    site: &Site,
    backend: Backend,
) -> Result<Vec<Figure>, Failure> {
    let database = site.kept(backend, large_contents(site)).await?;
    let mut rounds = Rounds::default();
    for _ in 0..site.pace.rounds {
        let server = site.serve(&database).await?;
        rounds.alone(server.started_in().as_secs_f64() * 1_000.0);
        server.stop().await?;
    }
    let target = Some(Target::AtMost(START_MS_MAX));
    Ok(vec![rounds.figure(name, "ms", target)])
}
