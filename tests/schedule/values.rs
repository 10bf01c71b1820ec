//! Values for keys and cells: mostly few and small, so that rows and ties meet, sometimes at a limit.

use crate::model::table::Column;
use crate::model::value::{Rule, Value};

use super::random::Random;

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// A value for a cell of this column, before the column's type is applied.
pub fn cell(random: &mut Random, column: &Column) -> Value {
    // In a column that was added later, the default may say that nobody wrote the cell.
    if !column.default.is_null() && random.percent(15) {
        return column.default.clone();
    }
    let value = match random.below(100) {
        0..60 => common(random),
        60..75 => integer(random),
        75..85 => real(random),
        85..94 => short_text(random),
        94..98 => blob(random),
        _ => huge(random),
    };
    if column.refused.is_some() && random.percent(8) {
        return Value::Integer(13);
    }
    fit(random, column.rule, value)
}

/// One of few values, so that replicas that know nothing of each other write the same.
pub fn one_of_few(random: &mut Random, column: &Column) -> Value {
    let value = match random.below(10) {
        0 => column.default.clone(),
        number => Value::Integer(number as i64 % 2),
    };
    fit(random, column.rule, value)
}

fn common(random: &mut Random) -> Value {
    let values = [
        Value::Null,
        Value::Integer(1),
        Value::Integer(2),
        Value::Integer(3),
        Value::Real(2.0),
        text("a"),
        text("b"),
        Value::Blob(b"a".to_vec()),
    ];
    random.pick(&values).clone()
}

fn integer(random: &mut Random) -> Value {
    let width = random.below(64) as u32;
    let boundary = 1_i64.checked_shl(width).unwrap_or(0);
    let near = [-1, 0, 1][random.below(3)];
    let number = boundary.wrapping_add(near);
    Value::Integer(*random.pick(&[number, number.wrapping_neg(), i64::MAX, i64::MIN, 0, -1]))
}

fn real(random: &mut Random) -> Value {
    let values = [
        0.0,
        -0.0,
        1.5,
        -5.5,
        2.0,
        0.1,
        1e300,
        -1e300,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        9_007_199_254_740_992.0,
        1e19,
        -9_223_372_036_854_775_808.0,
    ];
    Value::Real(*random.pick(&values))
}

fn short_text(random: &mut Random) -> Value {
    let texts = [
        "",
        "A",
        "ab",
        "abc",
        "a\0",
        "a\0b",
        "\0",
        "é",
        "😀",
        "😀\u{10ffff}",
        "7",
        "1.5",
        "1e2",
        " 8 ",
        "-1",
        "'",
    ];
    text(random.pick::<&str>(&texts))
}

fn blob(random: &mut Random) -> Value {
    let blobs: [&[u8]; 5] = [b"", b"\0", b"\x00\xff", b"ab", b"\xff\xfe"];
    Value::Blob(random.pick(&blobs).to_vec())
}

fn huge(random: &mut Random) -> Value {
    let length = *random.pick(&[255, 256, 5_000, 65_535, 65_536]);
    if random.percent(50) {
        Value::Text("x".repeat(length))
    } else {
        Value::Blob(vec![7; length])
    }
}

/// A column that turns reals into text only gets reals that every SQLite prints alike, and STRICT columns mostly get
/// what they accept.
fn fit(random: &mut Random, rule: Rule, value: Value) -> Value {
    let is_printable =
        |value: &Value| !matches!(value, Value::Real(real) if ![1.5, -5.5, 2.0].contains(real));
    match rule {
        Rule::Text | Rule::StrictText if !is_printable(&value) => Value::Null,
        Rule::StrictText if matches!(value, Value::Blob(_)) && random.percent(90) => text("t"),
        Rule::StrictInteger if rule.store(&value.bound()).is_err() && random.percent(90) => {
            Value::Integer(random.below(3) as i64)
        }
        Rule::StrictReal if rule.store(&value.bound()).is_err() && random.percent(90) => {
            Value::Real(0.5)
        }
        Rule::StrictBlob if rule.store(&value.bound()).is_err() && random.percent(90) => {
            blob(random)
        }
        _ => value,
    }
}

/// The few values that a schedule uses for a column of a key. Several spellings of one key are among them.
pub fn key_pool(random: &mut Random, rule: Rule) -> Vec<Value> {
    let all = match rule {
        Rule::RowidAlias => vec![
            Value::Integer(1),
            Value::Integer(2),
            text("2"),
            Value::Integer(3),
            Value::Real(3.0),
            Value::Integer(-1),
            Value::Integer(0),
            Value::Integer(256),
            Value::Integer(i64::MAX),
            Value::Integer(i64::MIN),
        ],
        Rule::Integer | Rule::Numeric | Rule::StrictInteger => vec![
            Value::Integer(1),
            Value::Integer(2),
            text("2"),
            Value::Real(1.0),
            Value::Real(1.5),
            text("one"),
            Value::Blob(b"1".to_vec()),
            Value::Integer(-1),
            Value::Integer(i64::MAX),
            Value::Real(-0.0),
        ],
        Rule::Real | Rule::StrictReal => vec![
            Value::Real(1.0),
            Value::Integer(1),
            text("1"),
            Value::Real(0.0),
            Value::Real(-0.0),
            Value::Real(f64::INFINITY),
            Value::Real(-1.5),
            Value::Integer(1 << 62),
            text("one"),
        ],
        Rule::Text | Rule::StrictText => vec![
            text("a"),
            text("A"),
            text(""),
            text("a\0"),
            text("😀"),
            Value::Integer(7),
            text("7"),
            Value::Text("k".repeat(300)),
        ],
        Rule::Any | Rule::StrictBlob => untyped_keys(),
    };
    let size = random.between(2, 5);
    // Neighbours in the lists above are often two spellings of one key.
    let start = random.below(all.len());
    (0..size)
        .map(|offset| all[(start + offset) % all.len()].clone())
        .collect()
}

fn untyped_keys() -> Vec<Value> {
    vec![
        Value::Integer(1),
        Value::Real(1.0),
        text("1"),
        Value::Blob(b"1".to_vec()),
        Value::Integer(0),
        Value::Real(-0.0),
        Value::Real(1.5),
        text("a\0b"),
        text(""),
        Value::Blob(Vec::new()),
        Value::Integer(i64::MIN),
        Value::Real(-9_223_372_036_854_775_808.0),
        Value::Integer(i64::MAX),
        Value::Real(9_223_372_036_854_775_808.0),
        Value::Real(f64::NEG_INFINITY),
    ]
}
