//! What the integration tests share: the built extension is loaded into connections the way a user
//! loads it, never linked beside them.
//!
//! Owns the path of the shared object, the entry point, scratch directories and the row type of
//! `crsql_changes`. It must not know any rule of merging: tests that need one bring their own.
#![allow(dead_code)] // each test binary uses its own part of this module

use std::env;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::types::Value;
use rusqlite::{Connection, LoadExtensionGuard, Result, Row, params};

/// The entry point a file named `crsql.so` gets by SQLite's default rule.
pub const ENTRY_POINT: &str = "sqlite3_crsql_init";

/// The columns of `crsql_changes`, in their order.
pub const COLUMNS: [&str; 9] = [
    "table",
    "pk",
    "cid",
    "val",
    "col_version",
    "db_version",
    "site_id",
    "cl",
    "seq",
];

/// One row of `crsql_changes`, columns in the order of `SELECT *`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub table: String,
    pub pk: Vec<u8>,
    pub cid: String,
    pub val: Value,
    pub col_version: i64,
    pub db_version: i64,
    pub site_id: Vec<u8>,
    pub cl: i64,
    pub seq: i64,
}

impl Change {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            table: row.get(0)?,
            pk: row.get(1)?,
            cid: row.get(2)?,
            val: row.get(3)?,
            col_version: row.get(4)?,
            db_version: row.get(5)?,
            site_id: row.get(6)?,
            cl: row.get(7)?,
            seq: row.get(8)?,
        })
    }
}

/// The shared object under test: `CRSQL_EXTENSION` if set, else `dist/crsql.so` of this package.
pub fn extension_path() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = env::var_os("CRSQL_EXTENSION").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/crsql.so"),
            PathBuf::from,
        );
        path.canonicalize().unwrap_or_else(|error| {
            panic!(
                "no extension at {}: {error}; run `make build`",
                path.display()
            )
        })
    })
    .clone()
}

/// Loads the extension into a connection that is already open.
pub fn load(connection: &Connection) -> Result<()> {
    // SAFETY: the library is the one under test; nothing else can load one while the guard lives.
    unsafe {
        let _guard = LoadExtensionGuard::new(connection)?;
        connection.load_extension(extension_path(), Some(ENTRY_POINT))
    }
}

/// Opens (or creates) a database file with the extension loaded.
pub fn open(path: impl AsRef<Path>) -> Connection {
    let connection = Connection::open(path.as_ref())
        .unwrap_or_else(|error| panic!("open {}: {error}", path.as_ref().display()));
    load(&connection).expect("load the extension");
    connection
}

/// Opens a database in memory with the extension loaded.
pub fn open_memory() -> Connection {
    let connection = Connection::open_in_memory().expect("open a database in memory");
    load(&connection).expect("load the extension");
    connection
}

/// All changes with a `db_version` above `since`, in the order the table gives them without ORDER BY.
pub fn changes(connection: &Connection, since: i64) -> Vec<Change> {
    connection
        .prepare("SELECT * FROM crsql_changes WHERE db_version > ?1")
        .and_then(|mut statement| {
            statement
                .query_map([since], Change::from_row)?
                .collect::<Result<Vec<_>>>()
        })
        .expect("read crsql_changes")
}

/// Merges changes one by one, in the given order; the first refused one ends it.
///
/// The caller owns the transaction: without one each change commits on its own.
pub fn try_merge(connection: &Connection, changes: &[Change]) -> Result<()> {
    let mut insert = connection
        .prepare("INSERT INTO crsql_changes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    for change in changes {
        insert.execute(params![
            change.table,
            change.pk,
            change.cid,
            change.val,
            change.col_version,
            change.db_version,
            change.site_id,
            change.cl,
            change.seq,
        ])?;
    }
    Ok(())
}

/// Merges changes in one savepoint, all of which must be accepted (applied or ignored).
pub fn merge(connection: &Connection, changes: &[Change]) {
    connection
        .execute_batch("SAVEPOINT test_merge")
        .expect("open the savepoint");
    try_merge(connection, changes).expect("merge changes");
    connection
        .execute_batch("RELEASE test_merge")
        .expect("release the savepoint");
}

/// A new directory of this process, removed when the returned guard is dropped.
pub fn scratch_dir() -> ScratchDir {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!(
        "crsql-test-{}-{}",
        process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let path = env::temp_dir().join(name);
    std::fs::create_dir_all(&path).expect("create a scratch directory");
    ScratchDir(path)
}

/// Makes SQLite's random bytes, and so the site ids, the same from here on in every run.
pub fn seed_random_bytes(seed: u32) {
    // SAFETY: this verb takes the seed and a connection, which may be null, and only sets the state of the generator.
    unsafe {
        rusqlite::ffi::sqlite3_test_control(
            rusqlite::ffi::SQLITE_TESTCTRL_PRNG_SEED,
            seed as std::ffi::c_int,
            std::ptr::null_mut::<rusqlite::ffi::sqlite3>(),
        );
    }
}

/// Guard of a scratch directory; derefs to its path.
#[derive(Debug)]
pub struct ScratchDir(PathBuf);

impl std::ops::Deref for ScratchDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for ScratchDir {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // A directory that stays behind is no reason to fail a test that has passed.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The `sqlite3` shell: `SQLITE3` if set, else the one on the PATH.
pub fn sqlite3_shell() -> PathBuf {
    env::var_os("SQLITE3").map_or_else(|| PathBuf::from("sqlite3"), PathBuf::from)
}

/// A scratch directory as the scripts and the README expect it: `./crsql` loads the extension.
pub fn scratch_dir_with_extension() -> ScratchDir {
    let directory = scratch_dir();
    std::os::unix::fs::symlink(extension_path(), directory.join("crsql.so"))
        .expect("link the extension into the scratch directory");
    directory
}
