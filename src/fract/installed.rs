//! Which objects are there, and putting the right ones in their place.

use super::foreign;
use super::objects::{Object, creation};
use super::ordering::{Ordering, declared_table, find};
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::inspect::DeclaredTable;
use crate::sql::{self, Part, quoted};
use crate::sqlite::Connection;

/// What a table has of the objects, of those that belong to the table itself.
#[derive(Debug, Default)]
pub struct Installed {
    /// The names that the table had when they were made
    pub stems: Vec<String>,
    /// The order column and the list columns, by their names now; none if the objects don't tell
    pub names: Option<Vec<String>>,
}

/// One object as SQLite keeps it.
struct Kept {
    name: String,
    table: String,
    sql: String,
}

fn text(value: &str) -> ValueRef<'_> {
    ValueRef::Text(value.as_bytes())
}

impl Installed {
    /// Looks for the objects of a table.
    pub fn of_table(connection: Connection, table: &str) -> Result<Installed> {
        let mut found = Installed::default();
        let mut triggers = connection.prepare(sql::FRACT_OF_TABLE)?;
        triggers.bind(1, text(table))?;
        while triggers.step()? {
            let name = triggers.text(0);
            let Some(stem) = stem_of(&name) else { continue };
            if name == Object::Marker.name(stem) {
                let beginning = format!("CREATE TRIGGER {} AFTER UPDATE OF ", quoted(&name));
                let sql = triggers.text(1);
                found.names = sql.strip_prefix(&beginning).map(sql::quoted_list);
            }
            if !found.stems.iter().any(|known| known == stem) {
                found.stems.push(stem.to_owned());
            }
        }
        if found.is_unclear() {
            found.names = foreign_names(connection, table, &found.stems)?;
        }
        Ok(found)
    }

    /// Whether the table is ordered by nobody knows which columns.
    pub fn is_unclear(&self) -> bool {
        self.names.is_none() && !self.stems.is_empty()
    }

    /// Takes the objects away.
    pub fn remove(&self, connection: Connection) -> Result<()> {
        self.stems
            .iter()
            .try_for_each(|stem| remove_all(connection, stem))
    }
}

/// The name in the middle of the name of a table's trigger.
fn stem_of(trigger: &str) -> Option<&str> {
    let stem = trigger.strip_prefix("__crsql_")?;
    ["columns", "pend_trig", "ezmove"]
        .iter()
        .find_map(|ending| stem.strip_suffix(ending))?
        .strip_suffix("_fractindex_")
}

fn kept(connection: Connection, stem: &str) -> Result<Vec<Kept>> {
    let mut rows = connection.prepare(sql::FRACT_OBJECTS)?;
    rows.bind(1, text(stem))?;
    let mut all = Vec::new();
    while rows.step()? {
        all.push(Kept {
            name: rows.text(0),
            table: rows.text(1),
            sql: rows.text(2),
        });
    }
    Ok(all)
}

/// What the objects of another extension order a table by, if its columns still have these names.
fn foreign_names(
    connection: Connection,
    table: &str,
    stems: &[String],
) -> Result<Option<Vec<String>>> {
    let Some(declared) = DeclaredTable::read(connection, table)? else {
        return Ok(None);
    };
    let is_declared =
        |names: &Vec<String>| names.iter().all(|name| find(&declared, name).is_some());
    for stem in stems {
        let objects = kept(connection, stem)?;
        let mut named = objects
            .iter()
            .filter_map(|object| foreign::columns_of(&object.sql));
        if let Some(names) = named.find(is_declared) {
            return Ok(Some(names));
        }
    }
    Ok(None)
}

