//! One real replica: a database in memory, or a file with up to two connections.

use std::path::{Path, PathBuf};

use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use crate::model::key::{self, Key};
use crate::model::replica::{Change, Site};
use crate::model::statement::{Statement, Targets};
use crate::model::table::Table;
use crate::model::value::Value;
use crate::support;

use super::carrier;
use super::plan::{Form, Storage};
use super::sql::{self, Sql};

/// So long that there is one slice, where there is one chunk: the model knows of one transaction.
pub const SLICE_MS: i64 = 3_600_000;

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null => ToSqlOutput::Owned(SqlValue::Null),
            Value::Integer(integer) => ToSqlOutput::Owned(SqlValue::Integer(*integer)),
            Value::Real(real) => ToSqlOutput::Owned(SqlValue::Real(*real)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Blob(blob) => ToSqlOutput::Borrowed(ValueRef::Blob(blob)),
        })
    }
}

pub fn value_of(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
    }
}

pub struct Database {
    path: Option<PathBuf>,
    set_up: String,
    connections: Vec<Connection>,
    /// The connection that works now.
    current: usize,
}

/// What merging did, as the connection tells it.
pub struct Merged {
    /// `last_insert_rowid()` was not 0; known for single-row statements.
    pub effects: Vec<bool>,
}

impl Database {
    pub fn create(
        path: PathBuf,
        storage: Storage,
        tables: &[Table],
        set_up: &str,
    ) -> Result<Database, String> {
        let journal = if storage == Storage::WriteAheadLog {
            "WAL"
        } else {
            "DELETE"
        };
        let mut database = Database {
            path: (storage != Storage::Memory).then_some(path),
            set_up: format!("PRAGMA synchronous = OFF; PRAGMA journal_mode = {journal}; {set_up}"),
            connections: Vec::new(),
            current: 0,
        };
        database.connect()?;
        for table in tables.iter().filter(|table| table.is_here) {
            database.run(&table.create)?;
            database.run(&format!(
                "SELECT crsql_as_crr('{}')",
                table.name.replace('\'', "''")
            ))?;
        }
        Ok(database)
    }

    fn connect(&mut self) -> Result<(), String> {
        let connection = match &self.path {
            Some(path) => support::open(path),
            None => support::open_memory(),
        };
        connection
            .execute_batch(&self.set_up)
            .map_err(|error| format!("set up: {error}"))?;
        self.connections.push(connection);
        Ok(())
    }

    /// Is it a second connection that works?
    pub fn is_second(&self) -> bool {
        self.current > 0
    }

    pub fn is_file(&self) -> bool {
        self.path.is_some()
    }

    /// Works through this connection from now on; a database in memory has only one.
    pub fn switch(&mut self, connection: usize) -> Result<(), String> {
        self.current = if self.is_file() { connection } else { 0 };
        while self.connections.len() <= self.current {
            self.connect()?;
        }
        Ok(())
    }

    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Lets go of all connections as they are, and goes on with another file.
    pub fn replace(&mut self, path: PathBuf) -> Result<(), String> {
        self.connections.clear();
        self.current = 0;
        self.path = Some(path);
        self.connect()
    }

    pub fn reopen(&mut self) -> Result<(), String> {
        for connection in self.connections.drain(..) {
            connection
                .close()
                .map_err(|(_, error)| format!("close: {error}"))?;
        }
        self.current = 0;
        self.connect()
    }

    pub fn connection(&self) -> &Connection {
        &self.connections[self.current]
    }

    pub fn run(&self, text: &str) -> Result<(), String> {
        self.connection()
            .execute_batch(text)
            .map_err(|error| format!("{text}: {error}"))
    }

    pub fn is_in_transaction(&self) -> bool {
        !self.connection().is_autocommit()
    }

    /// Executes a write and gives `changes()`.
    pub fn write(&self, statement: &Statement, tables: &[Table]) -> Result<usize, String> {
        let sql = sql::statement(statement, tables);
        self.connection()
            .prepare_cached(&sql.text)
            .and_then(|mut prepared| prepared.execute(params_from_iter(&sql.values)))
            .map_err(|error| error.to_string())
    }

