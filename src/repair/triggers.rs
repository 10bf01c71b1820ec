//! The capture triggers of a replicated table: whether they are as they were made, and making them again.

use super::problem::Problem;
use crate::crdt::change::TableId;
use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::schema::registry::write_columns;
use crate::schema::triggers::Phase;
use crate::schema::{Crr, triggers};
use crate::sql::{self, Part};
use crate::sqlite::Connection;
use crate::state::State;
use std::rc::Rc;

/// How the statement that makes a trigger begins, and how SQLite keeps it.
const MADE_AS: &str = "CREATE TRIGGER main.";
const KEPT_AS: &str = "CREATE TRIGGER ";

/// What follows is a message, in which a renamed table keeps its old name.
const MESSAGE: &str = "RAISE(ABORT, ";

/// A trigger as it is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    name: String,
    text: String,
}

fn kept(connection: Connection, table: TableId) -> Result<Vec<Kept>> {
    let mut list = connection.prepare(sql::REPAIR_TRIGGERS_OF)?;
    list.bind(1, ValueRef::Integer(table.0))?;
    let mut found = Vec::new();
    while list.step()? {
        found.push(Kept {
            name: list.text(0),
            text: list.text(1),
        });
    }
    Ok(found)
}

/// A text without what may differ in triggers that do the same.
fn comparable(text: &str) -> &str {
    text.split_once(MESSAGE)
        .map_or(text, |(condition, _)| condition)
}

/// The texts of the triggers that the table should have, as SQLite keeps them.
fn expected(state: &State, crr: &Crr) -> Result<Vec<String>> {
    let phase = match crr.sessions {
        0 => Phase::Steady,
        _ => Phase::Session,
    };
    let statements = triggers::creation(crr, state.database()?, phase);
    let stored = |statement: String| match statement.split_once(MADE_AS) {
        Some((_, rest)) => format!("{KEPT_AS}{rest}").trim_end().to_owned(),
        None => statement,
    };
    Ok(statements.into_iter().map(stored).collect())
}

/// What is wrong with the triggers of a table.
pub fn problems(state: &State, crr: &Crr) -> Result<Vec<Problem>> {
    let kept = kept(state.store.connection, crr.id)?;
    let expected = expected(state, crr)?;
    if kept.is_empty() {
        let name = sql::literal(&crr.name);
        let detail = format!(
            "it has no capture triggers, so that nothing written to it is recorded: they were dropped, or the table was \
             made anew; call crsql_adopt({name}) to go on with what was recorded of it, or crsql_as_crr({name}) to \
             begin anew"
        );
        return Ok(vec![Problem::of_table(crr, "trigger missing", detail)]);
    }
    let mut found = Vec::new();
    // What was altered lately is followed by the next write.
    if crr.is_unregistered || crr.has_stale_triggers() {
        return Ok(found);
    }
    for text in &expected {
        let Some(name) = text.split('"').nth(1) else {
            continue;
        };
        if crr.sessions > 0 && text.contains(" UPDATE OF ") && text.contains(" WHEN 0") {
            // SQLite rewrites the list of columns while they change.
            continue;
        }
        let problem = match kept.iter().find(|trigger| trigger.name == name) {
            None => Some((
                "trigger missing",
                "is not there, so that writes are not recorded",
            )),
            Some(trigger) if comparable(&trigger.text) != comparable(text) => {
                Some(("trigger altered", "is not as it was made"))
            }
            Some(_) => None,
        };
        found.extend(problem.map(|(kind, what)| {
            Problem::of_table(crr, kind, format!("{name} {what}; call crsql_adopt"))
        }));
    }
    let is_expected = |name: &str| {
        expected
            .iter()
            .any(|text| text.split('"').nth(1) == Some(name))
    };
    for trigger in kept.iter().filter(|trigger| !is_expected(&trigger.name)) {
        let detail = format!(
            "{} is not one of its capture triggers; call crsql_adopt to remove it",
            trigger.name
        );
        found.push(Problem::of_table(crr, "trigger altered", detail));
    }
    Ok(found)
}

/// Whether the table's changes are shown in `crsql_changes`: it is known there by its insert trigger.
pub fn is_visible(state: &State, crr: &Crr) -> Result<bool> {
    let name = format!("crsql_{}_insert", crr.id.0);
    let kept = kept(state.store.connection, crr.id)?;
    Ok(kept.iter().any(|trigger| trigger.name == name))
}

fn drop_all(connection: Connection, triggers: &[Kept]) -> Result<()> {
    triggers.iter().try_for_each(|trigger| {
        let parts = [("trigger", Part::Name(&trigger.name))];
        connection.execute(&sql::fill(sql::TRIGGER_DROP, &parts))
    })
}

/// Makes the triggers of a table again if they are not as they should be; gives the table with all its columns.
pub fn restore(state: &State, crr: &Rc<Crr>) -> Result<Rc<Crr>> {
    let connection = state.store.connection;
    let mut crr = Rc::clone(crr);
    if crr.is_unregistered {
        let has_rows = !crr.added.is_empty() && state.has_rows_beside(&crr, None)?;
        state.register(&crr, has_rows)?;
        crr = state.reread(&crr)?;
    }
    if !crr.has_uncaptured() && problems(state, &crr)?.is_empty() {
        return Ok(crr);
    }
    drop_all(connection, &kept(connection, crr.id)?)?;
    for statement in triggers::creation(&crr, state.database()?, Phase::Steady) {
        connection.execute(&statement)?;
    }
    let mut columns = crr.columns.clone();
    for column in &mut columns {
        column.is_captured = true;
    }
    write_columns(connection, crr.id, &columns)?;
    state.reread(&crr)
}

/// Makes the triggers of a table anew, as they are but for the number of the database.
pub fn renumber(connection: Connection, table: TableId, from: i64, to: i64) -> Result<()> {
    let triggers = kept(connection, table)?;
    drop_all(connection, &triggers)?;
    let identity = |database: i64| format!("({database}, {}, ", table.0);
    for Kept { text, .. } in triggers {
        let text = text.replace(&identity(from), &identity(to));
        let statement = match text.strip_prefix(KEPT_AS) {
            Some(rest) => format!("{MADE_AS}{rest}"),
            None => text,
        };
        connection.execute(&statement)?;
    }
    Ok(())
}
