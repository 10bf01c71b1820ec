//! The support of the tests, with another way to load the extension.

#[path = "../../tests/support/linked.rs"]
mod linked;
#[path = "../../tests/support/mod.rs"]
mod shared;

use std::path::Path;

use rusqlite::Connection;

pub use linked::load;
pub use shared::*;

pub fn open_memory() -> Connection {
    let connection = Connection::open_in_memory().expect("open a database in memory");
    load(&connection).expect("load the extension");
    connection
}

pub fn open(path: impl AsRef<Path>) -> Connection {
    let connection = Connection::open(path.as_ref()).expect("open a database");
    load(&connection).expect("load the extension");
    connection
}
