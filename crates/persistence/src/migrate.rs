//! Migrations, embedded in the program, and the rows that make a database a deployment: its id, its
//! partitions, the version of its catalog, the key that signs tokens of customers.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, migration::MigrationSource, pg::Pg,
    sqlite::Sqlite,
};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use uuid::Uuid;
use waymark_domain::{partition::PartitionCount, value::Timestamp};

use crate::{
    Clock, Error, Settings,
    database::Database,
    messages,
    postgres::{self, Role},
    reach, rights,
    schema::{deployment, dispatch_leases, partitions},
    settings::Address,
    storage::opening,
    tracking::{self, TrackingKey},
    tx::{Ending, Tx, before, on_conn, owning},
};

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Names the lock that keeps two migrating processes apart: "waymark" as a number.
const ADVISORY_LOCK: i64 = 0x0077_6179_6d61_726b;

/// The result of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The versions that were applied, oldest first; empty when there was nothing to do.
    pub applied: Vec<String>,
    /// The number of partitions of the database.
    pub partitions: PartitionCount,
    /// Whether the database was made: until now there was none at that place.
    pub is_new: bool,
}

/// The id of a deployment: 16 random bytes, made with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentId(pub [u8; 16]);

impl std::fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

pub(crate) struct Deployment {
    pub(crate) id: DeploymentId,
    pub(crate) partitions: PartitionCount,
    pub(crate) tracking_key: TrackingKey,
}

/// Creates or upgrades a database. Two processes that do it at once take turns.
///
/// # Errors
/// Returns [`Error::CannotOpen`] when a SQLite file cannot be opened, may not be made or is of another program,
/// [`Error::CannotReach`] when a PostgreSQL server takes no connection, [`Error::Encoding`] when its database does not
/// keep text as UTF-8, [`Error::Rights`] when its role may not make tables, [`Error::Migration`] when a statement fails, and
/// [`Error::PartitionCount`] when the database has another number than the settings ask.
pub async fn migrate(settings: &Settings, clock: &Clock) -> Result<Migrated, Error> {
    let settings = Settings {
        read_connections_max: 1,
        write_connections_max: 1,
        ..settings.clone()
    };
    if let Address::Sqlite(path) = &settings.url.0 {
        let create = settings.create_database;
        let known = versions::<Sqlite>(&SQLITE)?;
        opening::prepare(path, create, &known).map_err(|error| opening::explain(path, error))?;
    }
    match migrate_existing(&settings, clock).await {
        Ok(migrated) => Ok(migrated),
        Err(error) => Err(reach::explain(&settings, error).await),
    }
}

async fn migrate_existing(settings: &Settings, clock: &Clock) -> Result<Migrated, Error> {
    let database = Database::new(settings, Role::Maintenance, None)?;
    let now = clock.now();
    let newer = database
        .write(&[], async |tx| {
            check_encoding(tx).await?;
            rights::check_to_migrate(tx).await?;
            Ok(Ending::RollBack(newer(tx).await?))
        })
        .await
        .map_err(before)?;
    if !newer.is_empty() {
        return Err(Error::SchemaNewer { unknown: newer });
    }
    let applied = match &settings.url.0 {
        Address::Postgres(target) => {
            let connection = postgres::connect(settings, target, Role::Maintenance)
                .await
                .map_err(Error::unavailable)?;
            run_on_postgres(connection).await?
        }
        Address::Sqlite(_) => database.write(&[], run_on_sqlite).await.map_err(before)?,
    };
    let partitions = database.write(&[], async |tx| {
        lock(tx).await?;
        let (partitions, is_new) = match find(tx).await? {
            Some((_, existing)) => (existing, false),
            None => (create(tx, settings, now).await?, true),
        };
        check_partitions(settings, partitions)?;
        if tracking::key::find(tx).await?.is_none() {
            tracking::key::create(tx, now).await?;
        }
        Ok(Ending::Commit((partitions, is_new)))
    });
    let (partitions, is_new) = partitions.await.map_err(before)?;
    Ok(Migrated {
        applied,
        partitions,
        is_new,
    })
}

