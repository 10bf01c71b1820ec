//! The settings of the database, as far as the open transaction asks for them.

use super::State;
use crate::crdt::value::{Value, ValueRef};
use crate::error::Result;

/// Names the setting by which equal values are settled by site.
pub const MERGE_EQUAL_VALUES: &str = "config.merge-equal-values";

/// Names the setting for changes of unknown tables and columns, and its values.
const UNKNOWN_CHANGES: &str = "config.unknown-changes";
/// They wait for their schema.
pub const PARK: &str = "park";
/// They are an error.
pub const REJECT: &str = "reject";

impl State {
    /// Whether equal values are settled by site.
    pub fn merges_equal_values(&self) -> Result<bool> {
        if let Some(known) = self.transaction.borrow().merge_equal_values {
            return Ok(known);
        }
        let stored = self.or_empty(|| self.store.setting(MERGE_EQUAL_VALUES))?;
        let is_set = stored == Some(Value::Integer(1));
        if self.is_enlisted.get() {
            self.transaction.borrow_mut().merge_equal_values = Some(is_set);
        }
        Ok(is_set)
    }

    /// Sets how equal values are settled.
    pub fn set_merge_equal_values(&self, is_set: bool) -> Result<()> {
        self.store.atomically(|| {
            self.enlist()?;
            self.flush()?;
            self.store
                .set_setting(MERGE_EQUAL_VALUES, ValueRef::Integer(i64::from(is_set)))?;
            self.transaction.borrow_mut().merge_equal_values = Some(is_set);
            if is_set {
                self.store.make_keys_findable()?;
            }
            Ok(())
        })
    }

    /// Whether changes of unknown tables and columns are refused rather than parked.
    pub fn refuses_unknown(&self) -> Result<bool> {
        if let Some(known) = self.transaction.borrow().refuses_unknown {
            return Ok(known);
        }
        let stored = self.or_empty(|| self.store.setting(UNKNOWN_CHANGES))?;
        let is_set = stored == Some(Value::Text(REJECT.as_bytes().to_vec()));
        if self.is_enlisted.get() {
            self.transaction.borrow_mut().refuses_unknown = Some(is_set);
        }
        Ok(is_set)
    }

    /// Sets what becomes of changes of unknown tables and columns.
    pub fn set_refuses_unknown(&self, is_set: bool) -> Result<()> {
        let value = if is_set { REJECT } else { PARK };
        self.store.atomically(|| {
            self.enlist()?;
            self.store
                .set_setting(UNKNOWN_CHANGES, ValueRef::Text(value.as_bytes()))?;
            self.transaction.borrow_mut().refuses_unknown = Some(is_set);
            Ok(())
        })
    }
}
