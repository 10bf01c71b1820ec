//! Applying changesets.

use super::support::{self, Change, changes, merge};
use super::{apply, changeset, number, replica, replica_of, rows, run, stream};
use rusqlite::Connection;

#[test]
fn the_result_counts_the_changes_that_won() {
    let (a, b) = (replica(), replica());
    run(
        &a,
        "INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2); DELETE FROM t WHERE id = 2;",
    );
    run(&b, "INSERT INTO t VALUES (1, 'zero', 1)");
    // `a` of row 1 is larger here, `b` is equal; the delete is news.
    assert_eq!(apply(&b, &changeset(&a, 0)), Ok(1));
    assert_eq!(apply(&b, &changeset(&a, 0)), Ok(0), "nothing is news twice");
    assert_eq!(apply(&a, &changeset(&b, 0)), Ok(1), "zero > one");
    assert_eq!(rows(&a, "SELECT * FROM t"), rows(&b, "SELECT * FROM t"));
}

#[test]
fn impacts_are_counted_in_the_transaction() {
    let (a, b) = (replica(), replica());
    run(&a, "INSERT INTO t VALUES (1, 'one', 1)");
    run(&b, "BEGIN");
    assert_eq!(apply(&b, &changeset(&a, 0)), Ok(2));
    assert_eq!(number(&b, "SELECT crsql_rows_impacted()"), 2);
    run(&b, "COMMIT");
}

#[test]
fn changesets_can_come_in_any_order() {
    let a = replica();
    let mut all = Vec::new();
    for sql in [
        "INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)",
        "UPDATE t SET a = 5 WHERE id = 1",
        "DELETE FROM t WHERE id = 2",
        "INSERT INTO t VALUES (2, 7, 7)",
    ] {
        let since = number(&a, "SELECT crsql_db_version()");
        run(&a, sql);
        all.push(changeset(&a, since));
    }
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]];
    for order in orders {
        let b = replica();
        for place in order {
            apply(&b, &all[place]).expect("applied");
        }
        assert_eq!(
            rows(&a, "SELECT * FROM t"),
            rows(&b, "SELECT * FROM t"),
            "{order:?}"
        );
    }
}

#[test]
fn changes_of_one_site_can_be_left_out() {
    let (a, b) = (replica(), replica());
    run(&a, "INSERT INTO t VALUES (1, 1, 1)");
    run(&b, "INSERT INTO t VALUES (2, 2, 2)");
    apply(&b, &changeset(&a, 0)).expect("applied");
    let site: Vec<u8> = a
        .query_row("SELECT crsql_site_id()", [], |row| row.get(0))
        .expect("a site");
    let others: Vec<u8> = b
        .query_row("SELECT crsql_changeset(0, ?1)", [&site], |row| row.get(0))
        .expect("a changeset");
    let sql = "SELECT group_concat(\"table\" || hex(pk)) FROM crsql_changeset_rows(?1)";
    let found: String = b.query_row(sql, [&others], |row| row.get(0)).expect("rows");
    assert_eq!(found, "t010902,t010902");
}

/// Cell by cell, the constraint would refuse what is on its way to a valid row.
#[test]
fn all_columns_of_a_row_are_written_together() {
    let schema = "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, low, high, CHECK (low <= high));
                  SELECT crsql_as_crr('t');
                  CREATE TABLE seen(what);
                  CREATE TRIGGER seen AFTER UPDATE ON t BEGIN
                    INSERT INTO seen VALUES (OLD.low || '-' || OLD.high || ' ' || NEW.low || '-' || NEW.high); END;
                  CREATE TRIGGER made AFTER INSERT ON t BEGIN
                    INSERT INTO seen VALUES ('new ' || NEW.low || '-' || NEW.high); END;";
    let (a, b) = (replica_of(schema), replica_of(schema));
    run(&a, "INSERT INTO t VALUES (1, 1, 2)");
    apply(&b, &changeset(&a, 0)).expect("applied");
    run(&a, "UPDATE t SET low = 10, high = 20");
    apply(&b, &changeset(&a, 1)).expect("applied");
    assert_eq!(
        rows(&b, "SELECT low, high FROM t"),
        rows(&a, "SELECT low, high FROM t")
    );
    assert_eq!(
        rows(&b, "SELECT what FROM seen"),
        rows(&a, "SELECT what FROM seen")
    );
}

