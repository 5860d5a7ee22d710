//! One statement as a span of a trace: where in the program it stands and how long it took, never what
//! it says or with which values.

use tracing::{Span, field::Empty};

use crate::db::count_statement;

/// A statement that runs. Where nothing is traced, all that is left of it is a counter.
pub(crate) struct Statement(Span);

impl Statement {
    /// One that a use case or a job sends; `here` is the name of a function beside it.
    #[inline]
    pub(crate) fn begin(database: &'static str, here: &'static str) -> Self {
        count_statement();
        Self(tracing::debug_span!(
            "sql",
            otel.name = place(here),
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = database,
        ))
    }

    /// The beginning or the end of a transaction, which is not counted as one.
    #[inline]
    pub(crate) fn of_transaction(database: &'static str, name: &'static str) -> Self {
        Self(tracing::debug_span!(
            "sql",
            otel.name = name,
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = database,
        ))
    }

    /// It has ended; only whether it failed is noted, because an error may repeat what was sent.
    #[inline]
    pub(crate) fn ended<T, E>(self, result: &Result<T, E>) {
        if result.is_err() {
            self.0.record("otel.status_code", "ERROR");
        }
    }
}

/// Begins a statement on the database with this name, which is called after the function that this
/// stands in.
macro_rules! begin {
    ($database:expr) => {{
        fn here() {}
        $crate::statement::Statement::begin($database, std::any::type_name_of_val(&here))
    }};
}

pub(crate) use begin;

/// Where a function stands that was defined beside a statement: `in_process::articles::list::{{closure}}::here`
/// becomes `articles::list`.
fn place(here: &str) -> String {
    let inside = here.strip_prefix("in_process::").unwrap_or(here);
    let inside = inside.strip_suffix("::here").unwrap_or(inside);
    inside.replace("::{{closure}}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_named_by_where_it_stands() {
        let name = async {
            fn here() {}
            place(std::any::type_name_of_val(&here))
        };
        let name = futures_util::FutureExt::now_or_never(name).unwrap();
        assert_eq!(name, "statement::tests::a_statement_is_named_by_where_it_stands");
    }
}
