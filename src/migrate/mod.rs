//! Changes of the schema, from the first `crsql_as_crr` on: whatever brings a table or column here also brings
//! in the changes that waited for it.

pub mod automigrate;
pub mod session;

use crate::apply::parked;
use crate::convert;
use crate::error::Result;
use crate::state::State;

/// Makes `name` a replicated table and merges what waited for it.
pub fn as_crr(state: &State, name: &str) -> Result<()> {
    state.ensure_bootstrapped()?;
    state.store.atomically(|| {
        let crr = convert::as_crr(state, name)?;
        match crr.sessions {
            0 => parked::retry(state),
            _ => Ok(()),
        }
    })
}
