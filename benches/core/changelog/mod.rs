//! The changelog that applications write by hand, with triggers, tombstones and `updated_at`: the SQL files beside this one,
//! and what is put into their braces for a shape of table.
//!
//! It merges by column, the later time wins, and it does what such changelogs leave out as little as they do: no order of changes
//! beyond clocks, no ties of equal times, no causal lengths, values only as JSON has them.

use rusqlite::Connection;

use crate::Outcome;
use crate::replica::Shape;

/// The items made of some names, with commas.
fn list(names: &[&str], item: impl Fn(usize, &str) -> String) -> String {
    let items: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(index, name)| item(index, name))
        .collect();
    items.join(", ")
}

/// The key as an entry has it, from columns with the given prefix. The plus takes the affinity from a column: compared with one of
/// integers, the index of the changelog would be of no use.
fn key_from(shape: &Shape, prefix: &str) -> String {
    let columns = list(shape.key, |_, name| format!("{prefix}{name}"));
    match shape.key.len() {
        1 => format!("+{columns}"),
        _ => format!("json_array({columns})"),
    }
}

/// The columns of the key out of that of an entry.
fn key_column(shape: &Shape, entry: &str, index: usize) -> String {
    match shape.key.len() {
        1 => format!("{entry}.key"),
        _ => format!("{entry}.key ->> {index}"),
    }
}

/// How an entry and the row that it is about are joined.
fn joined(shape: &Shape, entry: &str) -> String {
    let conditions: Vec<String> = shape
        .key
        .iter()
        .enumerate()
        .map(|(index, name)| format!("t.{name} = {}", key_column(shape, entry, index)))
        .collect();
    conditions.join(" AND ")
}

/// Creates the changelog and the triggers of an empty table.
pub fn create(connection: &Connection, shape: &Shape) -> Outcome<()> {
    let mut sql = include_str!("schema.sql").to_owned();
    sql.push_str(include_str!("triggers.sql"));
    for column in shape.columns {
        sql.push_str(&include_str!("cell_trigger.sql").replace("{column}", column));
    }
    let sql = sql
        .replace("{new}", &key_from(shape, "NEW."))
        .replace("{old}", &key_from(shape, "OLD."))
        .replace("{key_columns}", &shape.key.join(", "))
        .replace(
            "{new_columns}",
            &list(shape.key, |_, name| format!("NEW.{name}")),
        )
        .replace(
            "{old_columns}",
            &list(shape.key, |_, name| format!("OLD.{name}")),
        );
    Ok(connection.execute_batch(&sql)?)
}

/// All changes after the entry `since`.
pub fn ship(connection: &Connection, shape: &Shape, since: i64) -> Outcome<String> {
    let picks: Vec<String> = shape
        .columns
        .iter()
        .map(|name| format!("WHEN '{name}' THEN t.{name}"))
        .collect();
    let sql = include_str!("ship.sql")
        .replace(
            "{values}",
            &list(shape.columns, |_, name| format!("t.{name}")),
        )
        .replace(
            "{value_of_cell}",
            &format!("CASE c.cell {} END", picks.join(" ")),
        )
        .replace("{is_row}", &joined(shape, "c"));
    Ok(connection.query_row(&sql, [since], |row| row.get(0))?)
}

/// Applies what `ship` gave, in one transaction.
pub fn apply(connection: &Connection, shape: &Shape, changes: &str) -> Outcome<()> {
    let mut cell_updates = String::new();
    for column in shape.columns {
        cell_updates.push_str(&include_str!("cell_update.sql").replace("{column}", column));
    }
    let sql = include_str!("apply.sql")
        .replace("{cell_updates}", &cell_updates)
        .replace("{key_columns}", &shape.key.join(", "))
        .replace("{columns}", &shape.columns.join(", "))
        .replace(
            "{key_of_incoming}",
            &list(shape.key, |index, _| key_column(shape, "incoming", index)),
        )
        .replace(
            "{values_of_incoming}",
            &list(shape.columns, |index, _| format!("data ->> {}", index + 4)),
        )
        .replace(
            "{take_all}",
            &list(shape.columns, |_, name| format!("{name} = excluded.{name}")),
        )
        .replace("{is_incoming}", &joined(shape, "incoming"));
    connection.execute_batch(include_str!("incoming.sql"))?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute(include_str!("receive.sql"), [changes])?;
    connection.execute_batch(&sql)?;
    Ok(connection.execute_batch("COMMIT")?)
}
