//! What each side ships and applies: the whole content of its table as one blob, compressed by zstd at level 3.

use rusqlite::Connection;
use rusqlite::session::{ConflictAction, Session};

use crate::Outcome;
use crate::changelog;
use crate::clock::time;
use crate::replica::{Database, Shape, Side};
use crate::report::{Samples, Step};
use crate::settings::Settings;

/// The level that `crsql_changeset` takes by itself.
const LEVEL: i32 = 3;

/// Everything since the beginning. A session ships what it recorded, the others what their database holds.
pub fn make(
    database: &Database,
    shape: &Shape,
    session: Option<&mut Session<'_>>,
) -> Outcome<Vec<u8>> {
    match (database.side, session) {
        (Side::Crsql, _) => make_changeset(&database.connection, LEVEL),
        (Side::Changelog, _) => {
            let changes = changelog::ship(&database.connection, shape, 0)?;
            Ok(zstd::bulk::compress(changes.as_bytes(), LEVEL)?)
        }
        (Side::Session, Some(session)) => {
            let mut changes = Vec::new();
            session.changeset_strm(&mut changes)?;
            Ok(zstd::bulk::compress(&changes, LEVEL)?)
        }
        (Side::Session, None) => Err("no session recorded".into()),
        (Side::Bare, _) => Err("a bare database ships nothing".into()),
    }
}

pub fn make_changeset(connection: &Connection, level: i32) -> Outcome<Vec<u8>> {
    let sql = "SELECT crsql_changeset(0, NULL, ?)";
    Ok(connection.query_row(sql, [level], |row| row.get(0))?)
}

/// Applies what `make` gave, in one transaction; the rows that are known already stay as they are.
pub fn apply(database: &Database, shape: &Shape, data: &[u8]) -> Outcome<()> {
    let connection = &database.connection;
    match database.side {
        Side::Crsql => Ok(connection.query_row("SELECT crsql_apply(?)", [data], |_| Ok(()))?),
        Side::Changelog => {
            let changes = String::from_utf8(zstd::stream::decode_all(data)?)?;
            changelog::apply(connection, shape, &changes)
        }
        Side::Session => {
            let changes = zstd::stream::decode_all(data)?;
            connection.apply_strm(&mut &changes[..], None::<fn(&str) -> bool>, |_, _| {
                ConflictAction::SQLITE_CHANGESET_OMIT
            })?;
            Ok(())
        }
        Side::Bare => Err("a bare database applies nothing".into()),
    }
}

/// Times the shipping of a filled table to an empty database of the same side, and to one that knows it, per row.
pub fn ship(
    settings: &Settings,
    origin: &Database,
    shape: &Shape,
    session: Option<&mut Session<'_>>,
    samples: &mut Samples,
) -> Outcome<()> {
    let side = origin.side;
    let count = origin.integer("SELECT count(*) FROM t")?;
    let rows = count as f64;
    let mut data = Vec::new();
    origin.checkpoint()?;
    let making = time(|| {
        data = make(origin, shape, session)?;
        Ok(())
    })?;
    samples.add(Step::Make, side, making / rows);
    samples.add(Step::Shipped, side, data.len() as f64 / rows);

    let receiver = Database::create(settings, side, shape, "receiver.db")?;
    for step in [Step::Apply, Step::ApplyAgain] {
        receiver.checkpoint()?;
        let applying = time(|| apply(&receiver, shape, &data))?;
        samples.add(step, side, applying / rows);
    }
    match receiver.integer("SELECT count(*) FROM t")? == count && equal(origin, &receiver)? {
        true => Ok(()),
        false => Err(format!("{side:?}: the receiver has other rows than the origin").into()),
    }
}

/// Whether two databases hold the same rows.
fn equal(left: &Database, right: &Database) -> Outcome<bool> {
    left.attach(right.path(), "other")?;
    let differing =
        left.integer("SELECT count(*) FROM (SELECT * FROM main.t EXCEPT SELECT * FROM other.t)")?;
    left.detach("other")?;
    Ok(differing == 0)
}
