//! The module `clset`: `CREATE VIRTUAL TABLE x_schema USING clset (...)` makes the replicated table `x`.
//!
//! `x_schema` has no rows. Dropping it drops `x`. Everything runs inside the application's own statement, so that a
//! failure leaves nothing behind.

use crate::convert;
use crate::error::{Error, Result};
use crate::migrate;
use crate::schema::inspect::DeclaredTable;
use crate::sql::{self, Part, quoted};
use crate::sqlite::created::Created;
use crate::sqlite::query::Query;
use crate::sqlite::table::{Definition, NoRows, Table};
use crate::state::State;
use std::rc::Rc;

/// What the name of such a table ends with.
const ENDING: &str = "_schema";

const MAIN: &str = "main";

/// One such table.
pub struct Clset {
    state: Rc<State>,
    /// The replicated table
    table: String,
}

fn usage(text: String) -> Error {
    Error::Usage(text)
}

/// The name of the replicated table.
fn table_of(name: &str) -> Result<&str> {
    match name.strip_suffix(ENDING) {
        Some(table) if !table.is_empty() => Ok(table),
        _ => Err(usage(format!(
            "the name of a clset table must be that of the table to make, followed by {ENDING}: {} is not; call it {}",
            quoted(name),
            quoted(&format!("{name}{ENDING}"))
        ))),
    }
}

impl Clset {
    fn new(state: &Rc<State>, definition: &Definition) -> Result<Clset> {
        let table = table_of(&definition.name)?;
        if !definition.schema.eq_ignore_ascii_case(MAIN) {
            let remedy = match definition.schema.as_str() {
                "temp" => "create it in main",
                _ => "open its file as the main database",
            };
            return Err(usage(format!(
                "{} is in the schema {}, and only tables of main can be replicated; {remedy}",
                quoted(&definition.name),
                quoted(&definition.schema)
            )));
        }
        Ok(Clset {
            state: Rc::clone(state),
            table: table.to_owned(),
        })
    }

    /// Whether the replicated table is still there.
    fn has_table(&self) -> Result<bool> {
        let declared = DeclaredTable::read(self.state.store.connection, &self.table)?;
        Ok(declared.is_some())
    }

    fn execute(&self, text: &str, body: &str) -> Result<()> {
        let parts = [
            ("table", Part::Name(&self.table)),
            ("body", Part::Sql(body)),
        ];
        self.state
            .store
            .connection
            .execute(&sql::fill(text, &parts))
    }
}

impl Created for Clset {
    fn create(state: &Rc<State>, definition: &Definition) -> Result<Clset> {
        let clset = Clset::new(state, definition)?;
        let work = format!("making table {}", quoted(&clset.table));
        // A line each, so that a comment at the end of one does not swallow the next.
        let body = sql::join(",\n", definition.arguments.iter().cloned());
        if body.trim().is_empty() {
            return Err(usage(format!(
                "{} declares no columns; write CREATE VIRTUAL TABLE {} USING clset (id PRIMARY KEY NOT NULL, ...)",
                quoted(&definition.name),
                quoted(&definition.name)
            )));
        }
        state.store.within_statement(|| {
            clset
                .execute(sql::CLSET_CREATE, &body)
                .map_err(|error| error.during(work))?;
            migrate::as_crr(state, &clset.table)
        })?;
        Ok(clset)
    }

    /// SQLite renames in its legacy way here, which would leave the old name inside the triggers of the table.
    fn rename(&self, _name: &str) -> Result<()> {
        let (clset, table) = (
            quoted(&format!("{}{ENDING}", self.table)),
            quoted(&self.table),
        );
        Err(usage(format!(
            "{clset} can't be renamed, as the table {table} would keep its name; rename that one (ALTER TABLE {table} RENAME TO ...) \
             and drop {clset}, which then leaves it alone"
        )))
    }

    fn destroy(&self) -> Result<()> {
        if !self.has_table()? {
            return Ok(());
        }
        self.state.store.within_statement(|| {
            convert::as_table(&self.state, &self.table)?;
            self.execute(sql::CLSET_DROP, "")
        })
    }
}

impl Table for Clset {
    type State = State;
    type Cursor = NoRows;

    const DECLARATION: &'static str = "CREATE TABLE x (alteration TEXT HIDDEN, schema TEXT HIDDEN)";

    fn connect(state: &Rc<State>, definition: &Definition) -> Result<Clset> {
        Clset::new(state, definition)
    }

    fn best_index(&self, _query: &mut Query<'_>) -> Result<()> {
        Ok(())
    }

    fn open(&self) -> Result<NoRows> {
        Ok(NoRows::after(|| Ok(())))
    }

    fn is_read_only() -> Error {
        usage(format!(
            "a clset table holds no rows; write to the table that it declares, whose name is without {ENDING}"
        ))
    }
}
