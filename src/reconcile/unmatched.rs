//! Tables that a conversation leaves alone: one side lacks them, or their columns differ. Both sides note them, for
//! `crsql_status`, until the next conversation.

use crate::crdt::message::{Mismatch, Unmatched};
use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::sql;
use crate::state::State;

/// What the other side says of a table, seen from here.
pub fn mirrored(told: Unmatched) -> Unmatched {
    Unmatched {
        mismatch: match told.mismatch {
            Mismatch::OnlyThere => Mismatch::OnlyHere,
            Mismatch::OnlyHere => Mismatch::OnlyThere,
            Mismatch::Columns => Mismatch::Columns,
        },
        ..told
    }
}

fn reason(mismatch: Mismatch) -> &'static str {
    match mismatch {
        Mismatch::OnlyThere => "only the other side has it: make it here and call crsql_as_crr",
        Mismatch::OnlyHere => "the other side does not have it",
        Mismatch::Columns => {
            "its columns, or the number of its key columns, differ from those of the other side"
        }
    }
}

/// A conversation begins: what the one before noted goes.
pub fn clear(state: &State) -> Result<()> {
    let connection = state.store.connection;
    let is_there =
        |text| -> Result<bool> { Ok(connection.prepare(text)?.first([], |_| ())?.is_some()) };
    if is_there(sql::UNMATCHED_EXISTS)? && is_there(sql::UNMATCHED_ANY)? {
        return match connection.execute(sql::UNMATCHED_CLEAR) {
            // Equal databases find out that they are without writing.
            Err(error) if error.is_about_writing() => Ok(()),
            outcome => outcome,
        };
    }
    Ok(())
}

/// Notes tables.
pub fn note(state: &State, tables: &[Unmatched]) -> Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    let connection = state.store.connection;
    connection.execute(sql::UNMATCHED_CREATE)?;
    let mut put = connection.prepare(sql::UNMATCHED_PUT)?;
    for table in tables {
        let values = [table.table.as_str(), reason(table.mismatch)];
        put.run(values.map(|text| ValueRef::Text(text.as_bytes())))?;
    }
    Ok(())
}
