//! The table-valued function `crsql_unpack_columns(package)`: the values of a packed key, one a row.

use crate::crdt::key;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::sqlite::query::{Comparison, Query};
use crate::sqlite::table::{Cursor, Definition, Table};
use crate::sqlite::value::{Arguments, Context};
use std::rc::Rc;

const CELL: usize = 0;
const PACKAGE: usize = 1;

/// The plans: with a package, or without one, which gives no rows.
const WITH_PACKAGE: &str = "p";

/// Rows that a package is assumed to have.
const ROWS_ESTIMATED: i64 = 4;

/// `crsql_unpack_columns` on one connection.
pub struct Unpack;

/// The values of one package.
#[derive(Default)]
pub struct UnpackCursor {
    package: Vec<u8>,
    values: Vec<Value>,
    next: usize,
}

impl Table for Unpack {
    type State = crate::state::State;
    type Cursor = UnpackCursor;

    const DECLARATION: &'static str = "CREATE TABLE x (cell ANY, package BLOB HIDDEN)";

    fn connect(_state: &Rc<Self::State>, _definition: &Definition) -> Result<Unpack> {
        Ok(Unpack)
    }

    fn best_index(&self, query: &mut Query<'_>) -> Result<()> {
        let constraints = query.constraints();
        let package = constraints.iter().find(|constraint| {
            constraint.column == PACKAGE as i32 && constraint.comparison == Comparison::Equal
        });
        match package {
            Some(package) => {
                query.use_constraint(*package);
                query.plan(WITH_PACKAGE);
                query.set_estimate(1.0, ROWS_ESTIMATED);
            }
            // Worse than any plan that has the package, so that joins find one.
            None => query.set_estimate(1e12, i64::MAX),
        }
        Ok(())
    }

    fn open(&self) -> Result<UnpackCursor> {
        Ok(UnpackCursor::default())
    }

    fn is_read_only() -> Error {
        Error::Usage("crsql_unpack_columns is a function and holds no rows to write to".to_owned())
    }
}

impl Cursor for UnpackCursor {
    fn filter(&mut self, _plan: i32, plan_text: &str, arguments: Arguments<'_>) -> Result<()> {
        *self = UnpackCursor::default();
        if plan_text != WITH_PACKAGE {
            return Err(Error::Usage(
                "crsql_unpack_columns needs a packed key: SELECT cell FROM crsql_unpack_columns(pk)".to_owned(),
            ));
        }
        match arguments.get(0) {
            ValueRef::Null => Ok(()),
            ValueRef::Blob(package) => {
                self.values = key::unpack(package).map_err(|defect| {
                    Error::Usage(format!(
                        "the argument of crsql_unpack_columns is no packed key: {defect}"
                    ))
                })?;
                self.package = package.to_vec();
                Ok(())
            }
            _ => Err(Error::Usage(
                "the argument of crsql_unpack_columns is no packed key: it is not a BLOB"
                    .to_owned(),
            )),
        }
    }

    fn next(&mut self) -> Result<()> {
        self.next += 1;
        Ok(())
    }

    fn is_at_end(&self) -> bool {
        self.next >= self.values.len()
    }

    fn column(&self, column: usize, context: Context) -> Result<()> {
        match (column, self.values.get(self.next)) {
            (CELL, Some(value)) => context.result(value.as_ref()),
            (PACKAGE, _) => context.result(ValueRef::Blob(&self.package)),
            _ => context.result(ValueRef::Null),
        }
        Ok(())
    }

    fn rowid(&self) -> i64 {
        self.next as i64
    }
}
