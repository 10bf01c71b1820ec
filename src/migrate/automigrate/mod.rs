//! `crsql_automigrate`: makes the schema of `main` what a text says.
//!
//! ```text
//! text --splitter--> statements --scratch database--> schema that is wanted
//!                                                       | compare
//!                    main ------> schema that is here --+--> plan: drop, alter --> then the whole text, here
//! ```
//! Everything done here is one savepoint: an error undoes all of it and nothing else.

mod compare;
mod definition;
mod splitter;
mod token;

use super::session;
use crate::convert;
use crate::crdt::value::Value;
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::fract;
use crate::sql::{self, Part, quoted};
use crate::sqlite::Connection;
use crate::sqlite::scratch::Scratch;
use crate::sqlite::value::Arguments;
use crate::state::State;
use crate::store::Store;
use compare::{Alteration, Kind, Object, Plan, Schema};
use splitter::Statement;
use std::rc::Rc;

/// SQLite's code for a drop while a statement reads.
const SQLITE_LOCKED: i32 = 6;

const USAGE: &str =
    "call crsql_automigrate(schema_text) or crsql_automigrate(schema_text, cleanup_sql)";

/// `crsql_automigrate(schema_text [, cleanup_sql])` -> 'migration complete'
pub fn automigrate(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if !(1..=2).contains(&arguments.len()) {
        return Err(Error::Usage(USAGE.to_owned()));
    }
    let schema = match arguments.get(0) {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => {
            return Err(Error::Usage(format!("the schema must be a text; {USAGE}")));
        }
    };
    let cleanup = match arguments.get(1) {
        ValueRef::Null => String::new(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => {
            return Err(Error::Usage(format!(
                "the second argument must be a text of SQL or NULL; {USAGE}"
            )));
        }
    };
    migrate(state, &schema, &cleanup)?;
    Ok(Value::Text(b"migration complete".to_vec()))
}

fn migrate(state: &State, schema: &str, cleanup: &str) -> Result<()> {
    let statements = splitter::statements(schema);
    check(&statements)?;
    let wanted = wanted_schema(&statements, cleanup)?;
    let outcome = state.store.atomically(|| {
        let connection = state.store.connection;
        let here = read_schema(connection)?;
        if here.has_tables() && !wanted.has_tables() {
            return Err(Error::Usage(
                "the schema text makes no table, so that every table here would be dropped; drop them by hand if \
                 that is what is wanted"
                    .to_owned(),
            ));
        }
        carry_out(state, &compare::plan(&here, &wanted)?)?;
        run_here(&state.store, &statements)
    });
    state.forget_tables();
    outcome.map_err(|error| match error {
        Error::Sqlite { code, message } if code & 0xff == SQLITE_LOCKED => Error::Sqlite {
            code,
            message: format!("{message}; a statement that reads is running: end it, and call crsql_automigrate with the text \
                itself or a parameter, not with a column of a table"),
        },
        other => other,
    })
}

/// Refuses a text that is no schema.
fn check(statements: &[Statement<'_>]) -> Result<()> {
    if statements.is_empty() {
        return Err(Error::Usage(format!(
            "the schema text holds no statement, and a table that is not in it is dropped; {USAGE}"
        )));
    }
    match statements
        .iter()
        .find(|statement| statement.is_transaction_control())
    {
        None => Ok(()),
        Some(statement) => Err(Error::Usage(format!(
            "the schema text must not begin or end transactions ({}): it is run as a whole or not at all; leave that \
             out",
            statement.excerpt()
        ))),
    }
}

/// Runs what the text makes in a database of its own, without rows, and reads the schema from there.
fn wanted_schema(statements: &[Statement<'_>], cleanup: &str) -> Result<Schema> {
    let scratch = Scratch::open()?;
    let mut clset = Vec::new();
    for (number, statement) in (1..).zip(statements) {
        let run = |sql: &str| {
            let outcome = scratch.connection().execute(sql);
            outcome.map_err(|error| failed(error, "schema text", number, statement))
        };
        if let Some(table) = statement.clset_table() {
            run(&table.create)?;
            clset.push(table.name);
        } else if statement.is_schema() {
            run(statement.text)?;
        }
    }
    let schema = read_schema(scratch.connection())?;
    for (number, statement) in (1..).zip(splitter::statements(cleanup)) {
        if !statement.is_for_the_extension() {
            let outcome = scratch.connection().execute(statement.text);
            outcome.map_err(|error| failed(error, "cleanup text", number, &statement))?;
        }
    }
    Ok(Schema { clset, ..schema })
}

fn failed(error: Error, text: &str, number: usize, statement: &Statement<'_>) -> Error {
    error.during(format_args!(
        "statement {number} of the {text} ({})",
        statement.excerpt()
    ))
}

/// Reads what DDL made in `main`.
fn read_schema(connection: Connection) -> Result<Schema> {
    let mut schema = Schema::default();
    let mut list = connection.prepare(sql::AUTOMIGRATE_OBJECTS)?;
    while list.step()? {
        let sql = list.text(3);
        let kind = match list.text(0).as_str() {
            "table" if is_virtual(&sql) => Kind::VirtualTable,
            "table" => Kind::Table,
            "index" => Kind::Index,
            "view" => Kind::View,
            _ => Kind::Trigger,
        };
        let belongs_to_a_virtual_table = list.integer(4) != 0;
        if !belongs_to_a_virtual_table {
            schema.objects.push(Object {
                kind,
                name: list.text(1),
                table: list.text(2),
                sql,
            });
        }
    }
    Ok(schema)
}

fn is_virtual(sql: &str) -> bool {
    token::tokens(sql)
        .get(1)
        .is_some_and(|word| word.is("VIRTUAL"))
}

/// Drops and alters.
fn carry_out(state: &State, plan: &Plan) -> Result<()> {
    for (kind, name) in &plan.drop {
        drop_one(state, *kind, name).map_err(|error| {
            error.during(format_args!(
                "dropping {} {}",
                kind.sql().to_ascii_lowercase(),
                quoted(name)
            ))
        })?;
    }
    plan.alter
        .iter()
        .try_for_each(|alteration| alter(state, alteration))
}

fn drop_one(state: &State, kind: Kind, name: &str) -> Result<()> {
    if kind == Kind::Table {
        convert::as_table(state, name)?;
    }
    let parts = [("kind", Part::Sql(kind.sql())), ("name", Part::Name(name))];
    state
        .store
        .connection
        .execute(&sql::fill(sql::AUTOMIGRATE_DROP, &parts))
}

fn alter(state: &State, alteration: &Alteration) -> Result<()> {
    let name = alteration.table.as_str();
    let is_replicated = state.or_empty(|| state.table_by_name(name))?.is_some();
    if is_replicated {
        session::begin(state, name)?;
    } else {
        fract::suspend::suspend(state, name)?;
    }
    let execute = |text: &str, parts: &[(&str, Part<'_>)], work: String| {
        let table = ("table", Part::Name(name));
        let parts: Vec<_> = parts.iter().copied().chain([table]).collect();
        let outcome = state.store.connection.execute(&sql::fill(text, &parts));
        outcome.map_err(|error| error.during(format_args!("{work} table {}", quoted(name))))
    };
    for column in &alteration.drop {
        let work = format!("dropping the column {} of", quoted(column));
        let part = ("column", Part::Name(column.as_str()));
        execute(sql::AUTOMIGRATE_DROP_COLUMN, &[part], work)?;
    }
    for definition in &alteration.add {
        let work = format!("adding the column ({definition}) to");
        let part = ("definition", Part::Sql(definition.as_str()));
        execute(sql::AUTOMIGRATE_ADD_COLUMN, &[part], work)?;
    }
    if is_replicated {
        session::commit(state, name)
    } else {
        fract::suspend::restore(state, name)
    }
}

/// Runs the whole text: what is missing is made, what is there is left.
fn run_here(store: &Store, statements: &[Statement<'_>]) -> Result<()> {
    for (number, statement) in (1..).zip(statements) {
        let run = || store.connection.execute(statement.text);
        let outcome = match statement.is_index() {
            true => store.while_expiring(run),
            false => run(),
        };
        outcome.map_err(|error| {
            let error = failed(error, "schema text", number, statement);
            match (statement.is_repeatable(), error) {
                (false, Error::Sqlite { code, message }) => Error::Sqlite {
                    code,
                    message: format!("{message}; each statement must be one that can be repeated: CREATE ... IF NOT EXISTS"),
                },
                (_, error) => error,
            }
        })?;
    }
    Ok(())
}
