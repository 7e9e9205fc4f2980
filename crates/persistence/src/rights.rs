//! Rights of the role of a PostgreSQL address, asked before it is needed: a server whose role
//! may only read would start, and refuse every step.

use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{Error, tx::Tx};

/// The rights that serving needs of each table, a letter for each right as in lists of PostgreSQL: `r`
/// SELECT, `a` INSERT, `w` UPDATE, which locks too, `d` DELETE.
static NEEDED: [(&str, &str); 26] = [
    ("__diesel_schema_migrations", "r"),
    ("deployment", "r"),
    ("tracking_key", "r"),
    ("catalog", "ra"),
    ("partitions", "rw"),
    ("workflows", "rawd"),
    ("states", "rawd"),
    ("statuses", "rawd"),
    ("assignments", "rad"),
    ("transitions", "rawd"),
    ("workflow_versions", "rad"),
    ("requests", "rawd"),
    ("orders", "raw"),
    ("history", "ra"),
    ("journal_pages", "ra"),
    ("customer_orders", "rad"),
    ("timer_refreshes", "rawd"),
    ("tracking_tokens", "raw"),
    ("deliveries", "rawd"),
    ("delivery_attempts", "rad"),
    ("delivery_decisions", "rad"),
    ("endpoints", "rawd"),
    ("dispatchers", "rawd"),
    ("dispatch_leases", "rw"),
    ("lost_deliveries", "rawd"),
    ("lost_timers", "rawd"),
];
static LETTERS: [(char, &str); 4] = [
    ('r', "SELECT"),
    ('a', "INSERT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
];

/// The role that is asked about, quoted as statements need it.
#[derive(diesel::QueryableByName)]
struct RoleStanding {
    #[diesel(sql_type = Text)]
    role: String,
    /// The schema where tables are made, if any.
    #[diesel(sql_type = Nullable<Text>)]
    makes_in: Option<String>,
    #[diesel(sql_type = Bool)]
    may_make: bool,
    /// The schema where the tables are, if there are any.
    #[diesel(sql_type = Nullable<Text>)]
    tables_in: Option<String>,
}

#[derive(diesel::QueryableByName)]
struct Lack {
    #[diesel(sql_type = Text)]
    relation: String,
    /// The right that is not there, or the owner who alone has it.
    #[diesel(sql_type = Text)]
    lacking: String,
}

/// Makes sure that the role may do all that serving needs. Tables that are not there yet are left
/// to the comparison of migrations.
///
/// # Errors
/// Returns [`Error::Rights`], which says what to grant.
pub(crate) async fn check_to_serve(tx: &mut Tx) -> Result<(), Error> {
    let Tx::Postgres(connection) = tx else {
        return Ok(());
    };
    let connection: &mut AsyncPgConnection = connection;
    let standing = standing(connection).await?;
    let makes_in = usable(&standing)?;
    let needed = NEEDED.iter().flat_map(|(relation, letters)| {
        let rights = LETTERS.iter();
        let rights = rights.filter(move |(letter, _)| letters.contains(*letter));
        rights.map(move |(_, right)| format!("('{relation}', '{right}')"))
    });
    let needed = needed.collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT relation, lacking FROM (VALUES {needed}) AS needed (relation, lacking) \
         WHERE NOT has_table_privilege(to_regclass(relation), lacking)"
    );
    let lacks: Vec<Lack> = diesel::sql_query(sql).load(connection).await?;
    let Some(Lack { relation, .. }) = <[_]>::first(&lacks) else {
        return Ok(());
    };
    let of_first = lacks.iter().filter(|lack| lack.relation == *relation);
    let rights: Vec<&str> = of_first.map(|lack| lack.lacking.as_str()).collect();
    let more = if lacks.len() > rights.len() {
        ", and for others"
    } else {
        ""
    };
    let schema = standing.tables_in.as_deref().unwrap_or(makes_in);
    let role = &standing.role;
    Err(Error::Rights {
        problem: format!(
            "permission denied for table {relation} ({}){more}: \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
            rights.join(", ")
        ),
    })
}

/// Makes sure that the role may make tables, and change those that are there.
///
/// # Errors
/// Returns [`Error::Rights`], which says what to grant.
pub(crate) async fn check_to_migrate(tx: &mut Tx) -> Result<(), Error> {
    let Tx::Postgres(connection) = tx else {
        return Ok(());
    };
    let connection: &mut AsyncPgConnection = connection;
    let standing = standing(connection).await?;
    let schema = usable(&standing)?;
    let role = &standing.role;
    if !standing.may_make {
        return Err(Error::Rights {
            problem: format!(
                "permission denied for schema {schema}: GRANT CREATE ON SCHEMA {schema} TO {role}, \
                 or let {role} own the database"
            ),
        });
    }
    let all = NEEDED.iter().map(|(relation, _)| format!("('{relation}')"));
    let all = all.collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT relation, quote_ident(pg_get_userbyid(relowner)) AS lacking \
         FROM (VALUES {all}) AS needed (relation) JOIN pg_class c ON c.oid = to_regclass(relation) \
         WHERE NOT pg_has_role(relowner, 'USAGE')"
    );
    let others: Vec<Lack> = diesel::sql_query(sql).load(connection).await?;
    match <[_]>::first(&others) {
        Some(Lack { relation, lacking }) => Err(Error::Rights {
            problem: format!(
                "must be owner of table {relation}: migrate as {lacking}, or GRANT {lacking} TO {role}"
            ),
        }),
        None => Ok(()),
    }
}

async fn standing(connection: &mut AsyncPgConnection) -> Result<RoleStanding, Error> {
    let sql = "SELECT quote_ident(current_user) AS role, \
               quote_ident(current_schema()) AS makes_in, \
               coalesce(has_schema_privilege(current_schema()::text, 'CREATE'), false) AS may_make, \
               (SELECT quote_ident(n.nspname) FROM pg_class c \
                JOIN pg_namespace n ON n.oid = c.relnamespace \
                WHERE c.oid = to_regclass('__diesel_schema_migrations')) AS tables_in";
    Ok(diesel::sql_query(sql).get_result(connection).await?)
}

/// The schema where the role makes tables. A schema that it may not use is as none to it, and so are the
/// tables in it.
fn usable(standing: &RoleStanding) -> Result<&str, Error> {
    standing.makes_in.as_deref().ok_or_else(|| Error::Rights {
        problem: format!(
            "role {role} may use no schema of its search_path: GRANT USAGE ON SCHEMA public TO {role}",
            role = standing.role
        ),
    })
}
