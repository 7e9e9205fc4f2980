//! Rows that the service wrote, whose values the scripts write again.

use tokio_postgres::Client;

use crate::failure::Failure;

/// Makes the sequence `bench_offsets`, which begins behind all entries that are there.
pub(super) async fn count_offsets(client: &Client) -> Result<(), Failure> {
    let first = "SELECT COALESCE(MAX(log_offset), 0) + 1 FROM history";
    let first: i64 = client.query_one(first, &[]).await?.try_get(0)?;
    let sequence = format!("CREATE SEQUENCE bench_offsets START {first}");
    Ok(client.batch_execute(&sequence).await?)
}

/// The columns of a table with the values of one row, as literals.
pub(super) async fn sample(
    client: &Client,
    table: &str,
    which: &str,
) -> Result<Vec<(String, String)>, Failure> {
    let names = "SELECT column_name::text FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position";
    let names = client.query(names, &[&table]).await?;
    let names = names
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<Vec<String>, _>>()?;
    let texts = names.iter().map(|name| format!("o.{name}::text"));
    let texts = texts.collect::<Vec<_>>().join(", ");
    let row = format!("SELECT {texts} FROM {table} o WHERE {which} LIMIT 1");
    let row = client.query_one(&row, &[]).await?;
    let literals = names.iter().enumerate();
    let literals = literals.map(|(at, name)| Ok((name.clone(), literal(row.try_get(at)?))));
    literals.collect()
}

/// A literal in which `pgbench` sees no variable: that begins with a colon, wherever it stands.
fn literal(text: Option<String>) -> String {
    let Some(text) = text else {
        return "NULL".to_owned();
    };
    let text = text.replace('\\', "\\\\").replace('\'', "\'\'");
    format!("E'{}'", text.replace(':', "\\x3a"))
}

/// Columns with one value, as if they were sampled.
#[cfg(test)]
pub(super) fn sampled(names: &[&str]) -> Vec<(String, String)> {
    let sampled = names
        .iter()
        .map(|name| ((*name).to_owned(), "E'x'".to_owned()));
    sampled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_has_no_colon_and_keeps_quotes_and_backslashes() {
        let of = |text: &str| literal(Some(text.to_owned()));
        assert_eq!(of(r#"{"a":true}"#), r#"E'{"a"\x3atrue}'"#);
        assert_eq!(of(r"it's \x00"), r"E'it''s \\x00'");
        assert_eq!(literal(None), "NULL");
    }
}
