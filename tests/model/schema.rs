//! Changes of the schema, as data and as what they do to a replica: columns and tables come, go and are renamed. Clocks
//! follow the column, not its name; a cell that nobody wrote has none.

use std::rc::Rc;

use super::key::Key;
use super::reach::Situation;
use super::replica::{Event, Replica, Row};
use super::table::{Column, Table};
use super::value::Value;

/// One statement, or for `Rebuild` the few that make a table anew.
#[derive(Clone, Debug)]
pub enum Ddl {
    AddColumn(Column),
    /// A computed column, which is not replicated.
    AddGenerated(Column),
    RenameColumn {
        column: usize,
        name: String,
    },
    DropColumn {
        column: usize,
    },
    RenameTable {
        name: String,
    },
    /// A table that was not there, made a replicated one.
    CreateTable,
    DropTable,
    /// Another table is created and filled, and takes the place of this one.
    Rebuild {
        /// The columns that it has, in this order.
        order: Vec<usize>,
        /// A column more, and what its cells hold.
        added: Option<(Column, Value)>,
    },
}

/// What every replica does to one table sooner or later; all of them in the same order.
#[derive(Clone, Debug)]
pub struct Migration {
    pub table: usize,
    pub ddl: Vec<Ddl>,
    /// Is it left out? Its columns keep their numbers, so that the rest of the schedule means the same.
    pub is_skipped: bool,
}

impl Ddl {
    /// Can this be done without an alter session?
    pub fn is_plain(&self) -> bool {
        !matches!(self, Ddl::DropColumn { .. } | Ddl::Rebuild { .. })
    }

    /// Does it make or remove the table?
    pub fn is_of_whole_table(&self) -> bool {
        matches!(self, Ddl::CreateTable | Ddl::DropTable)
    }

    /// Does it give a table or column another name?
    pub fn is_rename(&self) -> bool {
        matches!(self, Ddl::RenameColumn { .. } | Ddl::RenameTable { .. })
    }
}

impl Table {
    /// Can this be done to the table as it is?
    pub fn allows(&self, ddl: &Ddl) -> bool {
        let is_free = |name: &str| {
            let here = self.columns.iter().enumerate();
            !here
                .filter(|(index, column)| column.generated || self.has_column(*index))
                .any(|(_, column)| column.name.eq_ignore_ascii_case(name))
        };
        match ddl {
            Ddl::CreateTable => !self.is_here,
            _ if !self.is_here => false,
            Ddl::AddColumn(column) | Ddl::AddGenerated(column) => is_free(&column.name),
            Ddl::RenameColumn { column, name } => self.cells.contains(column) && is_free(name),
            Ddl::DropColumn { column } => self.cells.contains(column),
            Ddl::RenameTable { name } => *name != self.name,
            Ddl::DropTable => true,
            Ddl::Rebuild { added, .. } => added
                .as_ref()
                .is_none_or(|(column, _)| is_free(&column.name)),
        }
    }

    /// Does it give a column the name that another one had?
    pub fn uses_name_again(&self, ddl: &Ddl) -> bool {
        let new_name = match ddl {
            Ddl::AddColumn(column) => &column.name,
            Ddl::RenameColumn { name, .. } => name,
            _ => return false,
        };
        self.columns.iter().any(|column| column.name == *new_name)
    }

    /// The table as if the change had been left out: only its column has a number.
    pub fn skip(&mut self, ddl: &Ddl) {
        let added = match ddl {
            Ddl::AddColumn(column) | Ddl::AddGenerated(column) => Some(column),
            Ddl::Rebuild { added, .. } => added.as_ref().map(|(column, _)| column),
            _ => None,
        };
        self.columns.extend(added.map(|column| Column {
            generated: false,
            ..column.clone()
        }));
    }

    /// The table after a change. One that it does not allow is left out.
    pub fn change(&mut self, ddl: &Ddl) {
        let is_allowed = self.allows(ddl);
        self.skip(ddl);
        if !is_allowed {
            return;
        }
        match ddl {
            Ddl::AddGenerated(_) => {
                let added = self.columns.last_mut().expect("it was added");
                added.generated = true;
            }
            Ddl::AddColumn(_) => {
                self.cells.push(self.columns.len() - 1);
                self.has_fresh_name = true;
            }
            Ddl::RenameColumn { column, name } => {
                let column = &mut self.columns[*column];
                let old = std::mem::replace(&mut column.name, name.clone());
                column.former.push(old);
                self.has_fresh_name = true;
            }
            Ddl::DropColumn { column } => {
                self.cells.retain(|cell| cell != column);
                self.columns[*column].former.clear();
                self.leaves_gaps = true;
            }
            Ddl::RenameTable { name } => {
                let old = std::mem::replace(&mut self.name, name.clone());
                self.former.push(old);
                self.has_fresh_name = true;
            }
            Ddl::CreateTable => {
                self.is_here = true;
                self.leaves_gaps = self.cells.is_empty();
                self.uncaptured.clear();
                self.has_fresh_name = false;
                self.former.clear();
                for column in &mut self.columns {
                    column.is_late = false;
                    column.former.clear();
                }
            }
            Ddl::DropTable => (self.is_here, self.was_dropped) = (false, true),
            Ddl::Rebuild { order, added } => {
                let kept = self.cells.len();
                self.cells.retain(|cell| order.contains(cell));
                self.leaves_gaps |= kept > self.cells.len();
                self.cells
                    .extend(added.as_ref().map(|_| self.columns.len() - 1));
            }
        }
    }
}

