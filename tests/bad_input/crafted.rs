//! Wrong changes in changesets and in messages of `crsql_reconcile`: the same decisions as for rows.
//!
//! Both are made here from what docs/design.md says of their bytes, by an encoder that checks nothing.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use sha2::{Digest, Sha256};

use crate::checks::{check_partial, exec, text_of};
use crate::corpus::{blob, int, text};
use crate::fate::{Fate, fate};
use crate::{Row, State, TABLES, assert_intact, insert, prepared, state};

/// One change, in terms of both forms.
#[derive(Clone)]
struct Change {
    table: &'static str,
    key: Vec<Value>,
    /// The sentinel's name stands for none
    column: &'static str,
    val: Value,
    col_version: u64,
    db_version: u64,
    site: Vec<u8>,
    cl: u64,
    seq: u64,
}

impl Change {
    fn pk(&self) -> Vec<u8> {
        pack(&self.key)
    }

    fn is_sentinel(&self) -> bool {
        self.column == "-1"
    }

    fn row(&self) -> Row {
        let number = |number: u64| int(number.min(i64::MAX as u64) as i64);
        [
            text(self.table),
            blob(&self.pk()),
            text(self.column),
            self.val.clone(),
            number(self.col_version),
            number(self.db_version),
            blob(&self.site),
            number(self.cl),
            number(self.seq),
        ]
    }

    /// A changeset of one chunk that is not compressed.
    fn changeset(&self) -> Vec<u8> {
        let cells = u64::from(!self.is_sentinel());
        let mut header = vec![0];
        put_field(&mut header, &[7; 16]);
        header.extend([0, 0]); // after
        for number in [self.db_version, self.db_version, self.seq] {
            put_header_number(&mut header, number);
        }
        header.extend([0, 0, 1]); // part, filter, sites
        put_field(&mut header, &self.site);
        header.push(1);
        put_field(&mut header, self.table.as_bytes());
        header.extend([self.key.len() as u8, cells as u8]);
        if cells > 0 {
            put_field(&mut header, self.column.as_bytes());
            header.push(0);
        }
        header.extend([1, 1, 1]); // rows, changes, chunks

        // One group: table, columns, rows. Its rows come in this order.
        let mut chunk = vec![1, 0, cells as u8];
        chunk.extend(vec![0; cells as usize]);
        chunk.extend([1, 1, 0, 1]);
        let counters = [0, self.db_version, self.seq, self.cl];
        let of_cell = [self.col_version, 0];
        let of_cell = of_cell.iter().take(2 * cells as usize);
        for number in counters.iter().chain(of_cell) {
            put_numbers(&mut chunk, *number as i64);
        }
        let values = self.key.iter().chain(Some(&self.val).filter(|_| cells > 0));
        values.for_each(|value| put_values(&mut chunk, value));

        let mut body = header;
        body.push(0);
        put_bytes(&mut body, &chunk);
        let mut checked = (body.len() as u64).to_le_bytes().to_vec();
        checked.extend(body);
        let mut out = b"CRSQ\x01".to_vec();
        out.extend_from_slice(&checked[..8]);
        out.extend(crc32fast::hash(&checked).to_le_bytes());
        out.extend_from_slice(&checked[8..]);
        out
    }

    /// The bytes that docs/design.md describes, and no items.
    fn message(&self) -> Vec<u8> {
        let mut out = vec![1];
        put_number(&mut out, 1); // the round
        put_number(&mut out, 1);
        put_bytes(&mut out, self.table.as_bytes());
        let cells = u64::from(!self.is_sentinel());
        put_number(&mut out, cells);
        if cells > 0 {
            put_bytes(&mut out, self.column.as_bytes());
        }
        put_number(&mut out, 1);
        put_bytes(&mut out, &self.site);
        put_number(&mut out, 1);
        out.push(3); // hops
        put_bytes(&mut out, &self.pk());
        put_number(&mut out, self.cl);
        put_number(&mut out, 0);
        put_number(&mut out, cells);
        if cells > 0 {
            put_number(&mut out, 0);
            put_number(&mut out, self.col_version);
            put_number(&mut out, 0);
            let Value::Text(text) = &self.val else {
                panic!("only texts are put into cells here");
            };
            out.push(3);
            put_bytes(&mut out, text.as_bytes());
        }
        let check: [u8; 32] = Sha256::digest(&out).into();
        out.extend_from_slice(&check[..8]);
        out
    }
}

