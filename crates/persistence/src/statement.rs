//! Statements of our own for single rows, on both databases: Diesel would plan an
//! UPDATE or an INSERT of many rows anew every time.

/// A statement that binds the fields of one row in turn, and the text between them.
macro_rules! row_statement {
    ($(#[$doc:meta])* $name:ident($row:ty) $($text:literal $field:tt: $sql:ty),+ ; $after:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name<'a>(pub(crate) &'a $row);

        row_statement!(@on diesel::sqlite::Sqlite, $name $($text $field: $sql),+ ; $after);
        row_statement!(@on diesel::pg::Pg, $name $($text $field: $sql),+ ; $after);

        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::RunQueryDsl<diesel::SqliteConnection> for $name<'_> {}
    };
    (@on $backend:ty, $name:ident $($text:literal $field:tt: $sql:ty),+ ; $after:literal) => {
        impl diesel::query_builder::QueryFragment<$backend> for $name<'_> {
            fn walk_ast<'b>(&'b self, mut out: diesel::query_builder::AstPass<'_, 'b, $backend>) -> diesel::QueryResult<()> {
                let row = self.0;
                $(
                    out.push_sql($text);
                    out.push_bind_param::<$sql, _>(&row.$field)?;
                )+
                out.push_sql($after);
                Ok(())
            }
        }
    };
}
pub(crate) use row_statement;
