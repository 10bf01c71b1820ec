//! A replicated table as the model knows it: its columns, its key, and what a row must satisfy.

use super::key::{self, Key};
use super::value::{Rule, Value};

#[derive(Debug)]
pub struct Column {
    pub name: String,
    pub rule: Rule,
    pub not_null: bool,
    pub default: Value,
    /// The one value that the column's CHECK refuses.
    pub refused: Option<i64>,
    pub generated: bool,
}

#[derive(Debug)]
pub struct Table {
    pub name: String,
    pub create: String,
    pub columns: Vec<Column>,
    /// Columns of the key, in the order of the PRIMARY KEY clause.
    pub key: Vec<usize>,
    /// The replicated columns outside the key, as declared.
    pub cells: Vec<usize>,
}

impl Column {
    pub fn new(name: &str, rule: Rule) -> Column {
        Column {
            name: name.to_owned(),
            rule,
            not_null: false,
            default: Value::Null,
            refused: None,
            generated: false,
        }
    }

    pub fn not_null(self) -> Column {
        Column {
            not_null: true,
            ..self
        }
    }

    pub fn default(self, default: Value) -> Column {
        Column { default, ..self }
    }

    pub fn refusing(self, value: i64) -> Column {
        Column {
            refused: Some(value),
            ..self
        }
    }

    pub fn generated(self) -> Column {
        Column {
            generated: true,
            ..self
        }
    }

    pub fn refuses(&self, value: &Value) -> bool {
        match (self.refused, value) {
            (Some(refused), Value::Integer(integer)) => *integer == refused,
            (Some(refused), Value::Real(real)) => *real == refused as f64,
            _ => false,
        }
    }
}

impl Table {
    pub fn new(name: &str, create: &str, columns: Vec<Column>, key: &[usize]) -> Table {
        let cells = (0..columns.len())
            .filter(|index| !key.contains(index) && !columns[*index].generated)
            .collect();
        Table {
            name: name.to_owned(),
            create: create.to_owned(),
            columns,
            key: key.to_vec(),
            cells,
        }
    }

    /// The identity of a key as an application writes it, or `None` if no row can have it.
    pub fn key_of(&self, values: &[Value]) -> Option<Key> {
        let mut stored = Vec::new();
        for (value, column) in values.iter().zip(&self.key) {
            let value = self.columns[*column].rule.store(&value.bound()).ok()?;
            stored.push(Some(value).filter(|value| !value.is_null())?);
        }
        Some(key::pack(self, &stored))
    }

    pub fn has_rowid_alias(&self) -> bool {
        self.columns[self.key[0]].rule == Rule::RowidAlias
    }

    pub fn has_rowid(&self) -> bool {
        !self.create.contains("WITHOUT ROWID")
    }

    /// Does SQLite find a row again by a rowid that is not its key?
    pub fn has_hidden_rowid(&self) -> bool {
        self.has_rowid() && !self.has_rowid_alias()
    }

    /// Which of the cells has this name, in any ASCII case.
    pub fn cell_named(&self, name: &str) -> Option<usize> {
        self.cells
            .iter()
            .position(|column| self.columns[*column].name.eq_ignore_ascii_case(name))
    }
}