impl Replica {
    /// Does this to a table, inside the open transaction. `order` lists the rows in the order of their keys.
    pub fn change_schema(&mut self, place: usize, ddl: &Ddl, order: &[Key]) {
        let before = self.table(place).clone();
        let is_allowed = before.allows(ddl);
        Rc::make_mut(&mut self.schema.tables)[place].change(ddl);
        if !is_allowed {
            return;
        }
        if matches!(ddl, Ddl::DropTable) {
            for key in self.keys(place) {
                self.forget_row(place, &key);
            }
            return self.reach.met(Situation::TableDropped);
        }
        let after = self.table(place).clone();
        let has_rows = !order.is_empty();
        for key in self.keys(place) {
            let row = self.row_mut(place, &key);
            *row = reshaped(row, &before, &after);
            if row.is_silent() {
                self.reach.met(Situation::RowLeftSilent);
            }
        }
        self.note_change(&before, ddl, has_rows);
        self.schema.noticed.remove(&place);
        match ddl {
            Ddl::AddColumn(_) => {
                let table = &mut Rc::make_mut(&mut self.schema.tables)[place];
                let added = table.columns.len() - 1;
                table.uncaptured.insert(added);
                table.columns[added].is_late = has_rows;
            }
            Ddl::Rebuild {
                added: Some((column, fill)),
                ..
            } => {
                let table = &mut Rc::make_mut(&mut self.schema.tables)[place];
                table.columns.last_mut().expect("it was added").is_late = has_rows;
                self.fill(place, column, fill, order);
            }
            _ => (),
        }
    }

    /// Cells of a new column that hold something else than its default were written by this replica.
    fn fill(&mut self, place: usize, column: &Column, fill: &Value, order: &[Key]) {
        let value = column.rule.store(fill).expect("a value that fits");
        if value.same(&column.stored_default()) {
            return;
        }
        let cell = self.table(place).cells.len() - 1;
        for key in order {
            self.reach.met(Situation::RebuiltCellRecorded);
            let event = self.local_event(1);
            let row = self.row_mut(place, key);
            row.values.as_mut().expect("a live row")[cell] = value.clone();
            row.cells[cell] = Some(event);
        }
    }

    fn note_change(&mut self, before: &Table, ddl: &Ddl, has_rows: bool) {
        let situation = match ddl {
            Ddl::AddColumn(column) if column.not_null => Situation::ColumnAddedNotNull,
            Ddl::AddColumn(column) if !column.default.is_null() => {
                Situation::ColumnAddedWithDefault
            }
            Ddl::AddColumn(_) => Situation::ColumnAdded,
            Ddl::AddGenerated(_) => Situation::GeneratedColumnAdded,
            Ddl::RenameColumn { .. } => Situation::ColumnRenamed,
            Ddl::DropColumn { .. } => Situation::ColumnDropped,
            Ddl::RenameTable { .. } => Situation::TableRenamed,
            Ddl::CreateTable => Situation::TableCreatedLate,
            Ddl::DropTable => Situation::TableDropped,
            Ddl::Rebuild { .. } => Situation::TableRebuilt,
        };
        self.reach.met(situation);
        if matches!(ddl, Ddl::AddColumn(_)) && has_rows {
            self.reach.met(Situation::ColumnBecameLate);
        }
        if before.uses_name_again(ddl) {
            self.reach.met(Situation::NameUsedAgain);
        }
        if before.was_dropped && matches!(ddl, Ddl::CreateTable) {
            self.reach.met(Situation::TableCreatedAgain);
        }
    }

    /// From now on the triggers name all columns of the table, and its names are registered.
    pub fn capture_all(&mut self, place: usize) {
        let table = self.table(place);
        if !table.uncaptured.is_empty() || table.has_fresh_name {
            let table = &mut Rc::make_mut(&mut self.schema.tables)[place];
            table.uncaptured.clear();
            table.has_fresh_name = false;
        }
    }

    pub fn begin_alter(&mut self, place: usize) {
        self.capture_all(place);
        Rc::make_mut(&mut self.schema.tables)[place].sessions += 1;
    }

    pub fn commit_alter(&mut self, place: usize) {
        self.capture_all(place);
        Rc::make_mut(&mut self.schema.tables)[place].sessions -= 1;
        self.replay(Situation::ReplayedByAlter);
    }

    /// The end of the transaction is that of its sessions.
    pub fn end_sessions(&mut self) {
        if self.schema.tables.iter().any(|table| table.sessions > 0) {
            for table in Rc::make_mut(&mut self.schema.tables) {
                table.sessions = 0;
            }
        }
    }

    pub fn skip_migration(&mut self, migration: &Migration) {
        for ddl in &migration.ddl {
            Rc::make_mut(&mut self.schema.tables)[migration.table].skip(ddl);
        }
        self.finish_migration();
    }

    pub fn finish_migration(&mut self) {
        self.schema.level += 1;
    }
}

/// The row with the cells of the table as it is after a change.
fn reshaped(row: &Row, before: &Table, after: &Table) -> Row {
    let place = |column: &usize| before.cells.iter().position(|cell| cell == column);
    let value = |values: &Vec<Value>, column: &usize| match place(column) {
        Some(place) => values[place].clone(),
        None => after.columns[*column].stored_default(),
    };
    let values = row.values.as_ref().map(|values| {
        let columns = after.cells.iter();
        columns.map(|column| value(values, column)).collect()
    });
    let event = |column: &usize| place(column).and_then(|place| row.cells[place].clone());
    let cells: Vec<Option<Event>> = after.cells.iter().map(event).collect();
    let was_told = row.cells.iter().flatten();
    let first = was_told.min_by_key(|event| (event.db_version, event.seq));
    let left = first.cloned().map(|event| Event {
        version: 1,
        ..event
    });
    Row {
        values,
        sentinel: row.sentinel.clone(),
        cells,
        left: left.or_else(|| row.left.clone()),
    }
}
