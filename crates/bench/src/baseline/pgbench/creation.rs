//! The script of a new order: an entry, the order and the order of its customer.

use tokio_postgres::Client;

use super::sample::{count_offsets, sample};
use crate::{failure::Failure, shop};

const CUSTOMER_ID: &str = "'customer-' || lpad(:customer::text, 5, '0')";
/// One for all statements of a transaction.
const NOW: &str = "(extract(epoch FROM now()) * 1000000)::bigint";

/// A transaction of its own for each order. What is a number of the order comes from a sequence.
pub(super) async fn script(client: &Client) -> Result<String, Failure> {
    count_offsets(client).await?;
    let last = "SELECT MAX(partition) FROM partitions";
    let last: i32 = client.query_one(last, &[]).await?.try_get(0)?;
    let entry = insert(
        "history",
        &sample(client, "history", "o.kind = 'created'").await?,
    );
    let order = insert("orders", &sample(client, "orders", "o.version = 1").await?);
    let owned = insert(
        "customer_orders",
        &sample(client, "customer_orders", "TRUE").await?,
    );
    let last_customer = shop::CUSTOMERS - 1;
    Ok(format!(
        "\\set partition random(0, {last})\n\
         \\set customer random(0, {last_customer})\n\
         BEGIN;\n\
         {entry};\n\
         {order};\n\
         {owned};\n\
         COMMIT;\n"
    ))
}

/// Writes all columns of a row. The entry comes first, and takes the next offset.
fn insert(table: &str, columns: &[(String, String)]) -> String {
    let names = columns.iter().map(|(name, _)| name.as_str());
    let names = names.collect::<Vec<_>>().join(", ");
    let (offset, from) = match table {
        "history" => ("taken", " FROM nextval('bench_offsets') AS taken"),
        _ => ("currval('bench_offsets')", ""),
    };
    // As long as the ids of the orders that are there.
    let id = format!("'again-' || lpad({offset}::text, 7, '0')");
    let values = columns.iter().map(|(name, literal)| match name.as_str() {
        "partition" => ":partition::integer".to_owned(),
        "log_offset" | "step_offset" | "order_key" => offset.to_owned(),
        "order_id" | "id" => id.clone(),
        "customer_id" => CUSTOMER_ID.to_owned(),
        "create_time" | "update_time" => NOW.to_owned(),
        "request_id" => format!("'create-' || {id}"),
        "batch_id" => "uuid_send(gen_random_uuid())".to_owned(),
        _ => literal.clone(),
    });
    let values = values.collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {table} ({names}) SELECT {values}{from}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::pgbench::sample::sampled;

    #[test]
    fn keys_ids_and_times_are_new_and_the_rest_is_as_sampled() {
        assert_eq!(
            insert(
                "history",
                &sampled(&["partition", "log_offset", "order_key", "comment"])
            ),
            "INSERT INTO history (partition, log_offset, order_key, comment) \
             SELECT :partition::integer, taken, taken, E'x' FROM nextval('bench_offsets') AS taken"
        );
        assert_eq!(
            insert("orders", &sampled(&["order_key", "id", "body"])),
            "INSERT INTO orders (order_key, id, body) \
             SELECT currval('bench_offsets'), \
             'again-' || lpad(currval('bench_offsets')::text, 7, '0'), E'x'"
        );
    }

    #[test]
    fn ids_are_as_long_as_those_of_the_service() {
        assert_eq!("again-".len() + 7, shop::order_id(0).len());
        assert_eq!("customer-".len() + 5, shop::customer_id(0).len());
    }
}
