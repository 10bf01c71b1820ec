//! Changesets that were damaged or made to do harm: an error names the defect, and the database stays as it was.

use super::{apply, changeset, number, replica, rows, run};
use crate::crdt::change::{CausalLength, ColumnVersion, DbVersion, Position, Seq};
use crate::crdt::changeset::{CellWrite, Origin, Part, RowHead, Writer};
use crate::crdt::value::ValueRef;

#[test]
fn damaged_changesets_change_nothing() {
    let (a, b) = (replica(), replica());
    run(&a, "INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)");
    run(&b, "INSERT INTO t VALUES (3, 'three', 3)");
    let (all, before) = (changeset(&a, 0), rows(&b, "SELECT * FROM t"));
    for at in 0..all.len() {
        let mut altered = all.clone();
        altered[at] ^= 0x10;
        for damaged in [&altered[..], &all[..at]] {
            let error = apply(&b, damaged).unwrap_err().to_string();
            assert!(error.contains("the changeset can't be used"), "{error}");
        }
    }
    assert_eq!(rows(&b, "SELECT * FROM t"), before);
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_changes"), 2);
}

/// A changeset of one row with one cell.
struct Crafted<'a> {
    table: &'a str,
    columns: &'a [&'a str],
    key: &'a [ValueRef<'a>],
    cl: u64,
    version: u64,
    seq: u64,
    cell_version: u64,
    site: &'a [u8],
}

const FITTING: Crafted<'_> = Crafted {
    table: "t",
    columns: &["a"],
    key: &[ValueRef::Integer(1)],
    cl: 1,
    version: 1,
    seq: 0,
    cell_version: 1,
    site: &[7; 16],
};

impl Crafted<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(Origin {
            site: vec![7; 16],
            after: (DbVersion(0), None),
            level: 3,
        });
        let table = writer.add_table(self.table, self.key.len());
        let columns: Vec<u32> = self
            .columns
            .iter()
            .map(|name| writer.add_column(table, name))
            .collect();
        let head = RowHead {
            site: writer.site(self.site),
            version: DbVersion(self.version),
            seq: Seq(self.seq),
            cl: CausalLength(self.cl),
        };
        let cells = self.columns.iter().map(|_| CellWrite {
            version: ColumnVersion(self.cell_version),
            offset: 0,
            value: ValueRef::Text(b"crafted"),
        });
        writer.push((table, &columns), head, self.key.iter().copied(), cells);
        writer.finish(Position::default(), Part::Whole)
    }
}

#[test]
fn crafted_changesets_are_refused() {
    const TOO_MUCH: u64 = (1 << 53) + 1;
    let b = replica();
    run(&b, "INSERT INTO t VALUES (3, 'three', 3)");
    let cases = [
        (
            Crafted {
                key: &[],
                ..FITTING
            },
            "the number of key columns in its header",
        ),
        (
            Crafted {
                key: &[ValueRef::Integer(1); 2],
                ..FITTING
            },
            "2 values for 1 key columns",
        ),
        (
            Crafted {
                key: &[ValueRef::Null],
                ..FITTING
            },
            "\"id\" can't be NULL",
        ),
        (
            Crafted {
                key: &[ValueRef::Text(b"x")],
                ..FITTING
            },
            "\"id\" must be an INTEGER",
        ),
        (
            Crafted {
                key: &[ValueRef::Real(1.5)],
                ..FITTING
            },
            "\"id\" must be an INTEGER",
        ),
        (
            Crafted { cl: 0, ..FITTING },
            "the causal length of a row is out of range",
        ),
        (
            Crafted {
                cl: TOO_MUCH,
                ..FITTING
            },
            "the causal length of a row is out of range",
        ),
        (
            Crafted {
                version: TOO_MUCH,
                ..FITTING
            },
            "a version in its header is out of range",
        ),
        (
            Crafted {
                seq: TOO_MUCH,
                ..FITTING
            },
            "the seq of a row is out of range",
        ),
        (
            Crafted {
                cell_version: TOO_MUCH,
                ..FITTING
            },
            "a column version of a row is out of range",
        ),
        (
            Crafted {
                site: &[1; 17],
                ..FITTING
            },
            "a site id in its header is out of range",
        ),
        (
            Crafted {
                columns: &["a", "A"],
                ..FITTING
            },
            "names a column of table \"t\" twice",
        ),
        (
            Crafted {
                columns: &["id"],
                ..FITTING
            },
            "part of the key",
        ),
    ];
    for (crafted, expected) in cases {
        let error = apply(&b, &crafted.bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(rows(&b, "SELECT id FROM t"), ["Integer(3)"], "{expected}");
        assert_eq!(
            number(&b, "SELECT count(*) FROM crsql_site_id"),
            1,
            "{expected}"
        );
    }
    assert_eq!(apply(&b, &FITTING.bytes()), Ok(1));
}

/// Where names of one column are merged cell by cell, one name still can't come twice.
#[test]
fn a_row_can_not_name_a_column_twice_beside_its_former_name() {
    let b = replica();
    run(
        &b,
        "INSERT INTO t VALUES (1, 'one', 'b'); SELECT crsql_begin_alter('t'); ALTER TABLE t DROP COLUMN a;
         ALTER TABLE t RENAME COLUMN b TO a; SELECT crsql_commit_alter('t')",
    );
    let state = || {
        (
            rows(&b, "SELECT * FROM t"),
            rows(&b, "SELECT * FROM crsql_changes"),
            rows(&b, "SELECT * FROM crsql_parked"),
            number(&b, "SELECT count(*) FROM crsql_site_id"),
        )
    };
    let before = state();
    for columns in [&["a", "b", "A"], &["b", "a", "B"], &["b", "zz", "ZZ"]] {
        let crafted = Crafted { columns, ..FITTING };
        let error = apply(&b, &crafted.bytes()).unwrap_err().to_string();
        assert!(
            error.contains("a row names a column of table \"t\" twice"),
            "{columns:?}: {error}"
        );
        assert_eq!(state(), before, "{columns:?}");
    }
    let both = Crafted {
        columns: &["a", "b"],
        ..FITTING
    };
    assert_eq!(apply(&b, &both.bytes()), Ok(1), "the second is no news");
    assert_eq!(number(&b, "SELECT a = 'crafted' FROM t"), 1);
}

#[test]
fn no_peer_can_use_up_the_versions() {
    let b = replica();
    let greatest = Crafted {
        version: 1 << 53,
        seq: 1 << 53,
        cl: (1 << 53) - 1,
        cell_version: 1 << 53,
        ..FITTING
    };
    assert_eq!(apply(&b, &greatest.bytes()), Ok(1));
    run(
        &b,
        "UPDATE t SET b = 'mine'; INSERT INTO t VALUES (2, 2, 2)",
    );
    // What counts no further is refused here, as peers would refuse it: more in tests/bad_input/bounds.rs.
    let refused = b.execute_batch("UPDATE t SET a = 'mine' WHERE id = 1");
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("can't be written again")
    );
    assert!(number(&b, "SELECT crsql_db_version()") < 10);
    assert_eq!(rows(&b, "SELECT a FROM t WHERE id = 1").len(), 1);
}