#[test]
fn a_refused_row_undoes_the_whole_changeset_and_nothing_else() {
    let (a, b) = (
        replica(),
        replica_of(
            "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b); SELECT crsql_as_crr('t');
             CREATE UNIQUE INDEX b ON t(b)",
        ),
    );
    run(&a, "INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 1)");
    run(&b, "BEGIN; INSERT INTO t VALUES (9, 'mine', 9)");
    let error = apply(&b, &changeset(&a, 0)).unwrap_err().to_string();
    assert!(
        error.contains("merging into table \"t\": UNIQUE constraint failed: t.b"),
        "{error}"
    );
    assert_eq!(rows(&b, "SELECT id FROM t"), ["Integer(9)"]);
    run(&b, "INSERT INTO t VALUES (10, 'mine', 10); COMMIT");
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_changes"), 4);
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_site_id"), 1);
}

#[test]
fn a_deleted_row_makes_room_for_the_next_one_of_its_value() {
    let schema = "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a);
                  SELECT crsql_as_crr('t'); CREATE UNIQUE INDEX a ON t(a)";
    let (a, b) = (replica_of(schema), replica_of(schema));
    run(&a, "INSERT INTO t VALUES (1, 'same')");
    apply(&b, &changeset(&a, 0)).expect("applied");
    run(
        &a,
        "BEGIN; DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (2, 'same'); UPDATE t SET id = 3; COMMIT",
    );
    apply(&b, &changeset(&a, 1)).expect("rows are merged in the order of their writes");
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
}

#[test]
fn a_filled_replica_is_as_small_as_its_origin() {
    let (a, b) = (replica(), replica());
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             INSERT INTO t SELECT i, 'row ' || i, i * 0.5 FROM n",
    );
    assert_eq!(apply(&b, &changeset(&a, 0)), Ok(10_000));
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_log"), 1);
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_rows_1"), 0);
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
}

/// Large changesets are applied with triggers switched off: they must be on again.
#[test]
fn writes_after_a_large_changeset_are_recorded() {
    let (a, b) = (replica(), replica());
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             INSERT INTO t SELECT i, i, i FROM n",
    );
    let all = changeset(&a, 0);
    let mut insert = b
        .prepare("INSERT INTO t VALUES (?1, ?2, ?3)")
        .expect("a statement");
    insert.execute((10_001, 1, 1)).expect("written");
    assert_eq!(apply(&b, &all), Ok(10_000));
    insert.execute((10_002, 1, 1)).expect("written");
    assert_eq!(
        number(
            &b,
            "SELECT count(*) FROM crsql_changes WHERE site_id = crsql_site_id()"
        ),
        4
    );
    let mut damaged = all.clone();
    damaged.truncate(all.len() - 1);
    apply(&b, &damaged).unwrap_err();
    insert.execute((10_003, 1, 1)).expect("written");
    assert_eq!(
        number(
            &b,
            "SELECT count(*) FROM crsql_changes WHERE site_id = crsql_site_id()"
        ),
        6
    );
}

#[test]
fn triggers_of_the_application_fire_for_large_changesets_too() {
    let (a, b) = (replica(), replica());
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO t SELECT i, i, i FROM n",
    );
    run(
        &b,
        "CREATE TABLE seen(n); INSERT INTO seen VALUES (0);
             CREATE TRIGGER seen AFTER INSERT ON t BEGIN UPDATE seen SET n = n + 1; END",
    );
    assert_eq!(apply(&b, &changeset(&a, 0)), Ok(6000));
    assert_eq!(number(&b, "SELECT n FROM seen"), 3000);
}

