//! Parts of a transaction that read well and can't be merged: made to do harm, or refused by what is here.

use super::{Streamed, apply, number, replica, replica_of, rows, run, stream};
use crate::crdt::change::{CausalLength, ColumnVersion, DbVersion, Position, Seq};
use crate::crdt::changeset::{CellWrite, Origin, Part, RowHead, Writer};
use crate::crdt::value::ValueRef;
use rusqlite::Connection;

/// A replica with one transaction that is too large for a changeset, and one after it; and the stream of both.
fn sender() -> (Connection, Vec<Streamed>) {
    let a = replica();
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
           INSERT INTO t SELECT i, hex(randomblob(20)), i FROM n;
         INSERT INTO t VALUES (1000, 'next', 1)",
    );
    let blobs = stream(&a, (0, None), 3000);
    assert!(blobs.len() > 4 && !blobs[1].complete && blobs[blobs.len() - 2].complete);
    (a, blobs)
}

/// A part of the sender's large transaction, from seq 1 to 2 of it, with one row.
fn part(a: &Connection, table: &str, columns: &[&str], key: &[ValueRef<'_>]) -> Vec<u8> {
    let site: Vec<u8> = a
        .query_row("SELECT crsql_site_id()", [], |row| row.get(0))
        .expect("a site id");
    let mut writer = Writer::new(Origin {
        site: site.clone(),
        after: (DbVersion(1), Some(Seq(0))),
        level: 0,
    });
    let table = writer.add_table(table, key.len());
    let columns: Vec<u32> = columns
        .iter()
        .map(|name| writer.add_column(table, name))
        .collect();
    let head = RowHead {
        site: writer.site(&site),
        version: DbVersion(1),
        seq: Seq(1),
        cl: CausalLength(1),
    };
    let cells = columns.iter().map(|_| CellWrite {
        version: ColumnVersion(1),
        offset: 0,
        value: ValueRef::Text(b"crafted"),
    });
    writer.push((table, &columns), head, key.iter().copied(), cells);
    let last = Position {
        version: DbVersion(1),
        seq: Seq(2),
    };
    writer.finish(last, Part::More)
}

fn state(b: &Connection) -> [Vec<String>; 3] {
    let parts = match number(
        b,
        "SELECT count(*) FROM sqlite_schema WHERE name = 'crsql_parts'",
    ) {
        0 => Vec::new(),
        _ => rows(
            b,
            "SELECT db_version, first_seq, last_seq, hex(data) FROM crsql_parts ORDER BY first_seq",
        ),
    };
    let changes = "SELECT \"table\", hex(pk), cid, val, db_version, seq FROM crsql_changes";
    [rows(b, "SELECT * FROM t"), rows(b, changes), parts]
}

/// A part was kept without a look at its table. One that no merge takes stood in the way of its transaction, and of all
/// that its maker sent later, and the error did not say which it was.
#[test]
fn a_part_that_does_not_fit_its_table_is_not_kept() {
    let (a, blobs) = sender();
    let one = [ValueRef::Integer(5)];
    let cases = [
        (
            part(&a, "t", &["a"], &[ValueRef::Null]),
            "\"id\" can't be NULL",
        ),
        (
            part(&a, "t", &["a"], &[ValueRef::Text(b"x")]),
            "\"id\" must be an INTEGER",
        ),
        (
            part(&a, "t", &[], &[ValueRef::Null]),
            "\"id\" can't be NULL",
        ),
        (
            part(&a, "t", &["a"], &[ValueRef::Integer(5); 2]),
            "2 values for 1 key columns",
        ),
        (part(&a, "t", &["ID"], &one), "is part of the key"),
        (part(&a, "t", &["new", "g"], &one), "is generated"),
        (
            part(&a, "t", &["a", "A"], &one),
            "names a column of table \"t\" twice",
        ),
    ];
    for (part, defect) in cases {
        for within in ["", ", 3600000"] {
            let b = replica_of(
                "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b, g AS (a || b)); SELECT crsql_as_crr('t');",
            );
            apply(&b, &blobs[0].data).expect("kept");
            let before = state(&b);
            let error = b
                .query_row(&format!("SELECT crsql_apply(?1{within})"), [&part], |row| {
                    row.get::<_, i64>(0)
                })
                .expect_err(defect)
                .to_string();
            assert!(error.contains(defect), "{error}");
            assert_eq!(state(&b), before, "{defect}");
            for blob in &blobs[1..] {
                apply(&b, &blob.data).expect("applied");
            }
            assert_eq!(
                rows(&b, "SELECT id, a, b FROM t"),
                rows(&a, "SELECT id, a, b FROM t")
            );
            assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
        }
    }
}

/// Changes of tables that are not here are parked, also those of a part; not where the setting says otherwise.
#[test]
fn a_part_for_a_table_that_is_not_here_is_kept_unless_the_setting_refuses_it() {
    let (a, blobs) = sender();
    let unknown = part(&a, "elsewhere", &["x"], &[ValueRef::Integer(1)]);
    let b = replica();
    apply(&b, &unknown).expect("kept");
    for blob in &blobs {
        apply(&b, &blob.data).expect("applied");
    }
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_parked"), 1);

    let c = replica();
    run(&c, "SELECT crsql_config_set('unknown-changes', 'reject')");
    let before = state(&c);
    let error = apply(&c, &unknown).expect_err("refused").to_string();
    assert!(
        error.contains("no replicated table \"elsewhere\""),
        "{error}"
    );
    assert_eq!(state(&c), before);
}

/// Whether the table takes a row shows when all parts are there. The error names the part, and what it says to do helps.
#[test]
fn a_part_that_the_table_refuses_is_named() {
    let (a, blobs) = sender();
    let site: String = a
        .query_row("SELECT quote(crsql_site_id())", [], |row| row.get(0))
        .expect("a site id");
    let site = site.to_lowercase();
    let last = blobs.len() - 2;
    for (within, is_given_up) in [
        ("", false),
        ("", true),
        (", 3600000", false),
        (", 3600000", true),
    ] {
        let b = replica();
        run(
            &b,
            "CREATE TRIGGER refuse BEFORE INSERT ON t WHEN new.id = 150
             BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        );
        for blob in &blobs[..last] {
            assert_eq!(apply(&b, &blob.data).expect("kept"), 0);
        }
        let before = state(&b);
        let error = b
            .query_row(
                &format!("SELECT crsql_apply(?1{within})"),
                [&blobs[last].data],
                |row| row.get::<_, i64>(0),
            )
            .expect_err("refused")
            .to_string();
        let seqs = "SELECT 'first_seq = ' || first_seq || ' AND last_seq = ' || last_seq FROM crsql_parts
                    WHERE EXISTS (SELECT 1 FROM crsql_changeset_rows(data) WHERE pk = crsql_pack_columns(150))";
        let seqs: String = b.query_row(seqs, [], |row| row.get(0)).expect("a part");
        let place = format!("site = {site} AND db_version = 1 AND {seqs} can't be merged: ");
        assert!(error.contains(&place), "{place}: {error}");
        assert!(error.contains("not this one"), "{error}");
        assert_eq!(state(&b), before);

        run(&b, "DROP TRIGGER refuse");
        let again = match is_given_up {
            false => &blobs[last..],
            true => {
                let (_, remedy) = error.split_once(", or ").expect("what to do");
                let (remedy, rest) = remedy.split_once(" and get ").expect("a statement");
                assert!(rest.starts_with("everything above db_version 0 "), "{rest}");
                run(&b, remedy);
                assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
                &blobs[..]
            }
        };
        for blob in again {
            apply(&b, &blob.data).expect("applied");
        }
        assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
        assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
    }
}

/// A part that fitted when it came, and does not any more: here a table was made that it does not fit.
#[test]
fn a_part_that_fits_no_more_is_named() {
    let (a, blobs) = sender();
    let unknown = part(&a, "later", &["x"], &[ValueRef::Integer(1)]);
    let b = replica();
    apply(&b, &unknown).expect("kept");
    run(
        &b,
        "CREATE TABLE later(k NOT NULL, l NOT NULL, x, PRIMARY KEY (k, l)); SELECT crsql_as_crr('later')",
    );
    let (last, rest) = blobs[..blobs.len() - 1].split_last().expect("several");
    for blob in rest {
        apply(&b, &blob.data).expect("kept");
    }
    let before = state(&b);
    let error = apply(&b, &last.data).expect_err("refused").to_string();
    assert!(
        error.contains("first_seq = 1 AND last_seq = 2 can't be merged: "),
        "{error}"
    );
    assert!(error.contains("1 values for 2 key columns"), "{error}");
    assert_eq!(state(&b), before);
    // Only the part that is at fault has to go.
    run(
        &b,
        "DELETE FROM crsql_parts WHERE first_seq = 1 AND last_seq = 2",
    );
    for blob in &blobs[blobs.len() - 2..] {
        apply(&b, &blob.data).expect("applied");
    }
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
}
