//! Rows and statements of our own, for single rows on both databases and for whole sets as arrays,
//! which PostgreSQL has: Diesel would plan an UPDATE or an INSERT of many rows anew every time.
//! The columns of a table are written down once, as the fields of its row.

use diesel::{backend::Backend, query_builder::AstPass};

/// How many rows go one by one where arrays could take them: unpacking arrays costs the server as
/// much as several rows.
pub(crate) const FEW: usize = 4;

/// A number of rows as a statement takes it.
pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(crate) type Column<'a, T> = Vec<&'a T>;

/// Pushes the columns of a row, each behind the name of its table.
pub(crate) fn push_columns<DB: Backend>(
    out: &mut AstPass<'_, '_, DB>,
    table: &str,
    columns: &'static str,
) {
    let mut separator = "";
    for column in columns.split(", ") {
        for part in [separator, table, ".", column] {
            out.push_sql(part);
        }
        separator = ", ";
    }
}

/// A row as it is read. `COLUMNS` lists its columns.
macro_rules! read_row {
    ($(#[$doc:meta])* $row:ident {
        $(#[$first_about:meta])* $first:ident: $first_type:ty
        $(, $(#[$about:meta])* $field:ident: $type:ty)* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, diesel::Queryable)]
        pub(crate) struct $row {
            $(#[$first_about])* pub(crate) $first: $first_type,
            $($(#[$about])* pub(crate) $field: $type,)*
        }

        impl $row {
            pub(crate) const COLUMNS: &'static str =
                concat!(stringify!($first) $(, ", ", stringify!($field))*);
        }
    };
}
pub(crate) use read_row;

/// A row as it is written, and many of them as arrays. In a statement each stands for its values:
/// the fields in turn, or `UNNEST` of the arrays. `COLUMNS` lists the fields.
macro_rules! written_row {
    ($(#[$doc:meta])* $row:ident, $arrays:ident {
        $(#[$first_about:meta])* $first:ident: $first_type:ty => $first_sql:ty
        $(, $(#[$about:meta])* $field:ident: $type:ty => $sql:ty)* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $row<'a> {
            $(#[$first_about])* pub(crate) $first: $first_type,
            $($(#[$about])* pub(crate) $field: $type,)*
        }

        impl $row<'_> {
            pub(crate) const COLUMNS: &'static str =
                concat!(stringify!($first) $(, ", ", stringify!($field))*);
        }

        $crate::statement::fragment!($row on diesel::sqlite::Sqlite, diesel::pg::Pg; |row, out| {
            out.push_bind_param::<$first_sql, _>(&row.$first)?;
            $(
                out.push_sql(", ");
                out.push_bind_param::<$sql, _>(&row.$field)?;
            )*
        });

        #[doc = concat!("The fields of many [`", stringify!($row), "`]s.")]
        #[derive(Debug)]
        pub(crate) struct $arrays<'a> {
            $first: $crate::statement::Column<'a, $first_type>,
            $($field: $crate::statement::Column<'a, $type>,)*
        }

        impl<'a> $arrays<'a> {
            pub(crate) fn of(rows: impl Iterator<Item = &'a $row<'a>> + Clone) -> Self {
                Self {
                    $first: rows.clone().map(|row| &row.$first).collect(),
                    $($field: rows.clone().map(|row| &row.$field).collect(),)*
                }
            }
        }

        $crate::statement::fragment!($arrays on diesel::pg::Pg; |rows, out| {
            out.push_sql("UNNEST(");
            out.push_bind_param::<diesel::sql_types::Array<$first_sql>, _>(&rows.$first)?;
            $(
                out.push_sql(", ");
                out.push_bind_param::<diesel::sql_types::Array<$sql>, _>(&rows.$field)?;
            )*
            out.push_sql(")");
        });
    };
}
pub(crate) use written_row;

/// The rows of a table as they are written and as they are read, with each column once: its type
/// when it is written, when it is read, and in SQL. Those that are only read come last, behind `+`.
macro_rules! table_row {
    (
        $(#[$new_doc:meta])* $new:ident, $arrays:ident;
        $(#[$doc:meta])* $row:ident {
            $($(#[$about:meta])* $field:ident: $written:ty, $read:ty => $sql:ty;)+
            $(+ $more:ident: $more_type:ty;)*
        }
    ) => {
        $crate::statement::written_row! {
            $(#[$new_doc])* $new, $arrays { $($field: $written => $sql),+ }
        }
        $crate::statement::read_row! {
            $(#[$doc])* $row {
                $($(#[$about])* $field: $read),+ $(, $more: $more_type)*
            }
        }
    };
}
pub(crate) use table_row;

/// A statement around a row or key, on both databases: text, `values` of a written row, a field
/// `[name: Type]`, or the columns `[Row]` or `[Row as "table"]`. Where it gives rows, their types
/// come first, behind `->`.
macro_rules! row_statement {
    ($(#[$doc:meta])* $name:ident($row:ty) -> $rows:ty; $($part:tt)+) => {
        $crate::statement::row_statement! { $(#[$doc])* $name($row) $($part)+ }
        $crate::statement::query_of!($name, $rows);
    };
    ($(#[$doc:meta])* $name:ident($row:ty) $($part:tt)+) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name<'a>(pub(crate) &'a $row);

        $crate::statement::fragment!($name on diesel::sqlite::Sqlite, diesel::pg::Pg; |it, out| {
            $($crate::statement::push_part!(out, it.0, $part);)+
        });
        $crate::statement::static_query!($name);

        impl diesel::RunQueryDsl<diesel::SqliteConnection> for $name<'_> {}
    };
}
pub(crate) use row_statement;

/// A statement around the arrays of many written rows, on PostgreSQL, of the same parts.
macro_rules! rows_statement {
    ($(#[$doc:meta])* $name:ident($arrays:ident of $row:ident) -> $rows:ty; $($part:tt)+) => {
        $crate::statement::rows_statement! { $(#[$doc])* $name($arrays of $row) $($part)+ }
        $crate::statement::query_of!($name, $rows);
    };
    ($(#[$doc:meta])* $name:ident($arrays:ident of $row:ident) $($part:tt)+) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name<'a>($arrays<'a>);

        impl<'a> $name<'a> {
            pub(crate) fn of(rows: impl Iterator<Item = &'a $row<'a>> + Clone) -> Self {
                Self($arrays::of(rows))
            }
        }

        $crate::statement::fragment!($name on diesel::pg::Pg; |it, out| {
            $($crate::statement::push_part!(out, &it.0, $part);)+
        });
        $crate::statement::static_query!($name);
    };
}
pub(crate) use rows_statement;

/// A statement on PostgreSQL that reads its arrays through one `UNNEST`. Where it begins with
/// SELECT, the columns of a row come first, each behind the name of a table.
macro_rules! array_statement {
    (
        $(#[$doc:meta])* $name:ident { $($field:ident: $element:ty => $sql:ty),+ $(,)? }
        $(-> $rows:ty;)?
        $(SELECT $read:ident as $table:literal)? $before:literal, $after:literal
    ) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<'a> {
            $(pub(crate) $field: Vec<$element>,)+
            pub(crate) marker: std::marker::PhantomData<&'a ()>,
        }

        $crate::statement::fragment!($name on diesel::pg::Pg; |it, out| {
            $(
                out.push_sql("SELECT ");
                $crate::statement::push_columns(&mut out, $table, $read::COLUMNS);
            )?
            let mut separator = concat!($before, " UNNEST(");
            $(
                out.push_sql(std::mem::replace(&mut separator, ", "));
                out.push_bind_param::<diesel::sql_types::Array<$sql>, _>(&it.$field)?;
            )+
            let _ = separator;
            out.push_sql($after);
        });
        $crate::statement::static_query!($name);
        $($crate::statement::query_of!($name, $rows);)?
    };
}
pub(crate) use array_statement;

/// Makes a type a part of statements of some databases: what it pushes.
macro_rules! fragment {
    ($name:ident on $($backend:ty),+; |$it:ident, $out:ident| $push:block) => {
        $(
            impl diesel::query_builder::QueryFragment<$backend> for $name<'_> {
                fn walk_ast<'b>(
                    &'b self,
                    mut $out: diesel::query_builder::AstPass<'_, 'b, $backend>,
                ) -> diesel::QueryResult<()> {
                    let $it = self;
                    $push
                    Ok(())
                }
            }
        )+
    };
}
pub(crate) use fragment;

/// Lets a statement be prepared once for each connection: its text is always the same.
macro_rules! static_query {
    ($name:ident) => {
        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }
    };
}
pub(crate) use static_query;

/// Says of what types the rows are that a statement gives.
macro_rules! query_of {
    ($name:ident, $rows:ty) => {
        impl diesel::query_builder::Query for $name<'_> {
            type SqlType = $rows;
        }
    };
}
pub(crate) use query_of;

macro_rules! push_part {
    ($out:ident, $values:expr, values) => {
        diesel::query_builder::QueryFragment::walk_ast($values, $out.reborrow())?
    };
    ($out:ident, $values:expr, [$row:ident]) => {
        $out.push_sql($row::COLUMNS)
    };
    ($out:ident, $values:expr, [$row:ident as $table:literal]) => {
        $crate::statement::push_columns(&mut $out, $table, $row::COLUMNS)
    };
    ($out:ident, $values:expr, [$field:tt: $sql:ty]) => {
        $out.push_bind_param::<$sql, _>(&$values.$field)?
    };
    ($out:ident, $values:expr, $text:literal) => {
        $out.push_sql($text)
    };
}
pub(crate) use push_part;