/// A number of a header.
fn put_header_number(out: &mut Vec<u8>, number: u64) {
    match number {
        0..=250 => out.push(number as u8),
        _ => {
            out.push(0xfd);
            out.extend(number.to_le_bytes());
        }
    }
}

/// A name or a site id of a header.
fn put_field(out: &mut Vec<u8>, bytes: &[u8]) {
    put_header_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A block of numbers that are all the same.
fn put_numbers(out: &mut Vec<u8>, number: i64) {
    let mut block = vec![0];
    put_number(&mut block, ((number << 1) ^ (number >> 63)) as u64);
    put_bytes(out, &block);
}

/// One value.
fn put_values(out: &mut Vec<u8>, value: &Value) {
    let (class, bytes): (u8, &[u8]) = match value {
        Value::Null => return out.push(0),
        Value::Integer(number) => {
            out.push(1);
            return put_numbers(out, *number);
        }
        Value::Real(real) => {
            out.push(2);
            let block = [&[0], &real.to_le_bytes()[..]].concat();
            return put_bytes(out, &block);
        }
        Value::Text(text) => (3, text.as_bytes()),
        Value::Blob(bytes) => (4, bytes),
    };
    out.push(class);
    put_numbers(out, bytes.len() as i64);
    put_bytes(out, bytes);
}

/// Seven bits a byte, the lowest first.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 & 0x7f | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The packed key, as SQL gives it.
fn pack(values: &[Value]) -> Vec<u8> {
    let places = vec!["?"; values.len()].join(", ");
    let connection = crate::support::open_memory();
    connection
        .query_row(
            &format!("SELECT crsql_pack_columns({places})"),
            params_from_iter(values),
            |row| row.get(0),
        )
        .expect("a packed key")
}

fn base(column: &'static str, cl: u64) -> Change {
    Change {
        table: "t",
        key: vec![int(1)],
        column,
        val: match column {
            "-1" => Value::Null,
            _ => text("x"),
        },
        col_version: 9,
        db_version: 9,
        site: vec![7; 16],
        cl,
        seq: 0,
    }
}

/// The bases, each with one property replaced.
fn changes() -> Vec<(String, Change)> {
    let bases = [
        base("a", 1),
        base("a", 2),
        base("a", 3),
        base("-1", 2),
        base("-1", 3),
        base("later", 1),
    ];
    let numbers = [
        0,
        1,
        2,
        (1 << 52) + 1,
        1 << 53,
        (1 << 53) + 1,
        1 << 62,
        i64::MAX as u64,
    ];
    let mut all = Vec::new();
    for base in bases {
        let mut add = |what: String, change: Change| {
            let context = format!("{} cl {} with {what}", base.column, base.cl);
            all.push((context, change));
        };
        for number in numbers {
            add(
                format!("col_version {number}"),
                Change {
                    col_version: number,
                    ..base.clone()
                },
            );
            add(
                format!("db_version {number}"),
                Change {
                    db_version: number,
                    ..base.clone()
                },
            );
            add(
                format!("cl {number}"),
                Change {
                    cl: number,
                    ..base.clone()
                },
            );
            add(
                format!("seq {number}"),
                Change {
                    seq: number,
                    ..base.clone()
                },
            );
        }
        for length in [1, 15, 16, 17, 5000] {
            let site = vec![9; length];
            add(
                format!("a site of {length} bytes"),
                Change {
                    site,
                    ..base.clone()
                },
            );
        }
        for table in ["T", "pair", "ordinary", "crsql_log", "", "it's %s"] {
            add(
                format!("table {table}"),
                Change {
                    table,
                    ..base.clone()
                },
            );
        }
        if base.column != "-1" {
            for column in ["B", "k", "G", "", "rowid", "-2"] {
                add(
                    format!("column {column}"),
                    Change {
                        column,
                        ..base.clone()
                    },
                );
            }
        }
        for key in [
            vec![int(3)],
            vec![text("3")],
            vec![text("a")],
            vec![Value::Null],
            vec![Value::Real(3.0)],
            vec![Value::Real(1.5)],
            vec![blob(&[1])],
            vec![int(1), int(1)],
        ] {
            add(
                format!("key {key:?}"),
                Change {
                    key,
                    ..base.clone()
                },
            );
        }
    }
    all
}

fn give(connection: &Connection, function: &str, bytes: &[u8]) -> rusqlite::Result<()> {
    let sql = format!("SELECT {function}(?1)");
    connection.query_row(&sql, [bytes], |_| Ok(()))
}

/// Whether the form can say it: sentinels have no column version there, and messages neither db_version nor seq.
fn is_said(function: &str, change: &Change) -> bool {
    let has_place = function == "crsql_apply" || (change.db_version, change.seq) == (9, 0);
    has_place && (change.col_version == 9 || !change.is_sentinel())
}

#[test]
fn changesets_and_messages_meet_the_checks_of_rows() {
    for function in ["crsql_apply", "crsql_reconcile"] {
        let connection = prepared();
        let before = state(&connection);
        let by_row = prepared();
        let (mut refused, mut merged) = (0, 0);
        for (context, change) in changes() {
            if !is_said(function, &change) {
                continue;
            }
            let context = format!("{function}: {context}");
            let bytes = match function {
                "crsql_apply" => change.changeset(),
                _ => change.message(),
            };
            exec(
                &connection,
                "BEGIN; INSERT INTO t(k, a) VALUES (8888, 'earlier')",
            );
            let within = state(&connection);
            let outcome = give(&connection, function, &bytes);
            match (&outcome, fate(&change.row())) {
                (Err(error), Fate::Refused(_)) => {
                    refused += 1;
                    let text = text_of(error);
                    assert!(text.starts_with("crsql: "), "{context}: {text}");
                    assert!(!text.contains("internal error"), "{context}: {text}");
                    assert_eq!(state(&connection), within, "left behind by {context}");
                }
                (Ok(()), Fate::Parked | Fate::Merged) => {
                    // The same state as by a row.
                    exec(
                        &by_row,
                        "BEGIN; INSERT INTO t(k, a) VALUES (8888, 'earlier')",
                    );
                    insert(&by_row, &change.row()).expect("a row");
                    let (found, expected) = (state(&connection), state(&by_row));
                    exec(&by_row, "ROLLBACK");
                    assert_eq!(found.tables, expected.tables, "{context}");
                    // A message brings the causal length of a later life as a change of its own.
                    let parks = |state: &State| !state.internal[0].is_empty();
                    assert_eq!(parks(&found), parks(&expected), "{context}");
                }
                (outcome, expected) => panic!("{context}: {outcome:?}, not {expected:?}"),
            }
            assert_intact(&connection, &context);
            exec(&connection, "ROLLBACK");
            assert_eq!(state(&connection), before, "rolled back after {context}");
            merged += usize::from(outcome.is_ok());
            if outcome.is_ok() && merged % 10 == 0 {
                let alone = prepared();
                give(&alone, function, &bytes).expect(&context);
                assert!(alone.is_autocommit(), "{context} left a transaction open");
                assert_intact(&alone, &context);
                drop(check_partial(&alone, &TABLES));
            }
        }
        assert!(refused > 40, "{refused} were refused by {function}");
    }
}
