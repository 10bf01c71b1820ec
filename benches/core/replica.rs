//! The measured databases: how they are opened, and their one table, alike for both sides of a ratio.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::{ToSql, ToSqlOutput};

use crate::Outcome;
use crate::clock::time;
use crate::settings::Settings;
use crate::source::Row;

/// Common settings of applications; everything else is SQLite's default.
pub const PRAGMAS: &str = "journal_mode=WAL, synchronous=NORMAL";

/// The columns of `crsql_changes` in their order.
pub const CHANGE_COLUMNS: &str =
    "\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq";

/// The kind of primary key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Integer,
    Uuid,
}

impl Key {
    pub const ALL: [Key; 2] = [Key::Integer, Key::Uuid];

    pub fn name(self) -> &'static str {
        match self {
            Key::Integer => "integer key",
            Key::Uuid => "uuid text key",
        }
    }

    /// The declared type of the key column.
    pub fn declaration(self) -> &'static str {
        match self {
            Key::Integer => "INTEGER",
            Key::Uuid => "TEXT",
        }
    }

    /// The key of a row.
    pub fn of(self, row: &Row) -> KeyValue<'_> {
        match self {
            Key::Integer => KeyValue::Integer(row.number),
            Key::Uuid => KeyValue::Uuid(&row.uuid),
        }
    }
}

/// A key as a statement's parameter.
pub enum KeyValue<'row> {
    Integer(i64),
    Uuid(&'row str),
}

impl ToSql for KeyValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            KeyValue::Integer(number) => ToSqlOutput::from(*number),
            KeyValue::Uuid(text) => ToSqlOutput::from(*text),
        })
    }
}

/// Which side of a ratio a database is on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Bare,
    Crsql,
}

/// An open database with the empty table `t`.
pub struct Replica {
    pub connection: Connection,
    pub key: Key,
    path: PathBuf,
}

impl Replica {
    /// A new database file, in place of an older one of that name.
    pub fn create(settings: &Settings, side: Side, key: Key, name: &str) -> Outcome<Self> {
        let path = settings.directory.join(name);
        for suffix in ["", "-wal", "-shm"] {
            let mut file = path.clone().into_os_string();
            file.push(suffix);
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        let connection = Connection::open(&path)?;
        for pragma in PRAGMAS.split(", ") {
            connection
                .query_row(&format!("PRAGMA {pragma}"), [], |_| Ok(()))
                .or_else(allow_no_rows)?;
        }
        if side == Side::Crsql {
            load(&connection, &settings.extension)?;
        }
        let replica = Self {
            connection,
            key,
            path,
        };
        replica.create_table("t")?;
        if side == Side::Crsql {
            replica.replicate("t")?;
        }
        Ok(replica)
    }

    /// Creates another table of the same shape.
    pub fn create_table(&self, name: &str) -> Outcome<()> {
        self.run(&format!(
            "CREATE TABLE {name}(id {} PRIMARY KEY NOT NULL, name TEXT, quantity INTEGER, price REAL, note TEXT)",
            self.key.declaration()
        ))
    }

    /// Upgrades a table.
    pub fn replicate(&self, table: &str) -> Outcome<()> {
        Ok(self
            .connection
            .query_row("SELECT crsql_as_crr(?)", [table], |_| Ok(()))?)
    }

    pub fn attach(&self, path: &Path, schema: &str) -> Outcome<()> {
        let text = path.to_string_lossy();
        self.connection
            .execute(&format!("ATTACH ? AS {schema}"), [text])?;
        Ok(())
    }

    pub fn detach(&self, schema: &str) -> Outcome<()> {
        self.run(&format!("DETACH {schema}"))
    }

    pub fn run(&self, sql: &str) -> Outcome<()> {
        Ok(self.connection.execute_batch(sql)?)
    }

    /// Runs one statement from an empty write-ahead log and returns its duration in µs.
    pub fn time(&self, sql: &str) -> Outcome<f64> {
        self.checkpoint()?;
        time(|| self.run(sql))
    }

    /// Moves everything to the database file.
    pub fn checkpoint(&self) -> Outcome<()> {
        Ok(self
            .connection
            .query_row("PRAGMA main.wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    /// The size of the database file once it holds everything.
    pub fn size_bytes(&self) -> Outcome<u64> {
        self.checkpoint()?;
        Ok(std::fs::metadata(&self.path)?.len())
    }

    /// One integer.
    pub fn integer(&self, sql: &str) -> Outcome<i64> {
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }
}

/// `PRAGMA synchronous = ...` answers nothing, `PRAGMA journal_mode = ...` a row.
fn allow_no_rows(error: rusqlite::Error) -> rusqlite::Result<()> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    }
}

fn load(connection: &Connection, extension: &Path) -> Outcome<()> {
    // SAFETY: the shared object is the one of this project, built for the SQLite interface that rusqlite offers.
    let loaded = unsafe {
        let _guard = rusqlite::LoadExtensionGuard::new(connection)?;
        connection.load_extension(extension, Some("sqlite3_crsql_init"))
    };
    loaded.map_err(|error| {
        format!(
            "cannot load {} ({error}): build it with `make` first",
            extension.display()
        )
        .into()
    })
}
