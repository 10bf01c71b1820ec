//! Wrong and right values for each column of `crsql_changes`, and the changes they are put into.

use rusqlite::types::Value;

use crate::Row;

pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub fn int(number: i64) -> Value {
    Value::Integer(number)
}

pub fn blob(bytes: &[u8]) -> Value {
    Value::Blob(bytes.to_vec())
}

/// Numbers, and what is none.
pub fn counters() -> Vec<Value> {
    let mut values: Vec<Value> = [
        0,
        1,
        2,
        3,
        (1 << 32) + 1,
        (1 << 52) - 1,
        1 << 52,
        (1 << 53) - 1,
        1 << 53,
        (1 << 53) + 1,
        1 << 62,
        i64::MAX - 1,
        i64::MAX,
        -1,
        -2,
        i64::MIN,
    ]
    .map(int)
    .to_vec();
    values.extend(
        [
            1.0,
            2.0,
            1.5,
            -0.0,
            9007199254740992.0,
            1e300,
            f64::INFINITY,
        ]
        .map(Value::Real),
    );
    values.extend(["1", " 2 ", "9007199254740993", "x", "", "1.5", "0x2"].map(text));
    values.extend([Value::Null, blob(b""), blob(&[1])]);
    values
}

fn names() -> Vec<Value> {
    vec![
        Value::Null,
        int(5),
        Value::Real(1.5),
        blob(b"t"),
        text("t"),
        text("T"),
        text("pair"),
        text("ordinary"),
        text("crsql_log"),
        text("sqlite_schema"),
        text(""),
        text("it's \"%s\"\n"),
        text(&"long".repeat(500)),
        text("-1"),
        text("a"),
        text("B"),
        text("k"),
        text("G"),
        text("i"),
        text("rowid"),
    ]
}

fn sites() -> Vec<Value> {
    let mut values: Vec<Value> = [0, 1, 15, 16, 17, 5000]
        .iter()
        .flat_map(|length| [blob(&vec![7; *length]), text(&"s".repeat(*length))])
        .collect();
    values.extend([Value::Null, int(5), Value::Real(2.5)]);
    values
}

fn keys() -> Vec<Value> {
    let mut values: Vec<Value> = [
        &[][..],
        &[0],
        &[1],
        &[1, 9],
        &[1, 9, 3],                                         // 3
        &[1, 0x11, 0, 3],                                   // 3 in two bytes
        &[1, 0x41, 255, 255, 255, 255, 255, 255, 255, 255], // -1
        &[1, 9, 3, 0],
        &[1, 0x0b, 1, b'3'], // '3'
        &[1, 0x0b, 1, b'a'],
        &[1, 0x0b, 1, 0xff],
        &[1, 0x0b, 0x7f, b'a'],
        &[1, 0x43, 255, 255, 255, 255, 255, 255, 255, 255, b'a'],
        &[1, 0x0c, 1, 0],
        &[1, 5],
        &[1, 2, 0x40, 8, 0, 0, 0, 0, 0, 0],    // 3.0
        &[1, 2, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], // 1.5
        &[1, 2, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], // not a number
        &[1, 7, 1],
        &[1, 0x49, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        &[2, 9, 3, 0x0b, 1, b'x'], // 3, 'x'
        &[2, 9, 3, 5],
        &[3, 9, 1, 9, 1, 9, 1],
        &[255, 9, 1],
    ]
    .map(blob)
    .to_vec();
    values.extend([Value::Null, int(1), Value::Real(1.5), text("1"), text("")]);
    values
}

fn values() -> Vec<Value> {
    vec![
        Value::Null,
        int(0),
        int(i64::MIN),
        Value::Real(-0.0),
        Value::Real(f64::INFINITY),
        text(""),
        text("1"),
        text("a\0b"),
        blob(b""),
        blob(&[0xff; 2000]),
    ]
}

/// What is put into a column.
pub fn for_column(column: usize) -> Vec<Value> {
    match column {
        0 | 2 => names(),
        1 => keys(),
        3 => values(),
        6 => sites(),
        _ => counters(),
    }
}

/// Few of them, for two columns at a time.
pub fn few_for_column(column: usize) -> Vec<Value> {
    let all = for_column(column);
    let step = all.len().div_ceil(7);
    all.into_iter().step_by(step).collect()
}

fn row(table: &str, pk: &[u8], cid: &str, val: Value, (col_version, cl): (i64, i64)) -> Row {
    [
        text(table),
        blob(pk),
        text(cid),
        val,
        int(col_version),
        int(9),
        blob(&[7; 16]),
        int(cl),
        int(0),
    ]
}

/// Changes that are right, one of each sort.
pub fn bases() -> Vec<(&'static str, Row)> {
    let x = || text("x");
    vec![
        (
            "a cell of a live row",
            row("t", &[1, 9, 1], "a", x(), (9, 1)),
        ),
        (
            "a cell of a new row",
            row("t", &[1, 9, 4], "a", x(), (1, 1)),
        ),
        (
            "a cell of a deleted row",
            row("t", &[1, 9, 2], "a", x(), (9, 1)),
        ),
        (
            "a cell of a later life",
            row("t", &[1, 9, 2], "a", x(), (1, 3)),
        ),
        (
            "a cell under an even cl",
            row("t", &[1, 9, 1], "a", x(), (9, 2)),
        ),
        (
            "a deletion",
            row("t", &[1, 9, 1], "-1", Value::Null, (2, 2)),
        ),
        (
            "a creation",
            row("t", &[1, 9, 5], "-1", Value::Null, (1, 1)),
        ),
        (
            "a new life",
            row("t", &[1, 9, 2], "-1", Value::Null, (3, 3)),
        ),
        (
            "a composite key",
            row("pair", &[2, 9, 1, 0x0b, 1, b'x'], "a", x(), (9, 1)),
        ),
        (
            "a column that is not here",
            row("t", &[1, 9, 1], "later", x(), (9, 1)),
        ),
        (
            "a table that is not here",
            row("later", &[1, 9, 1], "a", x(), (9, 1)),
        ),
    ]
}
