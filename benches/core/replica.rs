//! The measured databases: how they are opened, and their one table, alike for all sides of a ratio.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use rusqlite::session::Session;
use rusqlite::{Connection, Statement};

use crate::Outcome;
use crate::changelog;
use crate::clock::time;
use crate::settings::Settings;
use crate::source::Row;

/// Common settings of applications; everything else is SQLite's default.
pub const PRAGMAS: &str = "journal_mode=WAL, synchronous=NORMAL";

/// The columns of `crsql_changes` in their order.
pub const CHANGE_COLUMNS: &str =
    "\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq";

/// What a database adds to plain SQL on its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Nothing.
    Bare,
    /// The extension.
    Crsql,
    /// A changelog that triggers write.
    Changelog,
    /// A session of SQLite's session extension, begun before each measured work.
    Session,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Side::Bare => "bare",
            Side::Crsql => "crsql",
            Side::Changelog => "changelog",
            Side::Session => "session",
        }
    }
}

/// The columns of a table that is always called `t`, and how it is filled.
pub struct Shape {
    pub name: &'static str,
    /// What stands between the parentheses of its CREATE TABLE.
    pub definition: &'static str,
    pub key: &'static [&'static str],
    /// The columns beside the key.
    pub columns: &'static [&'static str],
    /// The statement that fills the table from the attached rows.
    pub fill: &'static str,
}

/// The kind of primary key of the table of five columns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Integer,
    Uuid,
    /// A text, one of a hundred, and an integer.
    Composite,
}

/// The columns beside the key.
const COLUMNS: [&str; 4] = ["name", "quantity", "price", "note"];

const INTEGER: Shape = Shape {
    name: "integer key",
    definition: "id INTEGER PRIMARY KEY NOT NULL, name TEXT, quantity INTEGER, price REAL, note TEXT",
    key: &["id"],
    columns: &COLUMNS,
    fill: "INSERT INTO t SELECT id, name, quantity, price, note FROM source.rows",
};
const UUID: Shape = Shape {
    name: "uuid text key",
    definition: "id TEXT PRIMARY KEY NOT NULL, name TEXT, quantity INTEGER, price REAL, note TEXT",
    key: &["id"],
    columns: &COLUMNS,
    fill: "INSERT INTO t SELECT id, name, quantity, price, note FROM source.rows",
};
const COMPOSITE: Shape = Shape {
    name: "composite key",
    definition: "place TEXT NOT NULL, id INTEGER NOT NULL, name TEXT, quantity INTEGER, price REAL, note TEXT, \
                 PRIMARY KEY (place, id)",
    key: &["place", "id"],
    columns: &COLUMNS,
    fill: "INSERT INTO t SELECT place, id, name, quantity, price, note FROM source.rows",
};

impl Key {
    pub const ALL: [Key; 3] = [Key::Integer, Key::Uuid, Key::Composite];
    /// Those of one column, named `id`.
    pub const SINGLE: [Key; 2] = [Key::Integer, Key::Uuid];

    pub fn name(self) -> &'static str {
        self.shape().name
    }

    pub fn shape(self) -> &'static Shape {
        match self {
            Key::Integer => &INTEGER,
            Key::Uuid => &UUID,
            Key::Composite => &COMPOSITE,
        }
    }

    pub fn fill(self) -> &'static str {
        self.shape().fill
    }

    /// The condition that finds the rows of the attached file.
    pub fn among_source(self) -> &'static str {
        match self {
            Key::Integer | Key::Uuid => "WHERE id IN (SELECT id FROM source.rows)",
            Key::Composite => "WHERE (place, id) IN (SELECT place, id FROM source.rows)",
        }
    }

    /// The condition that finds one row, by the parameters of `bind` from the given number on.
    pub fn is_row(self, first: usize) -> String {
        match self {
            Key::Integer | Key::Uuid => format!("WHERE id = ?{first}"),
            Key::Composite => format!("WHERE place = ?{first} AND id = ?{}", first + 1),
        }
    }

    /// The number of columns of the key.
    pub fn width(self) -> usize {
        self.shape().key.len()
    }

    /// Binds the key of a row to the parameters of a statement from the given one on, without an allocation that would count.
    pub fn bind(self, statement: &mut Statement<'_>, first: usize, row: &Row) -> Outcome<()> {
        match self {
            Key::Integer => statement.raw_bind_parameter(first, row.number)?,
            Key::Uuid => statement.raw_bind_parameter(first, row.uuid.as_str())?,
            Key::Composite => {
                statement.raw_bind_parameter(first, row.place.as_str())?;
                statement.raw_bind_parameter(first + 1, row.number)?;
            }
        }
        Ok(())
    }
}

/// An open database file, with the table `t` unless `open` made it.
pub struct Database {
    pub connection: Connection,
    pub side: Side,
    path: PathBuf,
}

impl Database {
    /// A new database file, in place of an older one of that name, with its empty table.
    pub fn create(settings: &Settings, side: Side, shape: &Shape, name: &str) -> Outcome<Self> {
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
        let database = Self::open(settings, side, &path)?;
        database.run(&format!("CREATE TABLE t({})", shape.definition))?;
        match side {
            Side::Bare | Side::Session => {}
            Side::Crsql => database.replicate("t")?,
            Side::Changelog => changelog::create(&database.connection, shape)?,
        }
        Ok(database)
    }

    /// A database file as it is.
    pub fn open(settings: &Settings, side: Side, path: &Path) -> Outcome<Self> {
        let connection = Connection::open(path)?;
        for pragma in PRAGMAS.split(", ") {
            connection
                .query_row(&format!("PRAGMA {pragma}"), [], |_| Ok(()))
                .or_else(allow_no_rows)?;
        }
        if side == Side::Crsql {
            load(&connection, &settings.extension)?;
        }
        Ok(Self {
            connection,
            side,
            path: path.to_owned(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
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

    /// Runs statements from an empty write-ahead log and returns their duration in µs.
    pub fn time(&self, sql: &str) -> Outcome<f64> {
        self.measure(|| self.run(sql))
    }

    /// The duration in µs of work that begins with an empty write-ahead log and, where that is the side, a new session.
    pub fn measure(&self, work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
        self.checkpoint()?;
        let _session = match self.side {
            Side::Session => Some(self.session()?),
            Side::Bare | Side::Crsql | Side::Changelog => None,
        };
        time(work)
    }

    /// A session that records the table from now on.
    pub fn session(&self) -> Outcome<Session<'_>> {
        let mut session = Session::new(&self.connection)?;
        session.attach(Some("t"))?;
        Ok(session)
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

/// A database whose table has five columns and a key of a certain kind.
pub struct Replica {
    pub key: Key,
    database: Database,
}

impl Deref for Replica {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

impl Replica {
    /// A new database file, in place of an older one of that name, with its empty table.
    pub fn create(settings: &Settings, side: Side, key: Key, name: &str) -> Outcome<Self> {
        let database = Database::create(settings, side, key.shape(), name)?;
        Ok(Self { key, database })
    }

    /// Creates another table of the same shape.
    pub fn create_table(&self, name: &str) -> Outcome<()> {
        self.run(&format!(
            "CREATE TABLE {name}({})",
            self.key.shape().definition
        ))
    }
}

/// `PRAGMA synchronous = ...` answers nothing, `PRAGMA journal_mode = ...` a row.
fn allow_no_rows(error: rusqlite::Error) -> rusqlite::Result<()> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    }
}

pub fn load(connection: &Connection, extension: &Path) -> Outcome<()> {
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
