//! What local SQL does to a replica and what it records.

use std::collections::BTreeSet;

use super::key::{self, Key};
use super::reach::Situation;
use super::replica::Replica;
use super::statement::{Assign, Failure, OnConflict, Statement};
use super::table::{Column, Table};
use super::value::Value;

/// Why a row could not be written.
enum Violation {
    /// Fails the statement under every conflict clause.
    Type,
    /// NOT NULL, CHECK or a taken key, under a clause that does not resolve it.
    Constraint,
}

/// A row ready to be written: its key, the values of the key, the values of its cells.
struct NewRow {
    key: Key,
    cells: Vec<Value>,
}

impl Replica {
    /// Executes a statement inside the open transaction and gives the number of rows it changed. `order` lists the rows
    /// that an UPDATE or DELETE targets, in the order in which SQLite visits them.
    pub fn execute(&mut self, statement: &Statement, order: &[Key]) -> Result<usize, Failure> {
        let mark = self.mark();
        let conflict = match statement {
            Statement::Insert { conflict, .. } | Statement::Update { conflict, .. } => *conflict,
            Statement::Upsert { .. } | Statement::Delete { .. } => OnConflict::Abort,
        };
        let outcome = match statement {
            Statement::Insert {
                table,
                columns,
                rows,
                ..
            } => self.insert(*table, columns, rows, conflict),
            Statement::Upsert {
                table,
                columns,
                row,
                set,
            } => self.upsert(*table, columns, row, set),
            Statement::Update { table, set, .. } => self.update(*table, order, set, conflict),
            Statement::Delete { table, .. } => Ok(self.delete(*table, order)),
        };
        outcome.map_err(|violation| match (violation, conflict) {
            (Violation::Constraint, OnConflict::Fail) => {
                self.reach.met(Situation::StatementStopped);
                Failure::Stopped
            }
            (Violation::Constraint, OnConflict::Rollback) => {
                self.reach.met(Situation::StatementRolledBack);
                self.rollback();
                Failure::RolledBack
            }
            _ => {
                self.reach.met(Situation::StatementFailed);
                self.restore(mark);
                Failure::Undone
            }
        })
    }

    fn insert(
        &mut self,
        table: usize,
        columns: &[usize],
        rows: &[Vec<Value>],
        conflict: OnConflict,
    ) -> Result<usize, Violation> {
        let mut count = 0;
        for values in rows {
            let Some(row) = self.new_row(table, columns, values, conflict)? else {
                self.reach.met(Situation::InsertIgnored);
                continue;
            };
            if self.is_live(table, &row.key) {
                match conflict {
                    OnConflict::Replace => self.replace_row(table, row),
                    OnConflict::Ignore => {
                        self.reach.met(Situation::InsertIgnored);
                        continue;
                    }
                    OnConflict::Abort | OnConflict::Fail | OnConflict::Rollback => {
                        return Err(Violation::Constraint);
                    }
                }
            } else {
                self.create_row(table, row);
            }
            count += 1;
        }
        Ok(count)
    }

    fn upsert(
        &mut self,
        table: usize,
        columns: &[usize],
        values: &[Value],
        set: &[(usize, Value)],
    ) -> Result<usize, Violation> {
        let Some(row) = self.new_row(table, columns, values, OnConflict::Abort)? else {
            return Ok(0);
        };
        if !self.is_live(table, &row.key) {
            self.create_row(table, row);
            return Ok(1);
        }
        if set.is_empty() {
            self.reach.met(Situation::InsertIgnored);
            return Ok(0);
        }
        self.reach.met(Situation::UpsertUpdated);
        let set: Vec<_> = set
            .iter()
            .map(|(column, value)| (*column, Assign::To(value.clone())))
            .collect();
        self.update(table, &[row.key], &set, OnConflict::Abort)
    }

    /// Brings the values to the columns' types and checks them; `None` if OR IGNORE passes over the row.
    fn new_row(
        &mut self,
        table: usize,
        columns: &[usize],
        values: &[Value],
        conflict: OnConflict,
    ) -> Result<Option<NewRow>, Violation> {
        let tables = self.tables();
        let definition = &tables[table];
        let mut full: Vec<Value> = definition
            .columns
            .iter()
            .map(|column| column.default.clone())
            .collect();
        for (column, value) in columns.iter().zip(values) {
            full[*column] = value.bound();
        }
        if definition.has_rowid_alias() && full[definition.key[0]].is_null() {
            full[definition.key[0]] = Value::Integer(self.automatic_rowid(table));
            self.reach.met(Situation::AutomaticRowid);
        }
        for (value, column) in full.iter_mut().zip(&definition.columns) {
            *value = column.rule.store(value).map_err(|_| Violation::Type)?;
        }
        for (value, column) in full.iter_mut().zip(&definition.columns) {
            if !check(column, value, conflict)? {
                return Ok(None);
            }
        }
        let key_values: Vec<Value> = definition
            .key
            .iter()
            .map(|column| full[*column].clone())
            .collect();
        let cells = definition
            .cells
            .iter()
            .map(|column| full[*column].clone())
            .collect();
        Ok(Some(NewRow {
            key: key::pack(definition, &key_values),
            cells,
        }))
    }

