//! A replicated table as the rest of the extension sees it.

use super::inspect::{DeclaredColumn, DeclaredTable};
use super::key::{self, Key};
use super::late;
use super::matching::{History, match_columns};
use super::registry::{RegisteredColumn, RegisteredTable, former_names};
use super::triggers::{COLUMNS_PER_SET, KeyArguments, marked_columns};
use crate::crdt::change::{ColumnId, TableId};
use crate::crdt::key as packed_key;
use crate::crdt::value::{Affinity, Value, ValueRef};
use crate::error::{Error, Result};
use crate::sql::{self, Part};
use crate::sqlite::statement::StatementCache;
use crate::sqlite::value::Arguments;
use crate::sqlite::{Connection, Statement};
use hashbrown::HashMap;
use std::cell::{Cell, RefCell};

pub use super::slots::{slot, write_slot};

/// A replicated column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its id in clock records
    pub id: ColumnId,
    /// Its name
    pub name: String,
    /// What SQLite does to values stored in it
    pub affinity: Affinity,
    /// Its place among the declared columns
    pub place: i64,
    /// Whether the triggers name it
    pub is_captured: bool,
    /// What it was filled with, if it was added to a table that had rows
    pub late: Option<Value>,
}

/// A column of the primary key.
#[derive(Debug, Clone)]
pub struct KeyColumn {
    /// Its name
    pub name: String,
    /// What SQLite does to values stored in it
    pub affinity: Affinity,
}

/// A replicated table, as it was registered and as it is declared.
#[derive(Debug)]
pub struct Crr {
    /// Its id in the log
    pub id: TableId,
    /// Its name
    pub name: String,
    /// Whether rows are known by their rowid
    pub is_rowid_keyed: bool,
    /// Whether it refuses values of other types
    pub is_strict: bool,
    /// The names for the rowid, if the table has one beside its key
    pub rowid_names: Vec<&'static str>,
    /// The columns of the key, in the order of the PRIMARY KEY clause
    pub key_columns: Vec<KeyColumn>,
    /// The replicated columns, in ascending order of their ids
    pub columns: Vec<Column>,
    /// The names of the generated columns
    pub computed: Vec<String>,
    /// The declared columns that are not registered yet
    pub added: Vec<DeclaredColumn>,
    /// The id that the next new column gets
    pub next_column: u32,
    /// Open alter sessions
    pub sessions: u32,
    /// Whether the registry says something else than the declaration
    pub is_unregistered: bool,
    /// The compiled statements on clock records, and those that read rows
    pub statements: StatementCache,
    /// The compiled statements that write rows; the application's triggers are part of them
    pub writes: StatementCache,
    /// Whether the row that was last written alone had no record before: the next one may have none, too
    pub expects_new_record: Cell<bool>,
    sets: RefCell<HashMap<ColumnSet, usize>>,
    by_name: HashMap<String, usize>,
    /// The index of the column that `next_column_named` last found
    latest: Cell<usize>,
    /// The columns that the triggers name, and those of them that are late
    captured: Vec<usize>,
    captured_late: Vec<usize>,
    /// A bit for each of the first of them, if their ids are their places
    captured_ids: Option<u64>,
}

/// What is done to several columns at once, and their indexes.
type ColumnSet = (SetUse, Vec<usize>);

/// What a statement does to a set of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetUse {
    /// Makes a row, unless its key is there
    Insert,
    /// Writes cells of a row
    Update,
}

/// Statements for so many sets of columns are kept.
const SETS_MAX: usize = 256;

/// The table of a table's clock records.
pub fn rows_table(id: TableId) -> String {
    format!("crsql_rows_{}", id.0)
}

impl Crr {
    /// A table to be registered.
    pub fn new(declared: &DeclaredTable) -> Crr {
        let columns: Vec<Column> = (0..)
            .zip(declared.value_columns())
            .map(|(id, column)| Column::new(ColumnId(id), column, None))
            .collect();
        // Entries of a table without columns speak for the row; those of later columns are not to be mistaken
        // for them.
        let next_column = columns.len().max(1) as u32;
        Crr::assemble(TableId(0), declared, columns, next_column)
    }

