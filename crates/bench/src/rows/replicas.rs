//! Two servers on one PostgreSQL database, with the same load between them,
//! against one of them alone.

use super::{scene::Scene, throughput::IN_FLIGHT};
use crate::{
    failure::Failure,
    load::Kind,
    place::Database,
    report::{Figure, Rounds, Target},
    wire::Connections,
};

/// Every sort of gap that the history might have.
const GAPS: &str = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM history GROUP BY partition \
     HAVING COUNT(*) <> MAX(log_offset) OR MIN(log_offset) <> 1) p) \
     + (SELECT COUNT(*) FROM (SELECT 1 FROM history GROUP BY partition, order_key \
     HAVING COUNT(*) <> MAX(sequence) OR MIN(sequence) <> 1) o) \
     + (SELECT COUNT(*) FROM (SELECT sequence < LAG(sequence) OVER w OR create_time < LAG(create_time) OVER w AS back \
     FROM history WINDOW w AS (PARTITION BY partition, order_key ORDER BY log_offset)) s WHERE back)";

/// The load goes to one, then to both.
pub(super) async fn together(name: &str, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let stage = &scene.stage;
    let site = stage.site;
    let other = site.serve(&stage.database).await?;
    let [one, two] = [stage.server.address(), other.address()];
    let both = Connections::shared(&[one, two]).await?;
    let mut rounds = Rounds::default();
    for _ in 0..site.pace.rounds {
        let baseline = stage.rate(Kind::Unary, IN_FLIGHT).await?;
        site.settle().await?;
        let load = stage
            .generator
            .closed(&both, Kind::Unary, IN_FLIGHT, site.pace.round);
        let tally = stage.checked(load, Kind::Unary).await?;
        rounds.pair(baseline, tally.per_second());
    }
    drop(both);
    other.stop().await?;
    let mut gaps = Rounds::default();
    gaps.alone(count_gaps(scene).await?);
    Ok(vec![
        rounds.figure(name, "steps/s", Some(Target::RatioAtLeast(0.9))),
        gaps.figure(&format!("{name}/gaps"), "gaps", Some(Target::Exactly(0.0))),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "none are expected")]
async fn count_gaps(scene: &Scene<'_>) -> Result<f64, Failure> {
    let Database::Postgres(database) = &scene.stage.database else {
        return Err(Failure::NoCluster);
    };
    let client = scene.stage.site.cluster()?.connect(database).await?;
    let gaps: i64 = client.query_one(GAPS, &[]).await?.try_get(0)?;
    Ok(gaps as f64)
}
