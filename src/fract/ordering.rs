//! What a table is ordered by, checked against its declaration.

use crate::error::{Error, Result};
use crate::schema::inspect::{DeclaredColumn, DeclaredTable};
use crate::sql::{self, Part, quoted};
use crate::sqlite::Connection;

/// What the view's extra columns begin with; the name of a key column follows.
const AFTER: &str = "after_";

/// What the names of this extension's own tables begin with.
const OWN_TABLES: &str = "crsql_";

/// An ordered table.
#[derive(Debug, Clone)]
pub struct Ordering {
    /// The table, with all its columns
    pub table: DeclaredTable,
    /// The column that holds the positions
    pub order: String,
    /// The columns whose values tell lists apart; without any, the whole table is one list
    pub lists: Vec<String>,
    /// For each column of the table what stands in for a NULL that it can't hold
    defaults: Vec<Option<String>>,
}

/// The column of the view that names the row to come after, by this column of its key.
pub fn after_column(key: &str) -> String {
    format!("{AFTER}{key}")
}

impl Ordering {
    /// The ordering of `table` by the columns of these names: the order column, then the list columns.
    pub fn new(connection: Connection, table: DeclaredTable, names: &[String]) -> Result<Ordering> {
        let mut columns: Vec<&DeclaredColumn> = Vec::with_capacity(names.len());
        for name in names {
            let column = find(&table, name).ok_or_else(|| {
                refusal(
                    &table,
                    format_args!(
                        "it has no column {}; name columns that it has",
                        quoted(name)
                    ),
                )
            })?;
            if columns.iter().any(|known| known.name == column.name) {
                return Err(refusal(
                    &table,
                    format_args!("the column {} is named twice", quoted(&column.name)),
                ));
            }
            if column.is_generated {
                return Err(refusal(
                    &table,
                    format_args!(
                        "the column {} is generated, and the place of a row is settled before it is; \
                         name the columns that it is made of",
                        quoted(&column.name)
                    ),
                ));
            }
            columns.push(column);
        }
        let mut named = columns.iter().map(|column| column.name.clone());
        let order = named.next().unwrap_or_default();
        let lists = named.collect();
        check_names(&table, &order)?;
        let defaults = table
            .columns
            .iter()
            .map(|column| default_sql(connection, column))
            .collect::<Result<_>>()?;
        Ok(Ordering {
            order,
            lists,
            defaults,
            table,
        })
    }

    /// The order column, then the list columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.order)
            .chain(&self.lists)
            .map(String::as_str)
    }

    /// The names of the key columns.
    pub fn key_names(&self) -> Vec<&str> {
        let key = self.table.key_columns().into_iter();
        key.map(|column| column.name.as_str()).collect()
    }

    /// The columns that can be written, each with what stands in for a NULL that it can't hold.
    pub fn writable(&self) -> impl Iterator<Item = (&DeclaredColumn, Option<&str>)> {
        let columns = self.table.columns.iter().zip(&self.defaults);
        columns
            .filter(|(column, _)| !column.is_generated)
            .map(|(column, default)| (column, default.as_deref()))
    }

    /// The key columns in which a row may hold NULL, so that nothing tells it from others.
    pub fn nullable_key(&self) -> Vec<&str> {
        if self.table.is_rowid_keyed {
            return Vec::new();
        }
        let key = self.table.key_columns().into_iter();
        key.filter(|column| !column.is_not_null)
            .map(|column| column.name.as_str())
            .collect()
    }
}

/// Reads the declaration of a table that may be ordered.
pub fn declared_table(connection: Connection, name: &str) -> Result<DeclaredTable> {
    let declared = DeclaredTable::read(connection, name)?;
    let is_own = name
        .get(..OWN_TABLES.len())
        .is_some_and(|beginning| beginning.eq_ignore_ascii_case(OWN_TABLES));
    match declared {
        Some(declared) if !is_own => Ok(declared),
        Some(_) => Err(Error::Table(format!(
            "table {} can't be ordered: names like this are kept for internal tables; rename it",
            quoted(name)
        ))),
        None => Err(Error::Table(format!(
            "there is no ordinary table {} in the main database, and nothing else can be ordered; create it first",
            quoted(name)
        ))),
    }
}

/// A column by name, in any ASCII case.
pub fn find<'a>(table: &'a DeclaredTable, name: &str) -> Option<&'a DeclaredColumn> {
    table
        .columns
        .iter()
        .find(|column| column.name.eq_ignore_ascii_case(name))
}

fn check_names(table: &DeclaredTable, order: &str) -> Result<()> {
    let key = table.key_columns();
    if key.is_empty() {
        return Err(refusal(table, "it has no primary key; declare one"));
    }
    if key.iter().any(|column| column.name == order) {
        return Err(refusal(
            table,
            format_args!(
                "the order column {} is part of its primary key, so that a row which is moved would be another \
                 one; give the position a column of its own",
                quoted(order)
            ),
        ));
    }
    let clash = key
        .iter()
        .find_map(|column| find(table, &after_column(&column.name)));
    match clash {
        None => Ok(()),
        Some(column) => Err(refusal(
            table,
            format_args!(
                "it has a column {}, and a column of its view must have that name; rename it",
                quoted(&column.name)
            ),
        )),
    }
}

fn refusal(table: &DeclaredTable, reason: impl std::fmt::Display) -> Error {
    Error::Table(format!(
        "table {} can't be ordered: {reason}",
        quoted(&table.name)
    ))
}

/// A view has no defaults: what an INSERT leaves out arrives as NULL, which a NOT NULL column would refuse.
fn default_sql(connection: Connection, column: &DeclaredColumn) -> Result<Option<String>> {
    let default = column.default.as_ref();
    let Some(text) = default.filter(|_| column.is_not_null && !column.is_generated) else {
        return Ok(None);
    };
    // A bare or a quoted name is a text here.
    if let Some(name) = sql::quoted_list(text)
        .pop()
        .filter(|name| quoted(name) == *text)
    {
        return Ok(Some(sql::literal(&name)));
    }
    let query = sql::fill(sql::DEFAULT, &[("default", Part::Sql(text))]);
    match connection.prepare(&query) {
        Ok(_) => Ok(Some(format!("({text})"))),
        Err(error) if error.is_about_statement() => Ok(Some(sql::literal(text))),
        Err(error) => Err(error),
    }
}
