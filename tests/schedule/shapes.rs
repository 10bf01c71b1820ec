//! The table shapes that the schedules write to.

use crate::model::table::{Column, Table};
use crate::model::value::{Rule, Value};

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// Every shape, each under its own table name.
pub fn all() -> Vec<Table> {
    vec![
        integer_key(),
        text_key(),
        untyped_key(),
        composite_key(),
        without_rowid(),
        strict(),
        strict_any_key(),
        key_only(),
        untyped_key_only(),
        real_key(),
        blob_key(),
        generated(),
        odd_names(),
        many_columns(),
    ]
}

fn integer_key() -> Table {
    let columns = vec![
        Column::new("id", Rule::RowidAlias),
        Column::new("a", Rule::Any),
        Column::new("b", Rule::Integer),
        Column::new("c", Rule::Text),
    ];
    Table::new(
        "ipk",
        "CREATE TABLE ipk(id INTEGER PRIMARY KEY, a, b INTEGER, c TEXT)",
        columns,
        &[0],
    )
}

fn text_key() -> Table {
    let columns = vec![
        Column::new("k", Rule::Text).not_null(),
        Column::new("a", Rule::Any).default(text("none")),
        Column::new("b", Rule::Real),
    ];
    let create = "CREATE TABLE tkey(k TEXT NOT NULL PRIMARY KEY, a DEFAULT 'none', b REAL)";
    Table::new("tkey", create, columns, &[0])
}

fn untyped_key() -> Table {
    let columns = vec![
        Column::new("x", Rule::Any),
        Column::new("k", Rule::Any).not_null(),
        Column::new("y", Rule::Numeric),
    ];
    Table::new(
        "ukey",
        "CREATE TABLE ukey(x, k PRIMARY KEY NOT NULL, y NUMERIC)",
        columns,
        &[1],
    )
}

fn composite_key() -> Table {
    let columns = vec![
        Column::new("b", Rule::Text).not_null(),
        Column::new("v", Rule::Any),
        Column::new("a", Rule::Integer).not_null(),
        Column::new("w", Rule::Any),
    ];
    let create =
        "CREATE TABLE ckey(b TEXT NOT NULL, v, a INTEGER NOT NULL, w BLOB, PRIMARY KEY(a, b))";
    Table::new("ckey", create, columns, &[2, 0])
}

fn without_rowid() -> Table {
    let columns = vec![
        Column::new("k", Rule::Integer).not_null(),
        Column::new("s", Rule::Any).not_null(),
        Column::new("v", Rule::Any),
    ];
    let create =
        "CREATE TABLE wrkey(k INTEGER NOT NULL, s, v, PRIMARY KEY(s, k DESC)) WITHOUT ROWID";
    Table::new("wrkey", create, columns, &[1, 0])
}

fn strict() -> Table {
    let columns = vec![
        Column::new("id", Rule::RowidAlias),
        Column::new("i", Rule::StrictInteger),
        Column::new("r", Rule::StrictReal),
        Column::new("t", Rule::StrictText),
        Column::new("b", Rule::StrictBlob),
        Column::new("n", Rule::Any),
    ];
    let create = "CREATE TABLE strict_id(id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB, n ANY) STRICT";
    Table::new("strict_id", create, columns, &[0])
}

fn strict_any_key() -> Table {
    let columns = vec![
        Column::new("k", Rule::Any).not_null(),
        Column::new("n", Rule::Any),
    ];
    let create = "CREATE TABLE strict_any(k ANY PRIMARY KEY NOT NULL, n ANY) STRICT, WITHOUT ROWID";
    Table::new("strict_any", create, columns, &[0])
}

fn key_only() -> Table {
    let columns = vec![
        Column::new("a", Rule::Integer).not_null(),
        Column::new("b", Rule::Text).not_null(),
    ];
    let create = "CREATE TABLE link(a INTEGER NOT NULL, b TEXT NOT NULL, PRIMARY KEY(a, b))";
    Table::new("link", create, columns, &[0, 1])
}

fn untyped_key_only() -> Table {
    let columns = vec![
        Column::new("k", Rule::Any).not_null(),
        Column::new("g", Rule::Any).generated(),
    ];
    let create = "CREATE TABLE marks(k NOT NULL PRIMARY KEY, g AS (typeof(k))) WITHOUT ROWID";
    Table::new("marks", create, columns, &[0])
}

fn real_key() -> Table {
    let columns = vec![
        Column::new("k", Rule::Real).not_null(),
        Column::new("v", Rule::Any),
    ];
    Table::new(
        "rkey",
        "CREATE TABLE rkey(k REAL PRIMARY KEY NOT NULL, v)",
        columns,
        &[0],
    )
}

fn blob_key() -> Table {
    let columns = vec![
        Column::new("k", Rule::Any).not_null(),
        Column::new("v", Rule::Any).default(text("d")),
        Column::new("n", Rule::Integer)
            .not_null()
            .default(Value::Integer(3))
            .refusing(13),
    ];
    let create = "CREATE TABLE bkey(k BLOB PRIMARY KEY NOT NULL, v DEFAULT 'd', \
                  n INTEGER NOT NULL DEFAULT 3 CHECK (n <> 13))";
    Table::new("bkey", create, columns, &[0])
}

fn generated() -> Table {
    let columns = vec![
        Column::new("g", Rule::Any).generated(),
        Column::new("k", Rule::Integer).not_null(),
        Column::new("a", Rule::Any),
        Column::new("s", Rule::Any).generated(),
        Column::new("b", Rule::Text).not_null().default(text("")),
    ];
    let create = "CREATE TABLE gen(g AS (typeof(a)) VIRTUAL, k INT NOT NULL PRIMARY KEY, a, \
                  s AS (length(b)) STORED, b TEXT NOT NULL DEFAULT '')";
    Table::new("gen", create, columns, &[1])
}

fn odd_names() -> Table {
    let columns = vec![
        Column::new("sel\"ect", Rule::Integer).not_null(),
        Column::new("", Rule::Any),
        Column::new("it's %s", Rule::Any),
        Column::new("db_version", Rule::Real),
        Column::new("clé; --", Rule::Any),
    ];
    let create = "CREATE TABLE \"or'der \"\"by\"\" %d\"(\"sel\"\"ect\" INT NOT NULL, \"\", \"it's %s\", \
                  \"db_version\" REAL, \"clé; --\", PRIMARY KEY(\"sel\"\"ect\" DESC))";
    Table::new("or'der \"by\" %d", create, columns, &[0])
}

/// More columns than a machine word has bits.
fn many_columns() -> Table {
    let mut columns = vec![Column::new("id", Rule::RowidAlias)];
    columns.extend((0..70).map(|number| Column::new(&format!("c{number}"), Rule::Any)));
    let names: Vec<String> = (0..70).map(|number| format!("c{number}")).collect();
    let create = format!(
        "CREATE TABLE wide(id INTEGER PRIMARY KEY, {})",
        names.join(", ")
    );
    Table::new("wide", &create, columns, &[0])
}
