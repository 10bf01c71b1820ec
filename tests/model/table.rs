//! A replicated table as the model knows it: its columns, its key, and what a row must satisfy.

use std::collections::BTreeSet;

use super::key::{self, Key};
use super::value::{Rule, Value};

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub rule: Rule,
    pub not_null: bool,
    pub default: Value,
    /// The one value that the column's CHECK refuses.
    pub refused: Option<i64>,
    pub generated: bool,
    /// Was it added to a table that had rows?
    pub is_late: bool,
    /// The names that it had before.
    pub former: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    /// The names that it had before.
    pub former: Vec<String>,
    /// How it was created first.
    pub create: String,
    /// All columns that there ever were, so that a number means one column whatever happens to others.
    pub columns: Vec<Column>,
    /// Columns of the key, in the order of the PRIMARY KEY clause.
    pub key: Vec<usize>,
    /// The replicated columns outside the key that are there, oldest first.
    pub cells: Vec<usize>,
    /// Is it there, and replicated?
    pub is_here: bool,
    pub was_dropped: bool,
    /// May the seqs of a new row have gaps? Columns that are gone keep their places.
    pub leaves_gaps: bool,
    /// Columns that the triggers may not name yet.
    pub uncaptured: BTreeSet<usize>,
    /// May a name that it had be known to nobody but the one that it replaced?
    pub has_fresh_name: bool,
    /// Open alter sessions.
    pub sessions: usize,
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
            is_late: false,
            former: Vec::new(),
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

    /// The default as the column stores it.
    pub fn stored_default(&self) -> Value {
        self.rule
            .store(&self.default)
            .unwrap_or_else(|_| self.default.clone())
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
        let cells: Vec<usize> = (0..columns.len())
            .filter(|index| !key.contains(index) && !columns[*index].generated)
            .collect();
        Table {
            is_here: true,
            was_dropped: false,
            leaves_gaps: cells.is_empty(),
            uncaptured: BTreeSet::new(),
            has_fresh_name: false,
            sessions: 0,
            name: name.to_owned(),
            former: Vec::new(),
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

    pub fn is_strict(&self) -> bool {
        self.create.contains("STRICT")
    }

    /// Has this column of the table a value that statements can write?
    pub fn has_column(&self, column: usize) -> bool {
        self.key.contains(&column) || self.cells.contains(&column)
    }

    pub fn is_late(&self, cell: usize) -> bool {
        self.columns[self.cells[cell]].is_late
    }

    /// Were there ever cells?
    pub fn had_cells(&self) -> bool {
        let mut columns = self.columns.iter().enumerate();
        columns.any(|(index, column)| !column.generated && !self.key.contains(&index))
    }

    pub fn has_rowid(&self) -> bool {
        !self.create.contains("WITHOUT ROWID")
    }

    /// Does SQLite find a row again by a rowid that is not its key?
    pub fn has_hidden_rowid(&self) -> bool {
        self.has_rowid() && !self.has_rowid_alias()
    }

    /// Is this the name of a column that is never replicated as a cell?
    pub fn is_no_cell(&self, name: &str) -> bool {
        let generated = self.columns.iter().filter(|column| column.generated);
        let key = self.key.iter().map(|column| &self.columns[*column]);
        generated
            .chain(key)
            .any(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Which of the cells has this name, in any ASCII case, or had it.
    pub fn cell_named(&self, name: &str) -> Option<usize> {
        let cells = || self.cells.iter().map(|column| &self.columns[*column]);
        let is_named = |column: &Column| column.name.eq_ignore_ascii_case(name);
        let was_named = |column: &Column| column.former.iter().any(|former| former == name);
        if self.is_no_cell(name) {
            return None;
        }
        let now = cells().position(is_named);
        now.or_else(|| cells().position(was_named))
    }
}
