//! The rows that every workload writes: the same ones in every run, kept in a database file of their own.
//!
//! A uuid is random in every bit that its format leaves free, so its rows arrive in random order of the key.

use std::path::Path;

use rusqlite::{Connection, Statement};

use crate::Outcome;
use crate::replica::Key;

/// One row of the measured table. `number` counts from 1 and is the integer key.
pub struct Row {
    pub number: i64,
    pub uuid: String,
    /// With the number the composite key: the rows belong to a hundred places in turn.
    pub place: String,
    pub name: String,
    pub quantity: i64,
    pub price: f64,
    pub note: String,
}

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A version 4 uuid in its text form of 36 characters.
    fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xFFFF,
            high & 0xFFF,
            0x8000 | ((low >> 48) & 0x3FFF),
            low & 0xFFFF_FFFF_FFFF,
        )
    }
}

/// The rows number `first + 1` to `first + count`; equal arguments give equal rows.
pub fn rows(first: usize, count: usize) -> impl Iterator<Item = Row> {
    (first + 1..=first + count).map(|number| {
        let mut random = Random((number as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Row {
            number: number as i64,
            uuid: random.uuid(),
            place: format!("place {:02}", number % 100),
            name: format!("name {:06x}", random.next() & 0xFF_FFFF),
            quantity: number as i64,
            price: (random.next() % 1_000_000) as f64 / 64.0,
            note: format!("note {:016x}", random.next()),
        }
    })
}

/// Writes `rows(first, count)` to the table `rows` of a new file, in the order of their numbers.
pub fn write(path: &Path, key: Key, first: usize, count: usize) -> Outcome<()> {
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let connection = Connection::open(path)?;
    let key_columns = match key {
        Key::Integer | Key::Uuid => "id",
        Key::Composite => "place, id",
    };
    connection.execute_batch(&format!(
        "PRAGMA synchronous = OFF;
         BEGIN;
         CREATE TABLE rows(number INTEGER PRIMARY KEY, {key_columns}, name, quantity, price, note);"
    ))?;
    let mut insert = connection.prepare(&format!(
        "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?{})",
        ", ?".repeat(key.width() - 1)
    ))?;
    for row in rows(first, count) {
        insert.raw_bind_parameter(1, row.number)?;
        key.bind(&mut insert, 2, &row)?;
        bind_values(&mut insert, 2 + key.width(), &row)?;
        insert.raw_execute()?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

/// Binds the four columns beside the key to the parameters of a statement from the given one on.
pub fn bind_values(statement: &mut Statement<'_>, first: usize, row: &Row) -> Outcome<()> {
    statement.raw_bind_parameter(first, row.name.as_str())?;
    statement.raw_bind_parameter(first + 1, row.quantity)?;
    statement.raw_bind_parameter(first + 2, row.price)?;
    statement.raw_bind_parameter(first + 3, row.note.as_str())?;
    Ok(())
}