/// A peer sent a row whose seq was the greatest that is accepted. Its second cell was stamped with the next one, and from then
/// on nobody accepted the changesets of the replica that had merged it.
#[test]
fn what_came_with_the_greatest_seq_can_be_passed_on() {
    let (b, c) = (replica(), replica());
    let greatest = Crafted {
        columns: &["a", "b"],
        seq: 1 << 53,
        ..FITTING
    };
    run(&b, "BEGIN");
    assert_eq!(apply(&b, &greatest.bytes()), Ok(2));
    run(
        &b,
        "INSERT INTO crsql_changes VALUES ('t', x'010902', 'a', 'row', 1, 1, x'07', 1, 9007199254740992);
         INSERT INTO t VALUES (3, 'mine', 3); COMMIT",
    );
    assert_eq!(apply(&c, &changeset(&b, 0)), Ok(5));
    assert_eq!(rows(&c, "SELECT * FROM t"), rows(&b, "SELECT * FROM t"));
}

#[test]
fn keys_take_the_form_of_the_table() {
    let b = replica();
    // As an INTEGER column stores them.
    for key in [
        ValueRef::Text(b"12"),
        ValueRef::Real(12.0),
        ValueRef::Integer(12),
    ] {
        apply(
            &b,
            &Crafted {
                key: &[key],
                ..FITTING
            }
            .bytes(),
        )
        .expect("applied");
    }
    assert_eq!(rows(&b, "SELECT id FROM t"), ["Integer(12)"]);
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_changes"), 1);
}

#[test]
fn a_trigger_can_not_apply() {
    let (a, b) = (replica(), replica());
    run(&a, "INSERT INTO t VALUES (1, 1, 1)");
    run(
        &b,
        "CREATE TABLE inbox(data); CREATE TRIGGER inbox AFTER INSERT ON inbox BEGIN
             SELECT crsql_apply(NEW.data); END",
    );
    let error = b
        .execute("INSERT INTO inbox VALUES (?1)", [changeset(&a, 0)])
        .unwrap_err()
        .to_string();
    assert!(error.contains("unsafe use of crsql_apply"), "{error}");
}

/// Also in the large changesets that are applied with triggers switched off.
#[test]
fn an_interrupted_changeset_changes_nothing() {
    let a = replica();
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO t SELECT i, i, i FROM n; UPDATE t SET a = 'x' WHERE id < 500; DELETE FROM t WHERE id < 100",
    );
    let all = changeset(&a, 0);
    let mut b = replica();
    run(
        &b,
        "INSERT INTO t VALUES (5000, 1, 1), (5001, 1, 1); DELETE FROM t WHERE id = 5001",
    );
    let state = |b: &rusqlite::Connection| {
        (
            rows(b, "SELECT * FROM t"),
            rows(b, "SELECT * FROM crsql_changes"),
        )
    };
    let (mut steps, mut interrupted) = (1, 0);
    loop {
        let before = state(&b);
        for begin in ["", "BEGIN"] {
            run(&b, begin);
            let mut left = steps;
            let handler = move || {
                left -= 1;
                left <= 0
            };
            b.progress_handler(1, Some(handler)).expect("a handler");
            let outcome = apply(&b, &all);
            b.progress_handler(0, None::<fn() -> bool>)
                .expect("no handler");
            if outcome.is_ok() {
                assert!(interrupted > 20, "{interrupted} were interrupted");
                if !b.is_autocommit() {
                    run(&b, "ROLLBACK");
                }
                apply(&b, &all).expect("applied");
                run(&b, "DELETE FROM t WHERE id >= 5000");
                assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
                return;
            }
            interrupted += 1;
            if !b.is_autocommit() {
                run(&b, "ROLLBACK");
            }
            assert!(state(&b) == before, "after {steps} steps");
        }
        run(&b, "UPDATE t SET a = a + 1 WHERE id = 5000");
        assert!(
            state(&b) != before,
            "writes are recorded after {steps} steps"
        );
        steps += 1 + steps / 3;
    }
}