/// Reads which deployment this is, after it has compared the migrations.
pub(crate) async fn check(tx: &mut Tx, settings: &Settings) -> Result<Deployment, Error> {
    check_encoding(tx).await?;
    rights::check_to_serve(tx).await?;
    let unknown = newer(tx).await?;
    if !unknown.is_empty() {
        return Err(Error::SchemaNewer { unknown });
    }
    let (applied, known) = (applied(tx).await?, known(tx)?);
    let pending = known
        .iter()
        .filter(|version| !applied.contains(version))
        .cloned()
        .collect::<Vec<_>>();
    if !pending.is_empty() {
        return Err(Error::SchemaOlder { pending });
    }
    // A migration that was cut off may have left the tables and not yet these rows.
    let (Some((id, partitions)), Some(tracking_key)) =
        (find(tx).await?, tracking::key::find(tx).await?)
    else {
        return Err(Error::SchemaOlder { pending: known });
    };
    let found = Deployment {
        id,
        partitions,
        tracking_key,
    };
    check_partitions(settings, partitions)?;
    let rows = partitions::table.count();
    let rows: i64 = on_conn!(tx, |c| rows.get_result(c).await)?;
    if rows != i64::from(found.partitions.get()) {
        // A partition without a row could not be locked.
        return Err(Error::Corrupt {
            table: "partitions",
            column: "partition",
            row: format!("{rows} of {}", found.partitions.get()),
            source: "a partition has no row".into(),
        });
    }
    Ok(found)
}

