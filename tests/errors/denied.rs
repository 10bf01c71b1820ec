//! An application's authorizer that denies single steps of the extension's own work, so that a
//! statement fails in its middle.

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::checks::{check_partial, create_crr, exec, one, text_of};
use crate::support::{changes, open_memory, try_merge};

/// What may be denied: writes to internal tables, by the beginning of the table's name.
const DENIED: [&str; 4] = ["crsql_log", "crsql_rows_", "crsql_site_id", "crsql_master"];

fn deny(connection: &mut Connection, denied: Option<&'static str>) {
    let hook = denied.map(|denied| {
        move |context: AuthContext<'_>| match context.action {
            AuthAction::Insert { table_name }
            | AuthAction::Delete { table_name }
            | AuthAction::Update { table_name, .. }
                if table_name.starts_with(denied) =>
            {
                Authorization::Deny
            }
            _ => Authorization::Allow,
        }
    });
    connection.authorizer(hook).expect("authorizer");
}

/// What the work that is denied runs in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Transaction {
    /// Each statement is one.
    Implicit,
    /// BEGIN, and a COMMIT that is not denied anything.
    DeniedBeforeCommit,
    /// BEGIN and COMMIT: what is written at the end is denied as well.
    DeniedThroughout,
}
use Transaction::{DeniedBeforeCommit, DeniedThroughout, Implicit};

/// Runs the work while a table is denied, and commits if that is allowed. Whatever it answered, what
/// is committed is whole.
fn is_whole(
    create: &str,
    transaction: Transaction,
    denied: &'static str,
    work: &dyn Fn(&Connection) -> rusqlite::Result<()>,
) -> bool {
    let mut connection = open_memory();
    create_crr(&connection, "t", create);
    exec(
        &connection,
        "INSERT INTO t(k, a) VALUES (1, 1), (2, 2), (3, 3), (4, 4); UPDATE t SET a = 'x' WHERE k = 2; \
         DELETE FROM t WHERE k = 3",
    );
    if transaction != Implicit {
        exec(
            &connection,
            "BEGIN; INSERT INTO t(k, a) VALUES (8, 'earlier')",
        );
    }
    deny(&mut connection, Some(denied));
    let outcome = work(&connection);
    if transaction != DeniedThroughout {
        deny(&mut connection, None);
    }
    // Shown when what follows fails.
    eprintln!("{denied} denied, {transaction:?}, {outcome:?}\n{create}");
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("COMMIT")
    {
        let doomed = "crsql: an earlier statement of this transaction failed halfway, so it can't be committed; ROLLBACK and try again";
        let text = text_of(&error);
        assert!(
            text == doomed || transaction == DeniedThroughout && text.contains("not authorized"),
            "{text}"
        );
        if !connection.is_autocommit() {
            exec(&connection, "ROLLBACK");
        }
    }
    deny(&mut connection, None);
    assert_eq!(
        one::<i64>(&connection, "SELECT crsql_internal_sync_bit()"),
        0
    );
    exec(
        &connection,
        "INSERT INTO t(k, a) VALUES (9, 'after'); UPDATE t SET b = 'after'",
    );
    check_partial(&connection, &["t"]);
    outcome.is_err()
}

const SHAPES: [&str; 2] = [
    "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b DEFAULT 'd')",
    "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a, b DEFAULT 'd')",
];

#[test]
fn capture_that_is_denied_undoes_the_write() {
    let mut errors = 0;
    for create in SHAPES {
        for sql in [
            "INSERT INTO t(k, a) VALUES (5, 5), (3, 'life'), (6, 6)",
            "UPDATE t SET a = 'all'",
            "UPDATE t SET a = 'one' WHERE k = 2",
            "UPDATE t SET k = k + 20",
            "REPLACE INTO t(k, a) VALUES (1, 'r')",
            "DELETE FROM t WHERE k = 1",
            "DELETE FROM t",
        ] {
            for denied in DENIED {
                for transaction in [Implicit, DeniedBeforeCommit, DeniedThroughout] {
                    let failed = is_whole(create, transaction, denied, &|connection| {
                        connection.execute_batch(sql)
                    });
                    errors += usize::from(failed);
                }
            }
        }
    }
    assert!(errors > 20, "only {errors} statements were denied");
}

#[test]
fn merges_that_are_denied_are_whole_or_cannot_be_committed() {
    let mut errors = 0;
    for create in SHAPES {
        let peer = open_memory();
        create_crr(&peer, "t", create);
        exec(
            &peer,
            "INSERT INTO t(k, a) VALUES (1, 'p'), (2, 'p'), (3, 'p'), (7, 'p'); UPDATE t SET a = 'q', b = 'q' WHERE k < 3; \
             DELETE FROM t WHERE k = 1; DELETE FROM t WHERE k = 3; INSERT INTO t(k, a) VALUES (3, 'life'), (1, 'again'); DELETE FROM t WHERE k = 2",
        );
        let incoming = changes(&peer, 0);
        for denied in DENIED {
            for transaction in [Implicit, DeniedBeforeCommit, DeniedThroughout] {
                for ignores_errors in [false, true] {
                    let failed = is_whole(create, transaction, denied, &|connection| {
                        let mut outcome = Ok(());
                        for change in &incoming {
                            let merged = try_merge(connection, std::slice::from_ref(change));
                            if merged.is_err() && !ignores_errors {
                                return merged;
                            }
                            outcome = outcome.and(merged);
                        }
                        outcome
                    });
                    errors += usize::from(failed);
                }
            }
        }
    }
    assert!(errors > 10, "only {errors} merges were denied");
}
