//! `pgbench` with one step or one new order as five statements in one transaction,
//! on a copy of the database that the service has. Its rows are those that the
//! service wrote, all columns and indexes included; only keys, versions, times and
//! random ids are new.

mod creation;
mod sample;

use std::{path::PathBuf, time::Duration};

use sample::{count_offsets, sample};
use tokio_postgres::Client;

use crate::{
    failure::Failure,
    place::{Database, Site},
    tally::latencies,
};

/// A script, and the database that it is for.
#[derive(Debug)]
pub(crate) struct Pgbench {
    database: String,
    script: PathBuf,
}

/// The result of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) per_second: f64,
    /// The median of single transactions.
    pub(crate) latency_ms: f64,
}

impl Pgbench {
    /// Writes the script of a step for a database.
    pub(crate) async fn steps(site: &Site, database: &Database) -> Result<Self, Failure> {
        let name = name(database)?;
        let client = site.cluster()?.connect(name).await?;
        Self::written(site, name, script(&client).await?)
    }

    /// Writes the script of a new order for a database.
    pub(crate) async fn creations(site: &Site, database: &Database) -> Result<Self, Failure> {
        let name = name(database)?;
        let client = site.cluster()?.connect(name).await?;
        Self::written(site, name, creation::script(&client).await?)
    }

    fn written(site: &Site, name: &str, text: String) -> Result<Self, Failure> {
        let script = site.data.work().join(format!("{name}.sql"));
        std::fs::write(&script, text).map_err(Failure::io("the script of pgbench"))?;
        Ok(Self {
            database: name.to_owned(),
            script,
        })
    }

    /// Runs it with so many clients for about so long; `pgbench` knows whole seconds only.
    pub(crate) async fn run(
        &self,
        site: &Site,
        clients: usize,
        length: Duration,
    ) -> Result<Ran, Failure> {
        let logs = tempfile::tempdir_in(site.data.work())
            .map_err(Failure::io("a directory for the log of pgbench"))?;
        let mut command = site.cluster()?.client_program("pgbench", &self.database);
        let seconds = length.as_secs_f64().round().max(1.0);
        command
            .args(["--no-vacuum", "-M", "prepared", "--log", "--file"])
            .arg(&self.script)
            .args(["--client", &clients.to_string()])
            .args(["--jobs", &clients.min(2).to_string()])
            .args(["--time", &seconds.to_string()])
            .current_dir(logs.path());
        let output = command.output().await.map_err(Failure::io("pgbench"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let per_second = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = "))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok());
        match per_second {
            Some(per_second) if output.status.success() => Ok(Ran {
                per_second,
                latency_ms: median_ms(logs.path())?,
            }),
            _ => Err(Failure::Program {
                program: "pgbench",
                status: output.status,
                said: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
        }
    }
}

fn name(database: &Database) -> Result<&str, Failure> {
    match database {
        Database::Postgres(name) => Ok(name.as_str()),
        Database::Sqlite(_) => Err(Failure::NoCluster),
    }
}

/// The median of the third column of its logs: the time of each transaction in microseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a latency is known to three digits"
)]
fn median_ms(logs: &std::path::Path) -> Result<f64, Failure> {
    let mut latencies = latencies()?;
    let unreadable = "the log of pgbench";
    for entry in std::fs::read_dir(logs).map_err(Failure::io(unreadable))? {
        let path = entry.map_err(Failure::io(unreadable))?.path();
        let log = std::fs::read_to_string(path).map_err(Failure::io(unreadable))?;
        let times = log.lines().filter_map(|line| line.split(' ').nth(2));
        for micros in times.filter_map(|time| time.parse().ok()) {
            latencies.saturating_record(micros);
        }
    }
    Ok(latencies.value_at_quantile(0.5) as f64 / 1_000.0)
}

async fn script(client: &Client) -> Result<String, Failure> {
    count_offsets(client).await?;
    // Orders were created before anything else happened, so their keys have no gaps.
    let keys = "SELECT COUNT(*) - 1, MIN(orders), BOOL_AND(orders = last) FROM (SELECT COUNT(*) AS orders, \
                MAX(order_key) AS last FROM orders GROUP BY partition) p";
    let row = client.query_one(keys, &[]).await?;
    let (last, orders): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if !row.try_get::<_, bool>(2)? {
        return Err(Failure::Sources);
    }
    let order = sample(client, "orders", "o.state = 'packed'").await?;
    let entry = sample(client, "history", "o.kind = 'transitioned'").await?;
    let columns = order.iter().map(|(name, _)| name.as_str());
    let columns = columns.collect::<Vec<_>>().join(", ");
    let (update, insert) = (update(&order), insert(&entry));
    Ok(format!(
        "\\set partition random(0, {last})\n\
         \\set order_key random(1, {orders})\n\
         BEGIN;\n\
         SELECT {columns}, version + 1 AS next_version, \
         CASE state WHEN 'open' THEN 'packed' ELSE 'open' END AS next_state, \
         CASE state WHEN 'open' THEN 'pack' ELSE 'unpack' END AS way, \
         nextval('bench_offsets') AS log_offset, \
         (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now \
         FROM orders WHERE partition = :partition AND order_key = :order_key FOR UPDATE \\gset\n\
         {update};\n\
         {insert};\n\
         COMMIT;\n"
    ))
}

/// Writes all columns of an order that a step may change.
fn update(columns: &[(String, String)]) -> String {
    let kept = ["partition", "order_key", "workflow", "id", "create_time"];
    let changed = columns
        .iter()
        .filter(|(name, _)| !kept.contains(&name.as_str()));
    let assignments = changed.map(|(name, literal)| {
        let value = match name.as_str() {
            "version" => ":next_version",
            "state" | "status" => ":next_state",
            "update_time" => ":now",
            _ => literal,
        };
        format!("{name} = {value}")
    });
    let assignments = assignments.collect::<Vec<_>>().join(", ");
    format!(
        "UPDATE orders SET {assignments} WHERE partition = :partition AND order_key = :order_key"
    )
}

/// Writes all columns of an entry.
fn insert(columns: &[(String, String)]) -> String {
    let names = columns.iter().map(|(name, _)| name.as_str());
    let names = names.collect::<Vec<_>>().join(", ");
    let values = columns.iter().map(|(name, literal)| match name.as_str() {
        "partition" => ":partition",
        "order_key" => ":order_key",
        "log_offset" | "step_offset" => ":log_offset",
        "order_id" => ":id",
        "sequence" => ":next_version",
        "from_state" | "from_status" => ":state",
        "to_state" | "to_status" => ":next_state",
        "transition" => ":way",
        "create_time" => ":now",
        "request_id" => "replace(gen_random_uuid()::text, '-', '')",
        "batch_id" => "uuid_send(gen_random_uuid())",
        _ => literal,
    });
    let values = values.collect::<Vec<_>>().join(", ");
    format!("INSERT INTO history ({names}) VALUES ({values})")
}

#[cfg(test)]
mod tests {
    use super::{sample::sampled, *};

    #[test]
    fn keys_versions_and_states_are_new_and_the_rest_is_as_sampled() {
        assert_eq!(
            update(&sampled(&["partition", "state", "version", "body"])),
            "UPDATE orders SET state = :next_state, version = :next_version, body = E'x' \
             WHERE partition = :partition AND order_key = :order_key"
        );
        assert_eq!(
            insert(&sampled(&["partition", "log_offset", "comment"])),
            "INSERT INTO history (partition, log_offset, comment) VALUES (:partition, :log_offset, E'x')"
        );
    }
}