    /// The rowid that SQLite gives to a row inserted without one.
    fn automatic_rowid(&self, table: usize) -> i64 {
        self.largest_integer_key(table)
            .map_or(1, |largest| largest + 1)
    }

    pub fn largest_integer_key(&self, table: usize) -> Option<i64> {
        let live = self
            .state
            .rows
            .iter()
            .filter(|((of, _), row)| *of == table && row.values.is_some());
        live.filter_map(|((_, key), _)| integer_key(key)).max()
    }

    fn create_row(&mut self, table: usize, row: NewRow) {
        self.schema.noticed.insert(table);
        self.note_new_row(table, &row);
        let cl = self.causal_length(table, &row.key);
        self.row_mut(table, &row.key).values = Some(row.cells);
        if cl > 0 || self.table(table).cells.is_empty() {
            self.reach.met(if cl > 0 {
                Situation::RowRecreated
            } else {
                Situation::RowInserted
            });
            let sentinel = self.local_event(cl + 1);
            self.row_mut(table, &row.key).sentinel = Some(sentinel);
        } else {
            self.reach.met(Situation::RowInserted);
        }
        if cl == 0 && self.table(table).leaves_gaps {
            self.loosen();
        }
        self.touch_cells(table, &row.key, |_, _| Some(1));
    }

    fn note_new_row(&mut self, table: usize, row: &NewRow) {
        let definition = self.table(table);
        let columns = definition
            .cells
            .iter()
            .map(|cell| &definition.columns[*cell]);
        let mut cells = columns.zip(&row.cells);
        if cells.any(|(column, value)| column.is_late && value.same(&column.stored_default())) {
            self.reach.met(Situation::DefaultInsertedInLateColumn);
        }
    }

    /// Notes that a write meets cells that nobody wrote before.
    fn note_unset(
        &mut self,
        table: usize,
        key: &Key,
        changed: Option<&[bool]>,
        situation: Situation,
    ) {
        let definition = self.table(table);
        let is_changed =
            |cell: usize| definition.is_late(cell) && changed.is_none_or(|changed| changed[cell]);
        let cells = self.row(table, key).map_or(&[][..], |row| &row.cells);
        let mut unset = cells
            .iter()
            .enumerate()
            .filter(|(_, event)| event.is_none());
        if unset.any(|(cell, _)| is_changed(cell)) {
            self.reach.met(situation);
        }
    }

    /// INSERT OR REPLACE on a live row: a write to every cell, or with recursive triggers a delete and an insert.
    fn replace_row(&mut self, table: usize, row: NewRow) {
        if self.recursive_triggers {
            self.reach.met(Situation::RowReplacedAsDelete);
            self.delete_row(table, &row.key);
            return self.create_row(table, row);
        }
        self.reach.met(Situation::RowReplaced);
        self.note_unset(table, &row.key, None, Situation::UnsetCellReplaced);
        self.row_mut(table, &row.key).values = Some(row.cells);
        self.touch_cells(table, &row.key, |_, version| Some(version + 1));
    }

    /// Records an event for each cell to which `version` gives a new column version, from its index and its present one.
    fn touch_cells(
        &mut self,
        table: usize,
        key: &Key,
        version: impl Fn(usize, i64) -> Option<i64>,
    ) {
        for cell in 0..self.table(table).cells.len() {
            let present = self.row_mut(table, key).cell_version(cell);
            if let Some(version) = version(cell, present) {
                self.schema.noticed.insert(table);
                let event = self.local_event(version);
                self.row_mut(table, key).cells[cell] = Some(event);
            }
        }
    }

    fn update(
        &mut self,
        table: usize,
        order: &[Key],
        set: &[(usize, Assign)],
        conflict: OnConflict,
    ) -> Result<usize, Violation> {
        let mut count = 0;
        // With a hidden rowid, a target whose key an earlier target took over is gone; without, it is the one that took
        // over.
        let mut taken_over = BTreeSet::new();
        let is_found_by_key = !self.table(table).has_hidden_rowid();
        for key in order {
            if !self.is_live(table, key) || taken_over.contains(key) {
                continue;
            }
            let Some(row) = self.updated_row(table, key, set, conflict)? else {
                continue;
            };
            if row.key == *key {
                self.update_cells(table, row);
            } else if !self.is_live(table, &row.key) || conflict == OnConflict::Replace {
                if !is_found_by_key {
                    taken_over.insert(row.key.clone());
                }
                self.move_row(table, key, row);
            } else if conflict == OnConflict::Ignore {
                continue;
            } else {
                return Err(Violation::Constraint);
            }
            count += 1;
        }
        Ok(count)
    }

