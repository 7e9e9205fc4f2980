//! Roles of PostgreSQL that lack rights: refused at the start, with what to grant.

use tokio_postgres::{Client, NoTls};
use waymark_domain::value::Timestamp;
use waymark_persistence::{Clock, Error, Settings, Store, migrate};
use waymark_testkit::{
    Fixture,
    postgres::{Database, database, empty_database},
};

/// A database, and a role that may log in and nothing else.
struct Stage {
    /// Speaks as the owner of the server.
    owner: Client,
    role: String,
    settings: Settings,
    clock: Clock,
    _database: Database,
}

impl Stage {
    async fn on(database: Database) -> Self {
        let (owner, connection) = tokio_postgres::connect(database.url(), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        let role = format!("role_of_{}", database.name());
        let url = database.url().replace("postgres@", &format!("{role}@"));
        let stage = Self {
            owner,
            settings: Fixture::settings(&url),
            role,
            clock: Clock::manual(Timestamp::from_micros(0)).0,
            _database: database,
        };
        stage.run("CREATE ROLE {role} LOGIN").await;
        stage
    }

    /// Runs statements, of which `{role}` is the role.
    async fn run(&self, sql: &str) {
        let sql = sql.replace("{role}", &self.role);
        self.owner.batch_execute(&sql).await.unwrap();
    }

    async fn open(&self) -> Result<(), Error> {
        let store = Store::open(self.settings.clone(), self.clock.clone()).await?;
        store.close().await
    }

    async fn migrate(&self) -> Result<(), Error> {
        migrate(&self.settings, &self.clock).await.map(drop)
    }
}

#[track_caller]
fn refused(outcome: &Result<(), Error>, words: &[&str]) {
    let error = outcome.as_ref().unwrap_err();
    assert!(
        matches!(error, Error::Rights { .. }),
        "{words:?}: {error:?}"
    );
    let problem = error.to_string();
    assert!(error.is_of_settings() && !error.is_transient(), "{error:?}");
    for word in words {
        assert!(problem.contains(word), "{word}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_write_does_not_serve() {
    let stage = Stage::on(database().await).await;
    let denied = "permission denied for table";
    refused(&stage.open().await, &[denied, "SELECT", "GRANT"]);
    stage
        .run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        .await;
    let grant = format!("IN SCHEMA public TO {}", stage.role);
    refused(&stage.open().await, &[denied, "INSERT", &grant]);
    stage
        .run("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
        .await;
    stage.open().await.unwrap();
    // Every table counts.
    let all = "SELECT relname::text FROM pg_class \
               WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let all = stage.owner.query(all, &[]).await.unwrap();
    assert!(all.len() > 20, "{all:?}");
    for row in all {
        let table: String = row.get(0);
        stage
            .run(&format!("REVOKE SELECT ON {table} FROM {{role}}"))
            .await;
        refused(
            &stage.open().await,
            &[&format!("{denied} {table} (SELECT):")],
        );
        stage
            .run(&format!("GRANT SELECT ON {table} TO {{role}}"))
            .await;
    }
    // What is in a schema that may not be used looks as if it were not there.
    stage.run("REVOKE USAGE ON SCHEMA public FROM PUBLIC").await;
    refused(&stage.open().await, &["GRANT USAGE ON SCHEMA public TO"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_make_tables_does_not_migrate() {
    let stage = Stage::on(empty_database().await).await;
    // As it is since PostgreSQL 15.
    stage
        .run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await;
    let create = format!("GRANT CREATE ON SCHEMA public TO {}", stage.role);
    refused(&stage.migrate().await, &[&create]);
    stage.run(&create).await;
    stage.migrate().await.unwrap();
    stage.open().await.unwrap();
    stage.migrate().await.unwrap();
    // Another one's tables cannot be changed.
    stage.run("ALTER TABLE orders OWNER TO postgres").await;
    refused(
        &stage.migrate().await,
        &["must be owner of table orders", "postgres"],
    );
}
