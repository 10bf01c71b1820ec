//! Conversations by `crsql_reconcile`, with their figures.

use rusqlite::{Connection, Result, params};

/// How a conversation went.
#[derive(Debug, Default, Clone)]
pub struct Figures {
    pub messages: usize,
    pub bytes: usize,
    pub largest: usize,
}

pub fn start(connection: &Connection) -> Vec<u8> {
    connection
        .query_row("SELECT crsql_reconcile()", [], |row| row.get(0))
        .expect("begin a conversation")
}

pub fn answer(connection: &Connection, message: &[u8], max: i64) -> Result<Option<Vec<u8>>> {
    connection.query_row(
        "SELECT crsql_reconcile(?1, ?2)",
        params![message, max],
        |row| row.get(0),
    )
}

/// Lets two databases talk until one has nothing to say.
pub fn converse(left: &Connection, right: &Connection, max: i64) -> Figures {
    let mut figures = Figures::default();
    let mut message = Some(start(left));
    let mut listeners = [right, left].into_iter().cycle();
    while let Some(said) = message {
        figures.messages += 1;
        figures.bytes += said.len();
        figures.largest = figures.largest.max(said.len());
        assert!(figures.messages < 20_000, "the conversation does not end");
        let listener = listeners.next().expect("a listener");
        message = answer(listener, &said, max).expect("an answer");
    }
    figures
}