/// Drops what was made under a name. A view is ours if it has our trigger.
fn remove_all(connection: Connection, stem: &str) -> Result<()> {
    let view = Object::View.name(stem);
    let insert = Object::ViewInsert.name(stem);
    let is_ours = kept(connection, stem)?.iter().any(|kept| {
        kept.name.eq_ignore_ascii_case(&insert) && kept.table.eq_ignore_ascii_case(&view)
    });
    if is_ours {
        drop_view(connection, &view)?;
    }
    for object in [Object::Marker, Object::Insert, Object::Move] {
        let name = object.name(stem);
        connection.execute(&sql::fill(
            sql::TRIGGER_DROP,
            &[("trigger", Part::Name(&name))],
        ))?;
    }
    Ok(())
}

fn drop_view(connection: Connection, view: &str) -> Result<()> {
    connection.execute(&sql::fill(
        sql::FRACT_DROP_VIEW,
        &[("view", Part::Name(view))],
    ))
}

/// Puts an ordering's objects in place of what the table had. Where all is as it should be nothing is done.
pub fn install(connection: Connection, ordering: &Ordering) -> Result<()> {
    let mut pending = vec![ordering.clone()];
    // A table that was renamed may hold objects under the name of another; then that one's turn comes, too.
    while let Some(ordering) = pending.pop() {
        let table = &ordering.table.name;
        let statements = Object::ALL.map(|object| creation(&ordering, object));
        let installed = Installed::of_table(connection, table)?;
        if installed.stems.iter().all(|stem| stem == table)
            && is_kept(connection, table, &statements)?
        {
            continue;
        }
        installed.remove(connection)?;
        if let Some(owner) = other_owner(connection, table)? {
            let displaced = Installed::of_table(connection, &owner)?;
            let Some(names) = &displaced.names else {
                return Err(unclear(&owner));
            };
            pending.push(Ordering::new(
                connection,
                declared_table(connection, &owner)?,
                names,
            )?);
            displaced.remove(connection)?;
        }
        check_name(connection, table)?;
        for statement in &statements {
            connection.execute(statement)?;
        }
    }
    Ok(())
}

/// What is to be said of a table that is ordered by nobody knows which columns.
pub fn unclear(table: &str) -> Error {
    Error::Table(format!(
        "table {} is ordered, but its triggers don't say by which columns; call crsql_fract_as_ordered for it, with \
         its order column and list columns",
        quoted(table)
    ))
}

/// SQLite keeps a statement as it was given, but for the schema's name.
fn is_kept(connection: Connection, stem: &str, statements: &[String]) -> Result<bool> {
    let kept = kept(connection, stem)?;
    let is_there = |statement: &String| {
        let stored = statement.replacen(" main.", " ", 1);
        kept.iter().any(|kept| kept.sql == stored)
    };
    Ok(kept.len() == statements.len() && statements.iter().all(is_there))
}

/// The table that holds triggers under another table's name.
fn other_owner(connection: Connection, stem: &str) -> Result<Option<String>> {
    let own = [Object::Marker, Object::Insert, Object::Move].map(|object| object.name(stem));
    let owner = kept(connection, stem)?
        .into_iter()
        .find(|kept| own.iter().any(|name| kept.name.eq_ignore_ascii_case(name)));
    Ok(owner.map(|kept| kept.table))
}

fn check_name(connection: Connection, table: &str) -> Result<()> {
    let view = Object::View.name(table);
    let taken = connection
        .prepare(sql::FRACT_NAME_TAKEN)?
        .first([text(&view)], |row| row.text(0))?;
    match taken {
        None => Ok(()),
        Some(kind) => Err(Error::Table(format!(
            "table {} can't be ordered: its view must be called {}, and there is another {kind} of that name; \
             rename or drop that one",
            quoted(table),
            quoted(&view)
        ))),
    }
}

/// Drops the views of tables that are gone: SQLite would refuse to rename anything while they are there.
pub fn sweep(connection: Connection) -> Result<()> {
    let mut orphans = Vec::new();
    let mut views = connection.prepare(sql::FRACT_ORPHANS)?;
    while views.step()? {
        orphans.push(views.text(0));
    }
    orphans
        .iter()
        .try_for_each(|view| drop_view(connection, view))
}
