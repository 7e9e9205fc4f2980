//! Statements of our own, for single rows on both databases and for whole sets as
//! arrays, which PostgreSQL has: Diesel would plan an UPDATE or an INSERT of many
//! rows anew every time.

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

/// A statement on PostgreSQL that reads its arrays through one `UNNEST`.
macro_rules! array_statement {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $element:ty => $sql:ty),+ $(,)? } $before:literal, $after:literal) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<'a> {
            $(pub(crate) $field: Vec<$element>,)+
            pub(crate) marker: std::marker::PhantomData<&'a ()>,
        }

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name<'_> {
            fn walk_ast<'b>(&'b self, mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>) -> diesel::QueryResult<()> {
                let mut separator = concat!($before, " UNNEST(");
                $(
                    out.push_sql(std::mem::replace(&mut separator, ", "));
                    out.push_bind_param::<diesel::sql_types::Array<$sql>, _>(&self.$field)?;
                )+
                let _ = separator;
                out.push_sql($after);
                Ok(())
            }
        }

        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }
    };
}
pub(crate) use array_statement;