    /// Reads a registered table; none if it is gone.
    pub fn load(connection: Connection, id: TableId, name: &str) -> Result<Option<Crr>> {
        let Some(declared) = DeclaredTable::read(connection, name)? else {
            return Ok(None);
        };
        let Some(table) = RegisteredTable::read(connection, id)? else {
            return Ok(None);
        };
        let registered = RegisteredColumn::read_all(connection, id)?;
        let followed = marked_columns(connection, id)?;
        let history = match &followed {
            Some(names) => History::Followed(names),
            // Of a table without columns no list is kept in a session: those that come in it are found by their names.
            None if table.sessions > 0 => History::Followed(&[]),
            None => History::Appended,
        };
        let mut crr = Crr::altered(id, &declared, &table, &registered, history);
        let registered = registered
            .into_iter()
            .map(|column| (column.name, column.id));
        crr.add_former_names(registered.chain(former_names(connection, id)?));
        Ok(Some(crr))
    }

    /// The table as it is declared now, given what is registered of it.
    pub fn altered(
        id: TableId,
        declared: &DeclaredTable,
        table: &RegisteredTable,
        registered: &[RegisteredColumn],
        history: History<'_>,
    ) -> Crr {
        let declared_columns: Vec<&DeclaredColumn> = declared.value_columns().collect();
        let found = match_columns(
            &registered
                .iter()
                .map(|column| column.name.as_str())
                .collect::<Vec<_>>(),
            &declared_columns
                .iter()
                .map(|column| column.name.as_str())
                .collect::<Vec<_>>(),
            history,
        );
        let mut columns = Vec::with_capacity(registered.len());
        let mut is_known = vec![false; declared_columns.len()];
        let mut is_alike = table.name == declared.name;
        for (old, index) in registered.iter().zip(found) {
            let Some(index) = index else {
                is_alike = false;
                continue;
            };
            is_known[index] = true;
            let mut column = Column::new(old.id, declared_columns[index], old.late.clone());
            column.is_captured = old.is_captured;
            is_alike &= column.place == old.place && column.name == old.name;
            columns.push(column);
        }
        columns.sort_by_key(|column| column.id);
        let mut crr = Crr::assemble(id, declared, columns, table.next_column);
        crr.sessions = table.sessions;
        crr.added = declared_columns
            .iter()
            .zip(is_known)
            .filter(|(_, is_known)| !is_known)
            .map(|(column, _)| (*column).clone())
            .collect();
        let is_alike = is_alike && crr.key_description() == table.key;
        // What a session drops and renames is registered at its end.
        crr.is_unregistered = !crr.added.is_empty() || (!is_alike && crr.sessions == 0);
        crr
    }

