//! Statements as SQL with bound values, and the same as text for a trace.

use std::fmt::Write;

use crate::model::key::Key;
use crate::model::replica::Change;
use crate::model::statement::{Assign, OnConflict, Statement, Targets};
use crate::model::table::Table;
use crate::model::value::Value;

pub struct Sql {
    pub text: String,
    pub values: Vec<Value>,
}

pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Sql {
    fn new(text: impl Into<String>) -> Sql {
        Sql {
            text: text.into(),
            values: Vec::new(),
        }
    }

    fn push(&mut self, text: &str) -> &mut Sql {
        self.text.push_str(text);
        self
    }

    fn bind(&mut self, value: &Value) -> &mut Sql {
        self.values.push(value.clone());
        write!(self.text, "?{}", self.values.len()).expect("write to a string");
        self
    }

    fn bind_list(&mut self, values: &[Value]) {
        self.push("(");
        for (index, value) in values.iter().enumerate() {
            self.push(if index > 0 { ", " } else { "" }).bind(value);
        }
        self.push(")");
    }

    /// The statement with its values written into it, long ones shortened.
    pub fn inlined(&self) -> String {
        let mut text = self.text.clone();
        for (index, value) in self.values.iter().enumerate().rev() {
            text = text.replace(&format!("?{}", index + 1), &literal(value));
        }
        text
    }
}

pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) if real.is_nan() => "NULL /* NaN */".to_owned(),
        Value::Real(real) if real.is_infinite() => {
            format!("{}9e999", if *real < 0.0 { "-" } else { "" })
        }
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) if text.len() > 64 => {
            format!(
                "replace(hex(zeroblob({})), '00', '{}')",
                text.len(),
                &text[..1]
            )
        }
        Value::Text(text) if text.contains('\0') => {
            format!("CAST({} AS TEXT)", hex(text.as_bytes()))
        }
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(blob) => hex(blob),
    }
}

/// A blob literal; a long one is cut, for it is to be read.
pub fn hex(bytes: &[u8]) -> String {
    let digits = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    match bytes.len() {
        0..=64 => format!("x'{}'", digits(bytes)),
        length => format!("x'{}...' /* {length} bytes */", digits(&bytes[..16])),
    }
}

pub fn change(change: &Change) -> String {
    format!(
        "('{}', {}, '{}', {}, {}, {}, {}, {}, {})",
        change.table.replace('\'', "''"),
        hex(&change.pk),
        change.cid.replace('\'', "''"),
        literal(&change.val),
        change.col_version,
        change.db_version,
        hex(&change.site),
        change.cl,
        change.seq
    )
}

fn column_list(table: &Table, columns: &[usize]) -> String {
    let names: Vec<String> = columns
        .iter()
        .map(|column| quote(&table.columns[*column].name))
        .collect();
    names.join(", ")
}

fn or_clause(conflict: OnConflict) -> &'static str {
    match conflict {
        OnConflict::Abort => "",
        OnConflict::Fail => " OR FAIL",
        OnConflict::Ignore => " OR IGNORE",
        OnConflict::Replace => " OR REPLACE",
        OnConflict::Rollback => " OR ROLLBACK",
    }
}

pub fn statement(statement: &Statement, tables: &[Table]) -> Sql {
    let table = &tables[statement.table()];
    let name = quote(&table.name);
    match statement {
        Statement::Insert {
            columns,
            rows,
            conflict,
            ..
        } => {
            let columns = column_list(table, columns);
            let mut sql = Sql::new(format!(
                "INSERT{} INTO {name}({columns}) VALUES ",
                or_clause(*conflict)
            ));
            for (index, row) in rows.iter().enumerate() {
                sql.push(if index > 0 { ", " } else { "" }).bind_list(row);
            }
            sql
        }
        Statement::Upsert {
            columns, row, set, ..
        } => {
            let mut sql = Sql::new(format!(
                "INSERT INTO {name}({}) VALUES ",
                column_list(table, columns)
            ));
            sql.bind_list(row);
            sql.push(&format!(
                " ON CONFLICT({}) DO ",
                column_list(table, &table.key)
            ));
            sql.push(if set.is_empty() { "NOTHING" } else { "UPDATE" });
            let set: Vec<_> = set
                .iter()
                .map(|(column, value)| (*column, Assign::To(value.clone())))
                .collect();
            assignments(&mut sql, table, &set);
            sql
        }
        Statement::Update {
            targets,
            set,
            conflict,
            ..
        } => {
            let mut sql = Sql::new(format!("UPDATE{} {name} NOT INDEXED", or_clause(*conflict)));
            assignments(&mut sql, table, set);
            condition(&mut sql, table, targets);
            sql
        }
        Statement::Delete { targets, .. } => {
            let mut sql = Sql::new(format!("DELETE FROM {name} NOT INDEXED"));
            condition(&mut sql, table, targets);
            sql
        }
    }
}

/// Reads the keys of the targets in the order in which the statement will visit them.
pub fn select_targets(table: &Table, targets: &Targets) -> Sql {
    let columns = column_list(table, &table.key);
    let mut sql = Sql::new(format!(
        "SELECT {columns} FROM {} NOT INDEXED",
        quote(&table.name)
    ));
    condition(&mut sql, table, targets);
    sql
}

/// Reads the keys of all rows in the order of their columns.
pub fn select_in_key_order(table: &Table) -> Sql {
    let columns = column_list(table, &table.key);
    let name = quote(&table.name);
    Sql::new(format!("SELECT {columns} FROM {name} ORDER BY {columns}"))
}

/// The identities that a statement targets, as the model finds them.
pub fn target_keys(table: &Table, targets: &Targets, live: impl Iterator<Item = Key>) -> Vec<Key> {
    match targets {
        Targets::All => live.collect(),
        Targets::Keys(keys) => {
            let keys: Vec<Key> = keys.iter().filter_map(|key| table.key_of(key)).collect();
            live.filter(|key| keys.contains(key)).collect()
        }
    }
}

fn assignments(sql: &mut Sql, table: &Table, set: &[(usize, Assign)]) {
    for (index, (column, assign)) in set.iter().enumerate() {
        let name = quote(&table.columns[*column].name);
        sql.push(if index > 0 { ", " } else { " SET " })
            .push(&name)
            .push(" = ");
        match assign {
            Assign::To(value) => sql.bind(value),
            Assign::Add(number) => sql.push(&format!("{name} + {number}")),
        };
    }
}

/// Several keys are compared inside a CASE, so that every statement scans the table and visits the rows in one order.
fn condition(sql: &mut Sql, table: &Table, targets: &Targets) {
    let Targets::Keys(keys) = targets else {
        return;
    };
    let is_scan = keys.len() > 1;
    sql.push(if is_scan {
        " WHERE CASE WHEN "
    } else {
        " WHERE "
    });
    for (index, key) in keys.iter().enumerate() {
        sql.push(if index > 0 { " OR (" } else { "(" });
        for (position, (column, value)) in table.key.iter().zip(key).enumerate() {
            let name = quote(&table.columns[*column].name);
            sql.push(if position > 0 { " AND " } else { "" });
            sql.push(&name).push(" = ").bind(value);
        }
        sql.push(")");
    }
    sql.push(if is_scan { " THEN 1 END" } else { "" });
}