    fn updated_row(
        &mut self,
        table: usize,
        key: &Key,
        set: &[(usize, Assign)],
        conflict: OnConflict,
    ) -> Result<Option<NewRow>, Violation> {
        let tables = self.tables();
        let definition = &tables[table];
        let mut key_values = key::unpack(key).expect("a key of the model");
        let mut cells = self.row_mut(table, key).values.clone().expect("a live row");
        let place_of = |column| definition.key.iter().position(|key| *key == column);
        let mut values = Vec::new();
        for (column, assign) in set {
            let old = match place_of(*column) {
                Some(position) => &key_values[position],
                None => &cells[cell_index(definition, *column)],
            };
            let value = match (assign, old) {
                (Assign::To(value), _) => value.bound(),
                (Assign::Add(number), Value::Integer(integer)) => Value::Integer(integer + number),
                (Assign::Add(_), other) => other.clone(),
            };
            let rule = definition.columns[*column].rule;
            values.push(rule.store(&value).map_err(|_| Violation::Type)?);
        }
        for ((column, _), mut value) in set.iter().zip(values) {
            if !check(&definition.columns[*column], &mut value, conflict)? {
                return Ok(None);
            }
            match place_of(*column) {
                Some(position) => key_values[position] = value,
                None => cells[cell_index(definition, *column)] = value,
            }
        }
        Ok(Some(NewRow {
            key: key::pack(definition, &key_values),
            cells,
        }))
    }

    fn update_cells(&mut self, table: usize, row: NewRow) {
        let old = self
            .row_mut(table, &row.key)
            .values
            .replace(row.cells.clone())
            .expect("a live row");
        let changed: Vec<bool> = old
            .iter()
            .zip(&row.cells)
            .map(|(old, new)| !old.same(new))
            .collect();
        self.reach.met(if changed.contains(&true) {
            Situation::CellUpdated
        } else {
            Situation::UpdateWithoutChange
        });
        self.note_unset(table, &row.key, Some(&changed), Situation::UnsetCellWritten);
        self.touch_cells(table, &row.key, |cell, version| {
            changed[cell].then_some(version + 1)
        });
    }

    /// A change of the key: every cell of the new key, then the old key's death, then the new key's life.
    fn move_row(&mut self, table: usize, old_key: &Key, row: NewRow) {
        if self.is_live(table, &row.key) && self.recursive_triggers {
            self.delete_row(table, &row.key);
        }
        let replaced = self.row_mut(table, &row.key).clone();
        let cl = replaced.causal_length();
        let (new_cl, keeps_life, situation) = match cl {
            0 => (1, false, Situation::KeyMoved),
            1 => (1, true, Situation::KeyMovedOverFirstLife),
            dead if dead % 2 == 0 => (dead + 1, false, Situation::KeyMovedToTombstone),
            live => (live + 2, false, Situation::KeyMovedOverLaterLife),
        };
        if cl == 0 && self.table(table).leaves_gaps && self.table(table).cells.is_empty() {
            self.loosen();
        }
        self.reach.met(situation);
        self.note_unset(table, old_key, None, Situation::UnsetCellMoved);
        let old = self.row_mut(table, old_key).clone();
        self.row_mut(table, &row.key).values = Some(row.cells);
        self.touch_cells(table, &row.key, |cell, version| {
            let replaced = if keeps_life { version } else { 0 };
            Some(old.cell_version(cell).max(replaced) + 1)
        });
        self.delete_row(table, old_key);
        let sentinel = self.local_event(new_cl);
        self.row_mut(table, &row.key).sentinel = Some(sentinel);
    }

    fn delete(&mut self, table: usize, order: &[Key]) -> usize {
        let mut count = 0;
        for key in order {
            if self.is_live(table, key) {
                self.reach.met(if self.was_live(table, key) {
                    Situation::RowDeleted
                } else {
                    Situation::InsertedAndDeletedAtOnce
                });
                self.delete_row(table, key);
                count += 1;
            }
        }
        count
    }

    fn delete_row(&mut self, table: usize, key: &Key) {
        self.schema.noticed.insert(table);
        let row = self.row_mut(table, key);
        let cl = row.causal_length();
        assert!(cl % 2 == 1, "only a live row is deleted");
        row.values = None;
        row.cells.fill(None);
        let sentinel = self.local_event(cl + 1);
        self.row_mut(table, key).sentinel = Some(sentinel);
    }
}

pub fn integer_key(key: &Key) -> Option<i64> {
    match key::unpack(key)?.as_slice() {
        [Value::Integer(integer)] => Some(*integer),
        _ => None,
    }
}

fn cell_index(table: &Table, column: usize) -> usize {
    table
        .cells
        .iter()
        .position(|cell| *cell == column)
        .expect("a column outside the key")
}

/// NOT NULL and CHECK. OR REPLACE puts the default in the place of a forbidden NULL; `false` means OR IGNORE skips the row.
fn check(column: &Column, value: &mut Value, conflict: OnConflict) -> Result<bool, Violation> {
    if column.not_null && value.is_null() {
        if conflict == OnConflict::Replace && !column.default.is_null() {
            *value = column.stored_default();
        } else if conflict == OnConflict::Ignore {
            return Ok(false);
        } else {
            return Err(Violation::Constraint);
        }
    }
    match (column.refuses(value), conflict) {
        (false, _) => Ok(true),
        (true, OnConflict::Ignore) => Ok(false),
        // A failing CHECK aborts under OR REPLACE; nothing tells that from any other undone statement.
        (true, _) => Err(Violation::Constraint),
    }
}
