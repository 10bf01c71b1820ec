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

/// Rows of all tables, for each `i` that a condition holds for.
fn fill(connection: &Connection, condition: &str) {
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
                 {insert} FROM n WHERE {condition}"
            ),
        );
    }
}

/// Everything that can be seen, positions included.
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
        "SELECT \"table\", pk, cid, val, col_version, db_version, cl, seq FROM crsql_changes",
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
        fill(&a, "1");
        run(
            &a,
            "UPDATE t SET a = 'changed' WHERE id % 50 = 0; DELETE FROM u WHERE v < 9;
             INSERT INTO u SELECT k || 'x', 1 FROM u WHERE v > 340",
        );
        let all = changeset(&a, 0);
        assert!(support::changes(&a, 0).len() > 4000);
        // Both know some rows, of their own making and with other values.
        let [b, c] = [(); 2].map(|()| {
            let replica = replica_of(TABLES);
            fill(&replica, known);
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
        assert_eq!(differs, None, "{known}");
        assert_eq!(found.len(), expected.len(), "{known}");
        assert_eq!(rows(&b, "SELECT * FROM crsql_check"), [""; 0], "{known}");
        assert_eq!(apply(&b, &all), Ok(0), "{known}");
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
    assert_eq!(rows(&b, "SELECT * FROM s"), rows(&a, "SELECT * FROM s"));
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
    assert_eq!(rows(&b, "SELECT * FROM u"), rows(&a, "SELECT * FROM u"));
    assert_eq!(rows(&b, "SELECT * FROM crsql_check"), [""; 0]);
}
