//! Large changesets insert new rows several at a time. What comes of it is what comes of one row after the other.

use super::{apply, changeset, number, replica_of, rows, run, support};
use rusqlite::{Connection, ffi};

const TABLES: &str = "
    CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b);
    CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, v REAL);
    CREATE TABLE w(k TEXT NOT NULL, n NOT NULL, v, PRIMARY KEY (k, n)) WITHOUT ROWID;
    CREATE TABLE s(k INTEGER PRIMARY KEY NOT NULL, v INTEGER) STRICT;
    CREATE TABLE p(id TEXT PRIMARY KEY NOT NULL);
    SELECT crsql_as_crr('t'), crsql_as_crr('u'), crsql_as_crr('w'), crsql_as_crr('s'), crsql_as_crr('p');";

/// Rows of all tables, for each `i` that a condition holds for, in this order.
fn fill(connection: &Connection, condition: &str, order: &str) {
    for insert in [
        "INSERT INTO t SELECT i, 'a' || i, i",
        "INSERT INTO u SELECT 'key ' || (i * 7919 % 10007), i / 2.0",
        "INSERT INTO w SELECT 'k' || (i % 10), i / 10.0, i",
        "INSERT INTO s SELECT -i, i",
        "INSERT INTO p SELECT hex(i)",
    ] {
        run(
            connection,
            &format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700)
                 {insert} FROM n WHERE {condition} ORDER BY {order}"
            ),
        );
    }
}

/// Everything that can be seen. Which row of a transaction has which of its positions depends on how rows are inserted.
fn state(connection: &Connection) -> Vec<String> {
    let mut all = Vec::new();
    for table in ["t", "u", "w", "s", "p"] {
        all.extend(rows(
            connection,
            &format!("SELECT * FROM {table} ORDER BY 1, 2")
                .replace("FROM p ORDER BY 1, 2", "FROM p ORDER BY 1"),
        ));
    }
    all.extend(rows(
        connection,
        "SELECT \"table\", pk, cid, val, col_version, db_version, cl FROM crsql_changes ORDER BY 1, 2, 3",
    ));
    all.extend(rows(
        connection,
        "SELECT db_version, seq FROM crsql_changes ORDER BY 1, 2",
    ));
    all
}

#[test]
fn batches_do_what_single_rows_do() {
    for known in [
        "0",
        "1",
        "i = 1",
        "i % 16 = 0",
        "i % 17 = 3",
        "i % 3 = 0",
        "i < 40",
        "i > 660",
        "i IN (15, 16, 17, 100)",
    ] {
        let a = replica_of(TABLES);
        fill(&a, "1", "i");
        run(
            &a,
            "UPDATE t SET a = 'changed' WHERE id % 50 = 0; DELETE FROM u WHERE v < 9;
             INSERT INTO u SELECT k || 'x', 1 FROM u WHERE v > 340",
        );
        let all = changeset(&a, 0);
        assert!(support::changes(&a, 0).len() > 4000);
        // Both know some rows, of their own making and with other values, in the order in which they come or in another.
        for order in ["i", "i * 337 % 1009"] {
            let [b, c] = [(); 2].map(|()| {
                let replica = replica_of(TABLES);
                fill(&replica, known, order);
                run(
                    &replica,
                    "UPDATE t SET b = -1 WHERE id % 2; DELETE FROM p WHERE id LIKE '%5%'",
                );
                replica
            });
            apply(&b, &all).expect("applied");
            support::merge(&c, &support::changes(&a, 0));
            let (found, expected) = (state(&b), state(&c));
            let differs = found
                .iter()
                .zip(&expected)
                .find(|(found, expected)| found != expected);
            assert_eq!(differs, None, "{known}, by {order}");
            assert_eq!(found.len(), expected.len(), "{known}, by {order}");
            assert_eq!(
                rows(&b, "SELECT * FROM crsql_check"),
                [""; 0],
                "{known}, by {order}"
            );
            assert_eq!(apply(&b, &all), Ok(0), "{known}, by {order}");
        }
    }
}

/// A row that a constraint refuses in the middle of many undoes all, and says why as it would alone.
#[test]
fn a_refused_row_among_many_undoes_all() {
    // Where the key is the rowid, rows are inserted one by one.
    for key in ["INTEGER", "TEXT"] {
        refuse_a_row_among_many(key);
    }
}

fn refuse_a_row_among_many(key: &str) {
    let table = format!("CREATE TABLE s(k {key} PRIMARY KEY NOT NULL, v INTEGER");
    let declared = format!("{table}, w)");
    let a = replica_of(&format!("{declared}; SELECT crsql_as_crr('s')"));
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO s SELECT i, iif(i = 2007, 'text', i), i / 2 FROM n",
    );
    let all = changeset(&a, 0);
    for (rest, expected) in [
        (
            ", w INTEGER) STRICT",
            "merging into table \"s\": cannot store TEXT value in INTEGER column s.v",
        ),
        (
            " CHECK (typeof(v) <> 'text'), w)",
            "merging into table \"s\": CHECK constraint failed: typeof(v) <> 'text'",
        ),
        (
            ", w CHECK (w < 1000))",
            "merging into table \"s\": CHECK constraint failed: w < 1000",
        ),
    ] {
        let b = replica_of(&format!("{table}{rest}; SELECT crsql_as_crr('s')"));
        run(&b, "INSERT INTO s VALUES (0, 0, 0)");
        let before = rows(&b, "SELECT * FROM s, crsql_changes");
        let error = apply(&b, &all).unwrap_err().to_string();
        assert_eq!(error, format!("crsql: {expected}"));
        assert_eq!(rows(&b, "SELECT * FROM s, crsql_changes"), before);
    }
    // An index that came later; the key of the first row is known, and its value too.
    let b = replica_of(&format!(
        "{declared}; SELECT crsql_as_crr('s'); CREATE UNIQUE INDEX later ON s(w)"
    ));
    run(&b, "INSERT INTO s VALUES (1, 1, 0)");
    let error = apply(&b, &all).unwrap_err().to_string();
    assert_eq!(
        error,
        "crsql: merging into table \"s\": UNIQUE constraint failed: s.w"
    );
    assert_eq!(number(&b, "SELECT count(*) FROM s"), 1);
    run(&b, "DROP INDEX later; CREATE UNIQUE INDEX later ON s(k, w)");
    apply(&b, &all).expect("applied");
    let all_rows = "SELECT * FROM s ORDER BY k";
    assert_eq!(rows(&b, all_rows), rows(&a, all_rows));
    assert_eq!(rows(&b, "SELECT * FROM crsql_check"), [""; 0]);
}