fn check_partitions(settings: &Settings, actual: PartitionCount) -> Result<(), Error> {
    match settings.partitions {
        Some(asked) if asked != actual => Err(Error::PartitionCount {
            asked: asked.get(),
            actual: actual.get(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Makes sure that a PostgreSQL database keeps text as UTF-8. Another one refuses the letters
/// that it lacks, in the middle of a batch; `SQL_ASCII` takes bytes for letters.
async fn check_encoding(tx: &mut Tx) -> Result<(), Error> {
    let Tx::Postgres(connection) = tx else {
        return Ok(());
    };
    let sql = "SELECT current_setting('server_encoding') AS encoding";
    let found = diesel::sql_query(sql)
        .get_result::<Encoding>(&mut ***connection)
        .await?;
    if found.encoding == "UTF8" {
        Ok(())
    } else {
        Err(Error::Encoding {
            encoding: found.encoding,
        })
    }
}

#[derive(diesel::QueryableByName)]
struct Encoding {
    #[diesel(sql_type = diesel::sql_types::Text)]
    encoding: String,
}

async fn lock(tx: &mut Tx) -> Result<(), Error> {
    // SQLite's BEGIN IMMEDIATE has locked the file.
    if let Tx::Postgres(connection) = tx {
        connection
            .batch_execute(&format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            .await?;
    }
    Ok(())
}

diesel::table! {
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

/// The versions that the database has. A user that may only read may ask.
async fn applied(tx: &mut Tx) -> Result<Vec<String>, Error> {
    let sql = match tx {
        // Unlike the information schema, it hides nothing from those who have no right to it.
        Tx::Postgres(_) => {
            "SELECT count(*) AS count FROM pg_class \
             WHERE oid = to_regclass('__diesel_schema_migrations')"
        }
        Tx::Sqlite(_) => {
            "SELECT count(*) AS count FROM sqlite_schema WHERE name = '__diesel_schema_migrations'"
        }
    };
    let count = on_conn!(tx, |c| diesel::sql_query(sql).get_result::<Count>(c).await)?;
    if count.count == 0 {
        return Ok(Vec::new());
    }
    let versions = __diesel_schema_migrations::table
        .select(__diesel_schema_migrations::version)
        .order(__diesel_schema_migrations::version);
    Ok(on_conn!(tx, |c| versions.load::<String>(c).await)?)
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

fn known(tx: &Tx) -> Result<Vec<String>, Error> {
    match tx {
        Tx::Postgres(_) => versions::<Pg>(&POSTGRES),
        Tx::Sqlite(_) => versions::<Sqlite>(&SQLITE),
    }
}

fn versions<DB: diesel::backend::Backend>(
    source: &EmbeddedMigrations,
) -> Result<Vec<String>, Error> {
    let migrations = MigrationSource::<DB>::migrations(source).map_err(failed)?;
    let mut versions = migrations
        .iter()
        .map(|m| m.name().version().to_string())
        .collect::<Vec<_>>();
    versions.sort();
    Ok(versions)
}

/// The versions that the database has and this program does not know.
async fn newer(tx: &mut Tx) -> Result<Vec<String>, Error> {
    let (applied, known) = (applied(tx).await?, known(tx)?);
    Ok(applied
        .into_iter()
        .filter(|version| !known.contains(version))
        .collect())
}

/// Runs what is pending in one transaction, which waits for another process that does so.
async fn run_on_postgres(connection: AsyncPgConnection) -> Result<Vec<String>, Error> {
    let run = |connection| {
        let mut harness = AsyncMigrationHarness::new(connection);
        let versions = harness.run_pending_migrations(POSTGRES).map_err(failed);
        let versions = versions.map(|versions| versions.iter().map(ToString::to_string).collect());
        (harness.into_inner(), versions)
    };
    owning(
        connection,
        &format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"),
        run,
    )
    .await
}

/// Runs what is pending inside the open transaction.
async fn run_on_sqlite(tx: &mut Tx) -> Result<Ending<Vec<String>>, Error> {
    let Tx::Sqlite(connection) = tx else {
        return Ok(Ending::RollBack(Vec::new()));
    };
    let run = |inner: &mut diesel::SqliteConnection| {
        let versions = inner.run_pending_migrations(SQLITE);
        Ok(versions.map(|versions| versions.iter().map(ToString::to_string).collect()))
    };
    Ok(Ending::Commit(
        connection.spawn_blocking(run).await?.map_err(failed)?,
    ))
}

/// The error of a migration. Its type is private to Diesel, so what SQLite said is taken from its text.
fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let text = source.to_string();
    if text.ends_with(messages::FULL) {
        Error::StorageFull { source }
    } else if text.ends_with(messages::DISK_ERROR) {
        // A full disk as well, as long as nobody has looked.
        Error::Damaged {
            found: messages::DISK_ERROR.to_owned(),
        }
    } else {
        Error::Migration { source }
    }
}

async fn find(tx: &mut Tx) -> Result<Option<(DeploymentId, PartitionCount)>, Error> {
    let query = deployment::table.select((deployment::id, deployment::partition_count));
    let row = on_conn!(tx, |c| query.first::<(Vec<u8>, i32)>(c).await).optional()?;
    let Some((id, count)) = row else {
        return Ok(None);
    };
    let corrupt = |column| Error::Corrupt {
        table: "deployment",
        column,
        row: "1".to_owned(),
        source: "out of range".into(),
    };
    Ok(Some((
        DeploymentId(id.try_into().map_err(|_| corrupt("id"))?),
        PartitionCount::new(count).ok_or_else(|| corrupt("partition_count"))?,
    )))
}

async fn create(tx: &mut Tx, settings: &Settings, now: Timestamp) -> Result<PartitionCount, Error> {
    let usual = if settings.url.is_sqlite() { 1 } else { 8 };
    let asked = settings.partitions.or_else(|| PartitionCount::new(usual));
    let count = asked.ok_or(Error::PartitionCount {
        asked: usual,
        actual: 0,
    })?;
    let id = Uuid::new_v4();
    let row = (
        deployment::singleton.eq(1),
        deployment::id.eq(id.as_bytes().as_slice()),
        deployment::partition_count.eq(count.get()),
        deployment::create_time.eq(now.micros()),
    );
    let insert = diesel::insert_into(deployment::table).values(row);
    on_conn!(tx, |c| insert.execute(c).await)?;
    for partition in count.all() {
        let row = partitions::partition.eq(partition.number());
        let insert = diesel::insert_into(partitions::table).values(row);
        on_conn!(tx, |c| insert.execute(c).await)?;
        let row = dispatch_leases::partition.eq(partition.number());
        let insert = diesel::insert_into(dispatch_leases::table).values(row);
        on_conn!(tx, |c| insert.execute(c).await)?;
    }
    Ok(count)
}