    pub fn targets(&self, table: &Table, targets: &Targets) -> Result<Vec<Key>, String> {
        let rows = self.select(&sql::select_targets(table, targets))?;
        Ok(rows.iter().map(|values| key::pack(table, values)).collect())
    }

    /// The keys of all rows, in the order of the key's columns.
    pub fn keys_in_order(&self, table: &Table) -> Result<Vec<Key>, String> {
        let rows = self.select(&sql::select_in_key_order(table))?;
        Ok(rows.iter().map(|values| key::pack(table, values)).collect())
    }

    /// Table, column and number of what waits for its table or column.
    pub fn parked(&self) -> Result<Vec<(String, String, usize)>, String> {
        let text =
            "SELECT \"table\", \"column\", \"count\" FROM crsql_parked ORDER BY 1, 2".to_owned();
        let values = Vec::new();
        let rows = self.select(&Sql { text, values })?;
        let parse = |row: Vec<Value>| match row.as_slice() {
            [
                Value::Text(table),
                Value::Text(column),
                Value::Integer(count),
            ] => Ok((table.clone(), column.clone(), *count as usize)),
            other => Err(format!("crsql_parked: {other:?}")),
        };
        rows.into_iter().map(parse).collect()
    }

    /// What `crsql_check` finds.
    pub fn problems(&self) -> Result<Vec<Vec<Value>>, String> {
        let text = "SELECT * FROM crsql_check".to_owned();
        let values = Vec::new();
        self.select(&Sql { text, values })
    }

    /// The key and the values of the cells of every row.
    pub fn contents(&self, table: &Table) -> Result<Vec<(Key, Vec<Value>)>, String> {
        let columns: Vec<String> = table
            .key
            .iter()
            .chain(&table.cells)
            .map(|column| sql::quote(&table.columns[*column].name))
            .collect();
        let text = format!(
            "SELECT {} FROM {}",
            columns.join(", "),
            sql::quote(&table.name)
        );
        let rows = self.select(&Sql {
            text,
            values: Vec::new(),
        })?;
        let split = |mut values: Vec<Value>| {
            let cells = values.split_off(table.key.len());
            (key::pack(table, &values), cells)
        };
        let mut contents: Vec<_> = rows.into_iter().map(split).collect();
        contents.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(contents)
    }

