//! What an error of the database means at the port. All of it stands here, except that a violated
//! constraint is dealt with where the statement is: only there it is known which field is at fault.

use std::io;

use conduit::{Error, Outcome, Unauthorized};
use sqlx::error::DatabaseError;

/// A failed statement that only reads.
pub(crate) fn reading(error: sqlx::Error) -> Error {
    if is_out_of_reach(&error) {
        return Error::Unavailable(Outcome::NotDone);
    }
    Error::Internal(format!("reading from the database: {error}"))
}

/// A failed statement that writes. When the connection broke, nobody knows whether the database had
/// carried the statement out by then.
pub(crate) fn writing(error: sqlx::Error) -> Error {
    if is_out_of_reach(&error) {
        let outcome = if was_never_sent(&error) { Outcome::NotDone } else { Outcome::Unknown };
        return Error::Unavailable(outcome);
    }
    Error::Internal(format!("writing to the database: {error}"))
}

/// A failed statement in a transaction that was not committed: whatever became of the statement,
/// the database takes it back. That is also how it ends a deadlock, in which two transactions wait
/// for each other; whoever lost may well succeed the next time.
pub(crate) fn in_transaction(error: sqlx::Error) -> Error {
    let lost = |error: &dyn DatabaseError| {
        error.code().is_some_and(|code| matches!(&*code, "40001" | "40P01"))
    };
    if is_out_of_reach(&error) || error.as_database_error().is_some_and(lost) {
        return Error::Unavailable(Outcome::NotDone);
    }
    Error::Internal(format!("writing to the database: {error}"))
}

/// A failed statement in a transaction that names the account of the caller. If there is none, then
/// their token, which says so under a good signature, is of no use any more.
pub(crate) fn by_account(error: sqlx::Error) -> Error {
    if error.as_database_error().is_some_and(DatabaseError::is_foreign_key_violation) {
        return Error::Unauthorized(Unauthorized::Invalid);
    }
    in_transaction(error)
}

/// Whether the statement failed for want of a working connection, and not because of what it said.
pub(crate) fn is_out_of_reach(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| says_out_of_reach(&code)),
        _ => false,
    }
}

/// PostgreSQL: class 08 is a broken connection, 53300 too many of them, and the 57P… that stand here
/// a server that stops or starts. SQLite: the lower byte of a result code, of which 5 (busy) and
/// 6 (locked) mean that another process has held the file for longer than the busy timeout.
fn says_out_of_reach(code: &str) -> bool {
    let sqlite_locked = code.parse::<u32>().is_ok_and(|number| matches!(number & 0xff, 5 | 6));
    let postgres_code = code.len() == 5;
    match code {
        "53300" | "57P01" | "57P02" | "57P03" => true,
        _ if postgres_code => code.starts_with("08"),
        _ => sqlite_locked,
    }
}

fn was_never_sent(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        // A statement that SQLite refuses as busy has not begun.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.len() < 5 || code == "53300" || code == "57P03")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_leaves_a_write_unknown_and_a_read_not_done() {
        let lost = || sqlx::Error::Io(io::ErrorKind::ConnectionReset.into());
        assert_eq!(reading(lost()), Error::Unavailable(Outcome::NotDone));
        assert_eq!(writing(lost()), Error::Unavailable(Outcome::Unknown));
        assert_eq!(in_transaction(lost()), Error::Unavailable(Outcome::NotDone));
    }

    #[test]
    fn a_write_that_got_no_connection_is_not_done() {
        assert_eq!(writing(sqlx::Error::PoolTimedOut), Error::Unavailable(Outcome::NotDone));
        let refused = sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(writing(refused), Error::Unavailable(Outcome::NotDone));
    }

    #[test]
    fn the_codes_of_both_databases_are_told_apart() {
        for code in ["08006", "53300", "57P01", "57P03", "5", "6", "517", "261"] {
            assert!(says_out_of_reach(code), "{code}");
        }
        // Unique violations, a full disk, a syntax error, and a code with 5 in its lower byte.
        for code in ["23505", "2067", "13", "42601", "22021"] {
            assert!(!says_out_of_reach(code), "{code}");
        }
    }

    #[test]
    fn a_fault_of_ours_is_internal() {
        assert!(matches!(reading(sqlx::Error::RowNotFound), Error::Internal(_)));
        assert!(matches!(writing(sqlx::Error::RowNotFound), Error::Internal(_)));
        assert!(matches!(in_transaction(sqlx::Error::RowNotFound), Error::Internal(_)));
    }
}
