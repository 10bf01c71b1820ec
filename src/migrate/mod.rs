//! Changes of the schema, from the first `crsql_as_crr` on: whatever brings a table or column here also brings
//! in the changes that waited for it.

pub mod automigrate;
pub mod session;

use crate::apply::parked;
use crate::convert::{self, registration};
use crate::error::Result;
use crate::fract;
use crate::state::State;

/// Makes `name` a replicated table and merges what waited for it.
pub fn as_crr(state: &State, name: &str) -> Result<()> {
    state.ensure_bootstrapped()?;
    state.store.atomically(|| {
        let crr = convert::as_crr(state, name)?;
        if crr.sessions > 0 {
            return Ok(());
        }
        fract::suspend::restore(state, &crr.name)?;
        parked::retry(state)
    })
}

/// Makes `name` an ordinary table. If it is ordered it stays so, also where an alter session suspended that.
pub fn as_table(state: &State, name: &str) -> Result<()> {
    state.store.atomically(|| {
        convert::as_table(state, name)?;
        fract::suspend::restore(state, name)
    })
}

/// Makes what names all columns of the open transaction's altered tables anew. For the end of the transaction:
/// no statement that runs these triggers may be under way.
pub fn refresh_triggers(state: &State) -> Result<()> {
    for id in state.stale_tables() {
        registration::make_triggers(state, id)?;
        if let Some(crr) = state.table(id)?
            && crr.sessions == 0
        {
            fract::suspend::restore(state, &crr.name)?;
        }
    }
    Ok(())
}