    fn assemble(
        id: TableId,
        declared: &DeclaredTable,
        columns: Vec<Column>,
        next_column: u32,
    ) -> Crr {
        let key_columns = declared.key_columns().into_iter().map(|column| KeyColumn {
            name: column.name.clone(),
            affinity: column.affinity,
        });
        let by_name = columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column.name.to_ascii_lowercase(), index));
        let captured: Vec<usize> = (0..columns.len())
            .filter(|index| columns[*index].is_captured)
            .collect();
        let is_late = |index: &usize| columns[*index].late.is_some();
        let is_at_place = |(place, index): (usize, &usize)| columns[*index].id.0 as usize == place;
        let are_at_places = captured.iter().enumerate().all(is_at_place);
        let first = captured.len().min(COLUMNS_PER_SET);
        Crr {
            id,
            name: declared.name.clone(),
            is_rowid_keyed: declared.is_rowid_keyed,
            is_strict: declared.is_strict,
            rowid_names: declared.rowid_names.clone(),
            key_columns: key_columns.collect(),
            computed: declared.generated_names(),
            added: Vec::new(),
            next_column,
            sessions: 0,
            is_unregistered: false,
            statements: StatementCache::default(),
            writes: StatementCache::default(),
            sets: RefCell::default(),
            by_name: by_name.collect(),
            expects_new_record: Cell::new(false),
            latest: Cell::new(0),
            captured_late: captured.iter().copied().filter(is_late).collect(),
            captured_ids: are_at_places.then_some((1 << first) - 1),
            captured,
            columns,
        }
    }

    /// Columns are found by names that they had, too, unless another column has that name now.
    fn add_former_names(&mut self, names: impl Iterator<Item = (String, ColumnId)>) {
        for (name, id) in names {
            let is_added = |added: &DeclaredColumn| added.name.eq_ignore_ascii_case(&name);
            if let Some(index) = self.column_by_id(id)
                && !self.added.iter().any(is_added)
            {
                let name = name.to_ascii_lowercase();
                self.by_name.entry(name).or_insert(index);
            }
        }
    }

    /// What is registered of this table.
    pub fn registration(&self) -> RegisteredTable {
        RegisteredTable {
            name: self.name.clone(),
            key: self.key_description(),
            next_column: self.next_column,
            sessions: self.sessions,
        }
    }

    /// Stops what can't be done in an alter session.
    pub fn check_no_session(&self) -> Result<()> {
        match self.sessions {
            0 => Ok(()),
            _ => Err(Error::Table(format!(
                "table {} is in an alter session; call crsql_commit_alter({}) first",
                sql::quoted(&self.name),
                sql::literal(&self.name)
            ))),
        }
    }

    /// Whether the triggers should be made anew at the end of the transaction.
    pub fn has_stale_triggers(&self) -> bool {
        self.sessions == 0 && self.captured.len() < self.columns.len()
    }

    /// Whether the triggers don't name some column.
    pub fn has_uncaptured(&self) -> bool {
        self.captured.len() < self.columns.len()
    }

    /// Whether some column is late and the triggers don't name it.
    pub fn has_uncaptured_late(&self) -> bool {
        self.columns
            .iter()
            .any(|column| column.late.is_some() && !column.is_captured)
    }

    /// The columns that the triggers name, in the order of their bits.
    pub fn captured(&self) -> impl ExactSizeIterator<Item = &Column> {
        self.captured.iter().map(|index| &self.columns[*index])
    }

    /// A bit for each column that the first bit set of the triggers names, if its place there is its id.
    pub fn captured_ids(&self) -> Option<u64> {
        self.captured_ids
    }

    /// The late columns.
    pub fn late_columns(&self) -> impl Iterator<Item = (ColumnId, &Value)> {
        self.columns
            .iter()
            .filter_map(|column| Some((column.id, column.late.as_ref()?)))
    }

    /// Whether there are late columns.
    pub fn has_late(&self) -> bool {
        self.late_columns().next().is_some()
    }

    /// How many arguments of a trigger say which late columns hold their default.
    pub fn late_arguments(&self) -> usize {
        self.captured_late.len().div_ceil(COLUMNS_PER_SET)
    }

    /// The late columns that hold their default, as the triggers say it.
    pub fn late_of(&self, arguments: Arguments<'_>) -> Vec<ColumnId> {
        let holds = |place: &usize| {
            let bits = arguments.integer(place / COLUMNS_PER_SET);
            bits >> (place % COLUMNS_PER_SET) & 1 == 1
        };
        (0..self.captured_late.len())
            .filter(holds)
            .map(|place| self.columns[self.captured_late[place]].id)
            .collect()
    }

    /// The query for the late columns of a row.
    pub fn late_get_sql(&self) -> String {
        let late = self.columns.iter().filter(|column| column.late.is_some());
        let columns = sql::join(", ", late.map(|column| sql::column_of("t", &column.name)));
        self.row_sql(sql::ROW_GET, &[("columns", Part::Sql(&columns))])
    }

    /// The late columns that hold their default in a row of `late_get_sql`.
    pub fn late_in(&self, row: &Statement) -> Vec<ColumnId> {
        self.late_columns()
            .enumerate()
            .filter(|(place, (_, default))| late::holds(row.value(*place), default))
            .map(|(_, (id, _))| id)
            .collect()
    }

    /// As `column`, for names that mostly come in the order of the columns.
    pub fn next_column_named(&self, name: &[u8]) -> Option<(usize, &Column)> {
        let next = match self.latest.get() + 1 {
            next if next < self.columns.len() => next,
            _ => 0,
        };
        let found = match self.columns.get(next) {
            Some(column) if column.name.as_bytes() == name => (next, column),
            _ => self.column(&String::from_utf8_lossy(name))?,
        };
        self.latest.set(found.0);
        Some(found)
    }

    /// A replicated column by name, in any ASCII case, with its index in `columns`.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        let index = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => *self.by_name.get(name.to_ascii_lowercase().as_str())?,
            false => *self.by_name.get(name)?,
        };
        Some((index, &self.columns[index]))
    }

    /// The index in `columns` of a column; none if it was dropped.
    pub fn column_by_id(&self, id: ColumnId) -> Option<usize> {
        self.columns
            .binary_search_by_key(&id, |column| column.id)
            .ok()
    }

    /// The seqs that a first insert reserves: one for each column that there ever was, or one for the row. So
    /// the log entry tells which columns it speaks for: those with a smaller id.
    pub fn insert_stride(&self) -> u64 {
        u64::from(self.next_column.max(1))
    }

    /// Fills a text on the table of clock records.
    pub fn clock_sql(&self, text: &str) -> String {
        sql::fill(text, &[("rows", Part::Name(&rows_table(self.id)))])
    }

    /// Fills a text on the table itself.
    pub fn row_sql(&self, text: &str, parts: &[(&str, Part<'_>)]) -> String {
        let key_matches = sql::key_matches(self.key_names(), 1);
        let own = [
            ("table", Part::Name(&self.name)),
            ("key_matches", Part::Sql(&key_matches)),
        ];
        sql::fill(text, &[&own[..], parts].concat())
    }

    /// The ids of the replicated columns.
    pub fn column_ids(&self) -> impl ExactSizeIterator<Item = ColumnId> {
        self.columns.iter().map(|column| column.id)
    }

    /// The slot in `writes` of the statement for these columns; none if it is one too many to be kept.
    pub fn set_slot(&self, set_use: SetUse, columns: &[usize]) -> Option<usize> {
        let mut sets = self.sets.borrow_mut();
        let set = (set_use, columns.to_vec());
        if let Some(slot) = sets.get(&set) {
            return Some(*slot);
        }
        let slot = write_slot::of_column(self.columns.len(), 0) + sets.len();
        (sets.len() < SETS_MAX).then(|| {
            sets.insert(set, slot);
            slot
        })
    }

    /// The statement for these columns: its parameters are the key, then the columns in their order.
    pub fn set_sql(&self, set_use: SetUse, columns: &[usize]) -> String {
        let names = columns
            .iter()
            .filter_map(|index| Some(self.columns.get(*index)?.name.as_str()));
        let keys = self.key_columns.len();
        match set_use {
            SetUse::Insert => {
                let all = self.key_names().chain(names).map(sql::quoted);
                let key = sql::join(", ", self.key_names().map(sql::quoted));
                let parts = [
                    ("columns", Part::Sql(&sql::join(", ", all))),
                    (
                        "values",
                        Part::Sql(&sql::parameters(1, keys + columns.len())),
                    ),
                    ("key", Part::Sql(&key)),
                ];
                self.row_sql(sql::ROW_INSERT_NEW, &parts)
            }
            SetUse::Update => {
                let assignments = names
                    .zip(keys + 1..)
                    .map(|(name, parameter)| format!("{} = ?{parameter}", sql::quoted(name)));
                let assignments = sql::join(", ", assignments);
                self.row_sql(
                    sql::ROW_UPDATE_CELLS,
                    &[("assignments", Part::Sql(&assignments))],
                )
            }
        }
    }

    /// The query for the replicated columns of a row, in their order.
    pub fn row_get_sql(&self) -> String {
        let columns = match self.columns.is_empty() {
            true => "1".to_owned(),
            false => sql::join(
                ", ",
                self.columns
                    .iter()
                    .map(|column| sql::column_of("t", &column.name)),
            ),
        };
        self.row_sql(sql::ROW_GET, &[("columns", Part::Sql(&columns))])
    }

    /// The query for rows from a rowid on: the rowid, the key, the replicated columns.
    pub fn row_walk_sql(&self) -> String {
        self.found_sql(sql::ROW_WALK)
    }

    /// The query for one row: the rowid or NULL, the key, the replicated columns.
    pub fn row_find_sql(&self) -> String {
        self.found_sql(sql::ROW_FIND)
    }

    fn found_sql(&self, text: &str) -> String {
        let key = self.key_names().map(|name| sql::column_of("t", name));
        let columns = self.columns.iter();
        let columns = columns.map(|column| sql::column_of("t", &column.name));
        let columns = sql::join(", ", key.chain(columns));
        let rowid = match (self.rowid_names.first(), self.key_columns.first()) {
            (_, Some(key)) if self.is_rowid_keyed => sql::column_of("t", &key.name),
            (Some(name), _) => sql::column_of("t", name),
            _ => "NULL".to_owned(),
        };
        let parts = [
            ("rowid", Part::Sql(&rowid)),
            ("columns", Part::Sql(&columns)),
        ];
        self.row_sql(text, &parts)
    }

    /// The names of the key columns.
    pub fn key_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.key_columns.iter().map(|column| column.name.as_str())
    }

    /// How triggers hand over keys.
    pub fn key_arguments(&self) -> KeyArguments {
        KeyArguments::of(self.key_columns.len())
    }

    /// The key in a trigger's arguments.
    pub fn key_of(&self, arguments: Arguments<'_>) -> Result<Key> {
        match self.key_arguments() {
            KeyArguments::Plain(count) => self.key_of_values(arguments.take(count).iter()),
            KeyArguments::Packed(count) => {
                let mut values = Vec::with_capacity(self.key_columns.len());
                for part in arguments.take(count).iter() {
                    let ValueRef::Blob(packed) = part else {
                        return Err(self.changed_error("a trigger"));
                    };
                    values.extend(
                        key::unpacked(packed).ok_or_else(|| self.changed_error("a trigger"))?,
                    );
                }
                self.key_of_values(values.iter().map(Value::as_ref))
            }
        }
    }

    /// The key made of stored or converted values.
    pub fn key_of_values<'a>(
        &self,
        values: impl ExactSizeIterator<Item = ValueRef<'a>>,
    ) -> Result<Key> {
        let mut packed = Vec::with_capacity(if self.is_rowid_keyed { 0 } else { 48 });
        if !self.is_rowid_keyed {
            packed.push(self.key_columns.len() as u8);
        }
        for (value, column) in values.zip(&self.key_columns) {
            let value = key::canonical(value, column.affinity);
            match value {
                ValueRef::Integer(rowid) if self.is_rowid_keyed => return Ok(Key::Rowid(rowid)),
                // Tables that were replicated by an earlier extension may have such a column.
                ValueRef::Null if !self.is_rowid_keyed => {
                    return Err(Error::Table(format!(
                        "the key column {} of table {} is NULL, and a row needs an identity; give it a value",
                        sql::quoted(&column.name),
                        sql::quoted(&self.name)
                    )));
                }
                ValueRef::Text(text) if std::str::from_utf8(text).is_err() => {
                    return Err(Error::Table(format!(
                        "the key column {} of table {} holds text that is not valid UTF-8; store it as a BLOB",
                        sql::quoted(&column.name),
                        sql::quoted(&self.name)
                    )));
                }
                _ => packed_key::pack_value(&mut packed, value),
            }
        }
        if self.is_rowid_keyed {
            return Err(self.changed_error("the key"));
        }
        Ok(Key::Packed(packed))
    }

    /// The values of a key, for binding.
    pub fn key_values(&self, key: &Key) -> Result<Vec<Value>> {
        match key {
            Key::Rowid(rowid) => Ok(vec![Value::Integer(*rowid)]),
            Key::Packed(packed) => key::unpacked(packed).ok_or_else(|| {
                Error::Corrupt(format!(
                    "a key recorded for table {} is damaged",
                    sql::quoted(&self.name)
                ))
            }),
        }
    }

    fn changed_error(&self, what: &str) -> Error {
        Error::Table(format!(
            "{what} of table {} is not the one it was replicated with; call SELECT crsql_adopt({}) to make its \
             triggers anew",
            sql::quoted(&self.name),
            sql::literal(&self.name)
        ))
    }
}

impl Column {
    fn new(id: ColumnId, declared: &DeclaredColumn, late: Option<Value>) -> Column {
        Column {
            id,
            name: declared.name.clone(),
            affinity: declared.affinity,
            place: declared.place,
            is_captured: true,
            late,
        }
    }
}
