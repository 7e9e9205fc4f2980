//! Load while a snapshot of the PostgreSQL database stays open, as that of
//! `pg_dump` does, against load without one.

use std::process::Stdio;

use super::{scene::Scene, throughput::IN_FLIGHT};
use crate::{
    failure::Failure,
    load::Kind,
    place::Database,
    report::{Figure, Rounds, Target},
};

/// The snapshot is open for all of a round; `pg_dump` reads the whole database in it at the beginning.
pub(super) async fn held(name: &str, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let stage = &scene.stage;
    let mut rounds = Rounds::default();
    for _ in 0..stage.site.pace.rounds {
        let baseline = stage.rate(Kind::Unary, IN_FLIGHT).await?;
        stage.site.settle().await?;
        rounds.pair(baseline, with_snapshot(scene).await?);
    }
    Ok(vec![rounds.figure(
        name,
        "steps/s",
        Some(Target::RatioAtLeast(0.8)),
    )])
}

async fn with_snapshot(scene: &Scene<'_>) -> Result<f64, Failure> {
    let stage = &scene.stage;
    let Database::Postgres(database) = &stage.database else {
        return Err(Failure::NoCluster);
    };
    let cluster = stage.site.cluster()?;
    let holder = cluster.connect(database).await?;
    holder
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let exported = holder.query_one("SELECT pg_export_snapshot()", &[]).await?;
    let snapshot: String = exported.try_get(0)?;
    let mut dump = cluster.client_program("pg_dump", database);
    dump.args(["--snapshot", &snapshot]).stdout(Stdio::null());
    let mut dump = dump.spawn().map_err(Failure::io("pg_dump"))?;
    let length = stage.site.pace.snapshot;
    let load = stage
        .generator
        .closed(&stage.connections, Kind::Unary, IN_FLIGHT, length);
    let tally = stage.checked(load, Kind::Unary).await?;
    let status = dump.wait().await.map_err(Failure::io("pg_dump"))?;
    holder.batch_execute("COMMIT").await?;
    if status.success() {
        return Ok(tally.per_second());
    }
    Err(Failure::Program {
        program: "pg_dump",
        status,
        said: String::new(),
    })
}