/// An application may allow less than the statement of a batch needs.
#[test]
fn lowered_limits_lead_to_single_rows() {
    let declared = "CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, v, w); SELECT crsql_as_crr('u')";
    let a = replica_of(declared);
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO u SELECT 'key ' || i, i, -i FROM n",
    );
    let all = changeset(&a, 0);
    let b = replica_of(declared);
    // SAFETY: the connection is open.
    unsafe {
        ffi::sqlite3_limit(b.handle(), ffi::SQLITE_LIMIT_VARIABLE_NUMBER, 47);
    }
    assert_eq!(apply(&b, &all), Ok(6000));
    let all_rows = "SELECT * FROM u ORDER BY k";
    assert_eq!(rows(&b, all_rows), rows(&a, all_rows));
    assert_eq!(rows(&b, "SELECT * FROM crsql_check"), [""; 0]);
}

/// The rows of a transaction are inserted in the order of their keys, and stand in the log as they stand in the table:
/// whoever reads the log walks through the table. Transactions stay in their order, and the rows of an author together.
#[test]
fn new_rows_stand_in_the_log_as_in_the_table() {
    let declared = "CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, v, w); SELECT crsql_as_crr('u')";
    let fill = |connection: &Connection, name: &str| {
        run(
            connection,
            &format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
                 INSERT INTO u SELECT '{name} ' || hex(i * 2654435761 % 4294967296), i, -i FROM n"
            ),
        );
    };
    let a = replica_of(declared);
    ["c", "a", "b"].iter().for_each(|name| fill(&a, name));
    let b = replica_of(declared);
    apply(&b, &changeset(&a, 0)).expect("applied");
    let in_log =
        "SELECT crsql_changes.val FROM crsql_changes WHERE cid = 'v' ORDER BY db_version, seq";
    let in_table = "SELECT v FROM u ORDER BY rowid";
    assert_eq!(rows(&b, in_log), rows(&b, in_table));
    assert_ne!(rows(&b, in_log), rows(&a, in_log));
    assert_eq!(
        rows(
            &b,
            "SELECT DISTINCT substr(k, 1, 1) FROM (SELECT k FROM u ORDER BY rowid)"
        ),
        ["Text([99])", "Text([97])", "Text([98])"]
    );
    // The first row goes in alone, and then as many as one statement takes, as they come: only after these it is clear that
    // all are new.
    let out_of_order =
        "SELECT count(*) FROM (SELECT k, lag(k) OVER (ORDER BY rowid) AS before FROM u WHERE k LIKE 'b %')
         WHERE k < before";
    assert!(number(&b, out_of_order) <= 17);

    // Rows of two authors in turn, of one transaction where they are merged.
    let other = replica_of(declared);
    fill(&other, "d");
    fill(&a, "e");
    let both = replica_of(declared);
    run(&both, "BEGIN");
    let (own, others) = (support::changes(&a, 3), support::changes(&other, 0));
    for (own, other) in own.chunks(2).zip(others.chunks(2)) {
        support::merge(&both, own);
        support::merge(&both, other);
    }
    run(&both, "COMMIT");
    let c = replica_of(declared);
    apply(&c, &changeset(&both, 0)).expect("applied");
    assert_eq!(rows(&c, in_log), rows(&c, in_table));
    let entries = "SELECT count(*) FROM crsql_log";
    assert!(number(&both, entries) > 2000, "{}", number(&both, entries));
    assert!(number(&c, entries) < 400, "{}", number(&c, entries));
    let all_rows = "SELECT * FROM u ORDER BY k";
    assert_eq!(rows(&c, all_rows), rows(&both, all_rows));
    assert_eq!(rows(&c, "SELECT * FROM crsql_check"), [""; 0]);
}

/// Rows whose keys come nearly in their order stay as they come: so they are found one behind the other when they come again.
#[test]
fn new_rows_that_come_nearly_in_order_stay_in_theirs() {
    let declared = "CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, v); SELECT crsql_as_crr('u')";
    for key in [
        // Disorder within a hundred, or a hundred places that each fill up.
        "printf('%04d/%02d', i / 100, i * 37 % 100)",
        "printf('%02d/%04d', i * 37 % 100, i / 100)",
    ] {
        let (a, b) = (replica_of(declared), replica_of(declared));
        run(
            &a,
            &format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
                 INSERT INTO u SELECT {key}, i FROM n"
            ),
        );
        apply(&b, &changeset(&a, 0)).expect("applied");
        let as_they_stand = "SELECT v FROM u ORDER BY rowid";
        assert_eq!(rows(&b, as_they_stand), rows(&a, as_they_stand), "{key}");
        assert_eq!(rows(&b, "SELECT * FROM crsql_check"), [""; 0]);
    }
}
