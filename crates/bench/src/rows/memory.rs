//! Resident memory of a server that was just started, of one that is watched by
//! a thousand, and the most that one takes under full load.

use std::time::Duration;

use super::{
    deliveries::{STEPS_PER_SECOND, WATCHERS},
    scene::usual,
    throughput::{IN_FLIGHT, MANY_IN_FLIGHT},
};
use crate::{
    failure::Failure,
    load::Kind,
    place::{Backend, Memory, Site},
    report::{Figure, Rounds, Target},
    stage::Stage,
    watch::{Watchers, Wish},
};

const IDLE_MB_MAX: f64 = 40.0;
const WATCHED_MB_MAX: f64 = 200.0;
const LOADED_MB_MAX: f64 = 300.0;

/// Three figures, each of a server that is started anew in every round.
pub(super) async fn resident(
    name: &str,
    site: &Site,
    backend: Backend,
) -> Result<Vec<Figure>, Failure> {
    let contents = usual(site, backend);
    let kept = site.kept(backend, contents).await?;
    let database = site.copy(&kept, "measured").await?;
    let (mut idle, mut watched, mut loaded) =
        (Rounds::default(), Rounds::default(), Rounds::default());
    for _ in 0..site.pace.rounds {
        let server = site.serve(&database).await?;
        idle.alone(server.memory_mb(Memory::Resident)?);
        server.stop().await?;

        let stage = Stage::on(site, database.clone(), contents.orders()).await?;
        watched.alone(with_watchers(&stage, site.pace.round).await?);
        stage.server.stop().await?;

        let stage = Stage::on(site, database.clone(), contents.orders()).await?;
        loaded.alone(at_full_load(&stage).await?);
        stage.server.stop().await?;
    }
    site.remove(&database).await?;
    let figure = |rounds: &Rounds, part: &str, bound| {
        rounds.figure(&format!("{name}/{part}"), "MB", Some(Target::AtMost(bound)))
    };
    Ok(vec![
        figure(&idle, "idle", IDLE_MB_MAX),
        figure(&watched, "watched", WATCHED_MB_MAX),
        figure(&loaded, "loaded", LOADED_MB_MAX),
    ])
}

/// The memory while a thousand watchers are sent what 510 steps in a second write.
async fn with_watchers(stage: &Stage<'_>, length: Duration) -> Result<f64, Failure> {
    let watchers = Watchers::start(stage.server.address(), WATCHERS, Wish::Everything).await?;
    stage.open_loop(STEPS_PER_SECOND, length).await?;
    let memory = stage.server.memory_mb(Memory::Resident);
    watchers.stop()?;
    memory
}

/// The peak while every kind of call was in flight.
async fn at_full_load(stage: &Stage<'_>) -> Result<f64, Failure> {
    stage.rate(Kind::Unary, MANY_IN_FLIGHT).await?;
    stage.rate(Kind::Stream, MANY_IN_FLIGHT).await?;
    stage.rate(Kind::Batch, MANY_IN_FLIGHT).await?;
    stage.rate(Kind::Get, IN_FLIGHT).await?;
    stage.server.memory_mb(Memory::Peak)
}