    pub fn select(&self, sql: &Sql) -> Result<Vec<Vec<Value>>, String> {
        let read = || {
            let mut prepared = self.connection().prepare_cached(&sql.text)?;
            let width = prepared.column_count();
            prepared
                .query_map(params_from_iter(&sql.values), |row| {
                    (0..width)
                        .map(|index| Ok(value_of(row.get_ref(index)?)))
                        .collect::<rusqlite::Result<Vec<_>>>()
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| format!("{}: {error}", sql.inlined()))
    }

    pub fn integer(&self, text: &str) -> Result<i64, String> {
        self.connection()
            .query_row(text, [], |row| row.get(0))
            .map_err(|error| format!("{text}: {error}"))
    }

    pub fn site(&self) -> Result<Site, String> {
        let text = "SELECT crsql_site_id()";
        self.connection()
            .query_row(text, [], |row| row.get(0))
            .map_err(|error| format!("{text}: {error}"))
    }

    /// What this replica reports, in the order in which it reports it.
    pub fn changes(&self, since: i64, not_of: Option<&Site>) -> Result<Vec<Change>, String> {
        let text = match not_of {
            Some(_) => "SELECT * FROM crsql_changes WHERE db_version > ?1 AND site_id IS NOT ?2",
            None => "SELECT * FROM crsql_changes WHERE db_version > ?1",
        };
        let mut values = vec![Value::Integer(since)];
        values.extend(not_of.map(|site| Value::Blob(site.to_vec())));
        let rows = self.select(&Sql {
            text: text.to_owned(),
            values,
        })?;
        rows.into_iter().map(change_of).collect()
    }

    /// Merges the changes in the given form. Outside a transaction each statement commits on its own.
    pub fn merge(&self, changes: &[Change], form: Form) -> Result<Merged, String> {
        match form {
            Form::CellByCell => {
                let merge_one = |change| {
                    self.merge_rows(std::slice::from_ref(change))?;
                    Ok(self.connection().last_insert_rowid() != 0)
                };
                Ok(Merged {
                    effects: changes
                        .iter()
                        .map(merge_one)
                        .collect::<Result<_, String>>()?,
                })
            }
            Form::Rows(count) => {
                for rows in changes.chunks(count) {
                    self.merge_rows(rows)?;
                }
                Ok(Merged {
                    effects: Vec::new(),
                })
            }
            Form::Select => {
                self.merge_select(changes)?;
                Ok(Merged {
                    effects: Vec::new(),
                })
            }
            Form::Changeset => self.apply(changes, None),
            Form::Slices => self.apply(changes, Some(SLICE_MS)),
        }
    }

    fn apply(&self, changes: &[Change], max_ms: Option<i64>) -> Result<Merged, String> {
        let data = carrier::changeset(changes);
        // The model knows of one transaction.
        let max_ms = max_ms.filter(|_| carrier::is_one_chunk(&data));
        self.connection()
            .query_row("SELECT crsql_apply(?1, ?2)", (data, max_ms), |_| Ok(()))
            .map_err(|error| error.to_string())?;
        Ok(Merged {
            effects: Vec::new(),
        })
    }

    fn merge_rows(&self, changes: &[Change]) -> Result<(), String> {
        let row = "(?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let text = format!(
            "INSERT INTO crsql_changes VALUES {}",
            vec![row; changes.len()].join(", ")
        );
        self.insert(&text, changes)
    }

    fn merge_select(&self, changes: &[Change]) -> Result<(), String> {
        self.run(
            "CREATE TEMP TABLE IF NOT EXISTS inbox(n INTEGER PRIMARY KEY, \"table\", pk, cid, val, col_version, \
             db_version, site_id, cl, seq); DELETE FROM temp.inbox",
        )?;
        for change in changes {
            let columns = "\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq";
            let text =
                format!("INSERT INTO temp.inbox({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
            self.insert(&text, std::slice::from_ref(change))?;
        }
        self.run(
            "INSERT INTO crsql_changes SELECT \"table\", pk, cid, val, col_version, db_version, site_id, cl, seq \
             FROM temp.inbox ORDER BY n",
        )
    }

    fn insert(&self, text: &str, changes: &[Change]) -> Result<(), String> {
        let values = changes.iter().flat_map(|change| {
            [
                Value::Text(change.table.clone()),
                Value::Blob(change.pk.clone()),
                Value::Text(change.cid.clone()),
                change.val.clone(),
                Value::Integer(change.col_version),
                Value::Integer(change.db_version),
                Value::Blob(change.site.clone()),
                Value::Integer(change.cl),
                Value::Integer(change.seq),
            ]
        });
        self.connection()
            .prepare_cached(text)
            .and_then(|mut prepared| prepared.execute(params_from_iter(values)))
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

pub fn change_of(row: Vec<Value>) -> Result<Change, String> {
    let row: [Value; 9] = row
        .try_into()
        .map_err(|row| format!("not nine columns: {row:?}"))?;
    match row {
        [
            Value::Text(table),
            Value::Blob(pk),
            Value::Text(cid),
            val,
            Value::Integer(col_version),
            Value::Integer(db_version),
            Value::Blob(site),
            Value::Integer(cl),
            Value::Integer(seq),
        ] => Ok(Change {
            table,
            pk,
            cid,
            val,
            col_version,
            db_version,
            site,
            cl,
            seq,
        }),
        other => Err(format!("columns of wrong types: {other:?}")),
    }
}
