//! Local writes as data, so that the model can execute them and the test can print them as SQL.

use super::table::Table;
use super::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    Abort,
    Fail,
    Ignore,
    Replace,
    Rollback,
}

#[derive(Clone, Debug)]
pub enum Targets {
    All,
    /// The rows with these keys; each has one value per column of the PRIMARY KEY clause.
    Keys(Vec<Vec<Value>>),
}

#[derive(Clone, Debug)]
pub enum Assign {
    To(Value),
    /// `column = column + n`, for integer columns.
    Add(i64),
}

#[derive(Clone, Debug)]
pub enum Statement {
    Insert {
        table: usize,
        columns: Vec<usize>,
        rows: Vec<Vec<Value>>,
        conflict: OnConflict,
    },
    /// `INSERT ... ON CONFLICT (key) DO UPDATE SET`, or `DO NOTHING` when nothing is set.
    Upsert {
        table: usize,
        columns: Vec<usize>,
        row: Vec<Value>,
        set: Vec<(usize, Value)>,
    },
    Update {
        table: usize,
        targets: Targets,
        set: Vec<(usize, Assign)>,
        conflict: OnConflict,
    },
    Delete {
        table: usize,
        targets: Targets,
    },
}

impl Statement {
    pub fn table(&self) -> usize {
        match self {
            Statement::Insert { table, .. }
            | Statement::Upsert { table, .. }
            | Statement::Update { table, .. }
            | Statement::Delete { table, .. } => *table,
        }
    }

    /// The statement as far as the table has the columns; `None` if nothing is left of it.
    pub fn fitted(&self, table: &Table) -> Option<Statement> {
        let mut statement = self.clone();
        match &mut statement {
            Statement::Insert { columns, rows, .. } => {
                for row in rows {
                    keep_values(columns, row, table);
                }
                columns.retain(|column| table.has_column(*column));
            }
            Statement::Upsert {
                columns, row, set, ..
            } => {
                keep_values(columns, row, table);
                columns.retain(|column| table.has_column(*column));
                set.retain(|(column, _)| table.has_column(*column));
            }
            Statement::Update { set, .. } => {
                set.retain(|(column, _)| table.has_column(*column));
                if set.is_empty() {
                    return None;
                }
            }
            Statement::Delete { .. } => (),
        }
        table.is_here.then_some(statement)
    }

    pub fn targets(&self) -> Option<&Targets> {
        match self {
            Statement::Update { targets, .. } | Statement::Delete { targets, .. } => Some(targets),
            Statement::Insert { .. } | Statement::Upsert { .. } => None,
        }
    }
}

/// How a statement failed, by what it leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Everything the statement did is undone.
    Undone,
    /// What it did before the failing row stays.
    Stopped,
    /// The whole transaction is gone.
    RolledBack,
}

fn keep_values(columns: &[usize], row: &mut Vec<Value>, table: &Table) {
    let mut columns = columns.iter();
    row.retain(|_| {
        columns
            .next()
            .is_some_and(|column| table.has_column(*column))
    });
}