/// Statements that are running when triggers are switched off can't open another table.
#[test]
fn a_statement_may_apply_what_it_reads_from_a_table() {
    let (a, b) = (replica(), replica());
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO t SELECT i, i, i FROM n",
    );
    run(&b, "CREATE TABLE inbox(data BLOB)");
    b.execute("INSERT INTO inbox VALUES (?1)", [changeset(&a, 0)])
        .expect("written");
    let found = rows(
        &b,
        "SELECT crsql_apply(data), (SELECT count(*) FROM t WHERE data IS NOT NULL) FROM inbox",
    );
    assert_eq!(found, ["Integer(6000) Integer(3000)"]);
}

#[test]
fn changes_of_unknown_tables_and_columns_wait_for_them() {
    let schema =
        "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b, c); SELECT crsql_as_crr('t');
                  CREATE TABLE u(id INTEGER PRIMARY KEY NOT NULL, a); SELECT crsql_as_crr('u');
                  CREATE TABLE p(id INTEGER PRIMARY KEY NOT NULL); SELECT crsql_as_crr('p');";
    let (a, b) = (replica_of(schema), replica());
    run(
        &a,
        "INSERT INTO t VALUES (1, 'a', 'b', 'c'); INSERT INTO u VALUES (1, 'u'); INSERT INTO p VALUES (1)",
    );
    assert_eq!(apply(&b, &changeset(&a, 0)), Ok(2));
    assert_eq!(
        rows(
            &b,
            "SELECT \"table\", \"column\" FROM crsql_parked ORDER BY 1, 2"
        ),
        [
            "Text(\"p\") Text(\"-1\")",
            "Text(\"t\") Text(\"c\")",
            "Text(\"u\") Text(\"a\")"
        ]
        .map(|row| row.replace("Text(\"", "Text([").replace("\")", "])"))
        .map(|row| as_bytes_debug(&row))
    );
    run(&b, "ALTER TABLE t ADD COLUMN c; CREATE TABLE u(id INTEGER PRIMARY KEY NOT NULL, a); SELECT crsql_as_crr('u');
             CREATE TABLE p(id INTEGER PRIMARY KEY NOT NULL); SELECT crsql_as_crr('p');");
    for table in ["t", "u", "p"] {
        let all = format!("SELECT * FROM {table}");
        assert_eq!(rows(&b, &all), rows(&a, &all));
    }
}

/// As `{:?}` of a text in SQLite shows it: by its bytes.
fn as_bytes_debug(row: &str) -> String {
    let cells = row.split(' ').map(|cell| {
        let text = cell.trim_start_matches("Text([").trim_end_matches("])");
        format!("Text({:?})", text.as_bytes())
    });
    cells.collect::<Vec<_>>().join(" ")
}

/// The simulator found that a row made by a cell whose column waits was counted by `crsql_rows_impacted`, and by a merge of
/// the same change through `crsql_changes`, but not in the result of `crsql_apply`.
#[test]
fn a_row_made_by_a_cell_of_an_unknown_column_counts_as_won() {
    let (a, b) = (replica(), replica());
    run(
        &a,
        "INSERT INTO t VALUES (1, 'a', 'b'); ALTER TABLE t ADD COLUMN c; UPDATE t SET c = 'new'",
    );
    let since = number(&a, "SELECT crsql_db_version() - 1");
    assert_eq!(apply(&b, &changeset(&a, since)).expect("applied"), 1);
    assert_eq!(number(&b, "SELECT count(*) FROM t"), 1);
    assert_eq!(number(&b, "SELECT \"count\" FROM crsql_parked"), 1);
    // Now the row is there.
    assert_eq!(apply(&b, &changeset(&a, since)).expect("applied"), 0);
}

#[test]
fn unknown_columns_can_be_refused() {
    let (a, b) = (
        replica_of(
            "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b, c); SELECT crsql_as_crr('t')",
        ),
        replica(),
    );
    run(&a, "INSERT INTO t VALUES (1, 'a', 'b', 'c')");
    run(&b, "SELECT crsql_config_set('unknown-changes', 'reject')");
    let error = apply(&b, &changeset(&a, 0)).unwrap_err().to_string();
    assert!(error.contains("no replicated column \"c\""), "{error}");
    assert_eq!(number(&b, "SELECT count(*) FROM t"), 0);
}

#[test]
fn a_value_of_20_million_bytes_arrives() {
    let (a, b) = (replica(), replica());
    run(
        &a,
        "INSERT INTO t VALUES (1, zeroblob(20000000), 1), (2, randomblob(17000000), 2), (3, 3, 3)",
    );
    assert_eq!(apply(&b, &changeset(&a, 0)), Ok(6));
    assert_eq!(
        number(&b, "SELECT sum(length(a)) FROM t WHERE id < 3"),
        37_000_000
    );
    let c = replica();
    for blob in stream(&a, (0, None), 1 << 20) {
        apply(&c, &blob.data).expect("applied");
    }
    let sums = "SELECT id, length(a), hex(substr(a, 16999990)) FROM t";
    assert_eq!(rows(&c, sums), rows(&a, sums));
}

#[test]
fn equal_values_are_settled_by_site_where_asked_for() {
    let (a, b) = (replica(), replica());
    for replica in [&a, &b] {
        run(
            replica,
            "SELECT crsql_config_set('merge-equal-values', 1); INSERT INTO t VALUES (1, 1, 1)",
        );
    }
    let sites = "SELECT hex(site_id) FROM crsql_changes";
    let won = apply(&a, &changeset(&b, 0)).expect("applied")
        + apply(&b, &changeset(&a, 0)).expect("applied");
    assert_eq!(won, 2, "one of them wins both cells");
    assert_eq!(rows(&a, sites), rows(&b, sites));
}

#[test]
fn late_columns_are_unset_in_old_rows_and_set_in_new_ones() {
    let (a, b) = (replica(), replica());
    run(&a, "INSERT INTO t VALUES (1, 1, 1)");
    for replica in [&a, &b] {
        run(replica, "ALTER TABLE t ADD COLUMN c DEFAULT 'd'");
    }
    run(
        &a,
        "INSERT INTO t VALUES (2, 2, 2, 'd'), (3, 3, 3, 'other')",
    );
    run(&b, "UPDATE t SET c = 'x'");
    assert_eq!(apply(&b, &changeset(&a, 0)), Ok(8));
    let clocks = "SELECT hex(pk), cid, val, col_version FROM crsql_changes ORDER BY 1, 2";
    assert_eq!(rows(&b, clocks), rows(&a, clocks));
}

#[test]
fn what_a_changeset_says_of_itself_is_true() {
    let a = replica();
    run(
        &a,
        "INSERT INTO t VALUES (1, 'a', 2); DELETE FROM t; INSERT INTO t VALUES (1, 'b', 3)",
    );
    let all = changeset(&a, 1);
    let info = |path: &str| -> String {
        let sql = "SELECT CAST(json_extract(crsql_changeset_info(?1), ?2) AS TEXT)";
        a.query_row(sql, (&all, path), |row| row.get(0))
            .expect("info")
    };
    let site: String = a
        .query_row("SELECT lower(hex(crsql_site_id()))", [], |row| row.get(0))
        .expect("a site");
    assert_eq!(info("$.site"), site);
    assert_eq!(info("$.bytes"), all.len().to_string());
    assert_eq!(
        [info("$.first_version"), info("$.last_version")],
        ["3", "3"].map(String::from)
    );
    assert_eq!(
        [info("$.rows"), info("$.changes")],
        ["2", "3"].map(String::from)
    );
    assert_eq!(info("$.tables[0].table"), "t");
}

/// What merging changes one by one, each in a transaction of its own, counts.
fn count_by_rows(connection: &Connection, changes: &[Change]) -> i64 {
    let mut won = 0;
    for change in changes {
        run(connection, "BEGIN");
        merge(connection, std::slice::from_ref(change));
        won += i64::from(number(connection, "SELECT crsql_rows_impacted()") > 0);
        run(connection, "COMMIT");
    }
    won
}

/// Migrations gave the names of dropped columns to another one: the changes of peers without them have several names of
/// one column. The cells of a row were merged together, without those of former names, and were not counted as by rows.
#[test]
fn a_row_with_several_names_of_one_column_is_merged_as_by_rows() {
    const NAME_OF_TODAY: &str = "SELECT crsql_begin_alter('t'); ALTER TABLE t DROP COLUMN a;
         ALTER TABLE t RENAME COLUMN b TO a; SELECT crsql_commit_alter('t')";
    const FORMER_NAMES: &str = "SELECT crsql_begin_alter('t'); ALTER TABLE t DROP COLUMN a;
         ALTER TABLE t RENAME COLUMN b TO a; SELECT crsql_commit_alter('t');
         SELECT crsql_begin_alter('t'); ALTER TABLE t RENAME COLUMN a TO d; SELECT crsql_commit_alter('t')";
    // With what is here before, and how many of the three changes win.
    let cases = [
        ("1", "2", "", 3),
        ("2", "1", "", 2),
        ("3", "3", "", 2),
        ("NULL", "'x'", "", 3),
        ("'x'", "NULL", "", 2),
        ("1", "3", "INSERT INTO t VALUES (1, 0, 'b')", 3),
        ("1", "1", "INSERT INTO t VALUES (1, 2, 'd')", 0),
        ("1", "3", "INSERT INTO t VALUES (1, 2, 'd')", 1),
        (
            "1",
            "3",
            "INSERT INTO t VALUES (1, 0, 'b'); DELETE FROM t",
            0,
        ),
    ];
    for (migration, name) in [(NAME_OF_TODAY, "a"), (FORMER_NAMES, "d")] {
        for (a, b, before, expected) in cases {
            let context = format!("{a}, {b}, {before:?}, now called {name}");
            let three = || {
                replica_of(
                    "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b, c); SELECT crsql_as_crr('t')",
                )
            };
            let origin = three();
            run(&origin, &format!("INSERT INTO t VALUES (1, {a}, {b}, 'c')"));
            let migrated = || {
                let to = three();
                run(&to, migration);
                run(&to, before);
                to
            };
            let (by_changeset, by_rows) = (migrated(), migrated());
            let counted = count_by_rows(&by_rows, &changes(&origin, 0));
            let won = apply(&by_changeset, &changeset(&origin, 0));
            assert_eq!(won, Ok(counted), "{context}");
            assert_eq!(counted, expected, "{context}");
            for what in [
                &format!("SELECT quote({name}), quote(c) FROM t"),
                "SELECT crsql_digest()",
                "SELECT hex(pk), cid, val, col_version, cl FROM crsql_changes",
            ] {
                assert_eq!(rows(&by_changeset, what), rows(&by_rows, what), "{context}");
            }
            assert_eq!(rows(&by_changeset, "SELECT * FROM crsql_check"), [""; 0]);
        }
    }
}

/// Our work outside of a transaction is a savepoint, whose release is a commit. Where that met the lock of a reader, the
/// savepoint stayed open, and what the application wrote next was never committed.
#[test]
fn a_lock_at_the_commit_leaves_no_transaction_open() {
    let a = replica();
    run(&a, "INSERT INTO t VALUES (1, 'one', 1)");
    let directory = support::scratch_dir();
    let path = directory.join("b.db");
    let b = support::open(&path);
    run(
        &b,
        "PRAGMA journal_mode = DELETE; CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b);
         SELECT crsql_as_crr('t'); INSERT INTO t VALUES (2, 'two', 2)",
    );
    b.busy_timeout(std::time::Duration::ZERO)
        .expect("no waiting");
    let reader = rusqlite::Connection::open(&path).expect("open");
    run(&reader, "BEGIN");
    assert_eq!(number(&reader, "SELECT count(*) FROM t"), 1);
    let error = apply(&b, &changeset(&a, 0)).expect_err("the reader holds its lock");
    assert!(error.to_string().contains("locked"), "{error}");
    assert!(b.is_autocommit());
    rows(&b, "SELECT crsql_digest()");
    assert!(b.is_autocommit());
    run(&reader, "COMMIT");
    run(&b, "INSERT INTO t VALUES (3, 'three', 3)");
    assert_eq!(number(&reader, "SELECT count(*) FROM t"), 2);
    apply(&b, &changeset(&a, 0)).expect("applied");
    assert_eq!(number(&reader, "SELECT count(*) FROM t"), 3);
}
