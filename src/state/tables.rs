//! The replicated tables that were used lately, for as long as the schema stays the same.

use crate::crdt::change::TableId;
use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::schema::Crr;
use crate::sql;
use crate::store::Store;
use hashbrown::HashMap;
use std::rc::Rc;

/// The cache.
#[derive(Debug, Default)]
pub struct Tables {
    schema_version: Option<i64>,
    /// Whether nobody saw another schema since that version was read
    is_current: bool,
    checked_at: Option<i64>,
    /// Whether the open transaction may have made this version
    is_uncommitted: bool,
    has_other_triggers: bool,
    /// The version of the temporary schema, whose triggers count, too
    temp_version: Option<i64>,
    /// Whether it was asked for since the schema was last checked
    are_triggers_checked: bool,
    /// Whether a digest was ever asked for; none if that was not looked up yet
    has_digests: Option<bool>,
    by_id: HashMap<TableId, Rc<Crr>>,
    by_name: HashMap<String, TableId>,
    /// The table that was asked for last, as it was spelled
    latest: Option<(String, Rc<Crr>)>,
}

impl Tables {
    /// Whether the schema was checked when the connection had made this many changes.
    pub fn is_checked_at(&self, changes: i64) -> bool {
        self.checked_at == Some(changes)
    }

    /// Whether nobody saw another schema since `check`, given whether one may be seen now.
    pub fn is_still_current(&mut self, may_be_new: bool) -> bool {
        self.checked_at = None;
        self.is_current &= !may_be_new;
        self.is_current
    }

    /// Takes note of the schema's version; another one empties the cache.
    pub fn check(&mut self, schema_version: i64, is_uncommitted: bool) {
        self.checked_at = None;
        self.are_triggers_checked = false;
        self.is_current = true;
        if self.schema_version != Some(schema_version) {
            *self = Tables {
                schema_version: Some(schema_version),
                is_current: true,
                is_uncommitted,
                ..Tables::default()
            };
        }
    }

    /// Whether the application has triggers, if that is known as it is in the running statement.
    pub fn known_other_triggers(&self) -> Option<bool> {
        self.are_triggers_checked.then_some(self.has_other_triggers)
    }

    /// The same as it was last found, if it is known for which version of the temporary schema.
    pub fn latest_other_triggers(&self) -> Option<bool> {
        self.temp_version.map(|_| self.has_other_triggers)
    }

    /// What is known of the application's triggers holds in the running statement.
    pub fn keep_triggers_checked(&mut self) {
        self.are_triggers_checked = true;
    }

    /// Whether the application has triggers, if that is known for this version of the temporary schema.
    pub fn other_triggers_at(&self, temp_version: i64) -> Option<bool> {
        let is_known = self.temp_version == Some(temp_version);
        is_known.then_some(self.has_other_triggers)
    }

    /// Takes note of what was found, and of the version of the temporary schema to which that belongs, if its
    /// rollback is heard of.
    pub fn note_triggers(&mut self, has_other_triggers: bool, temp_version: Option<i64>) {
        self.has_other_triggers = has_other_triggers;
        self.temp_version = temp_version;
        self.are_triggers_checked = true;
    }

    /// The temporary schema may have been rolled back.
    pub fn distrust_triggers(&mut self) {
        self.temp_version = None;
        self.are_triggers_checked = false;
    }

    /// No rollback takes the schema back any more.
    pub fn keep(&mut self) {
        self.is_uncommitted = false;
    }

    /// Whether a rollback may take the schema back that the cache belongs to.
    pub fn is_uncommitted(&self) -> bool {
        self.is_uncommitted
    }

    /// The version of the schema that the cache belongs to.
    pub fn schema_version(&self) -> Option<i64> {
        self.schema_version
    }

    /// Whether a digest was ever asked for, if that was looked up.
    pub fn has_digests(&self) -> Option<bool> {
        self.has_digests
    }

    /// Takes note of whether a digest was ever asked for.
    pub fn note_digests(&mut self, has_digests: bool) {
        self.has_digests = Some(has_digests);
    }

    /// Lets go of statements that triggers of the application are part of: such a trigger may use
    /// `crsql_changes`, and then the statement would keep the connection from closing.
    pub fn release_foreign_statements(&self) {
        if self.has_other_triggers {
            self.by_id.values().for_each(|crr| crr.writes.clear());
        }
    }

    /// What was checked holds until the count of changes moves from here.
    pub fn settle(&mut self, changes: i64) {
        self.checked_at = Some(changes);
    }

    /// The next use reads this table anew.
    pub fn forget(&mut self, id: TableId) {
        self.by_id.remove(&id);
        self.latest = None;
    }

    /// The next use checks the schema again.
    pub fn distrust(&mut self) {
        self.checked_at = None;
    }

    /// A table by id, if it is in the cache.
    pub fn by_id(&self, id: TableId) -> Option<Rc<Crr>> {
        self.by_id.get(&id).cloned()
    }

    /// The table that was asked for last, if it was by this name.
    pub fn latest(&self, name: &[u8]) -> Option<Rc<Crr>> {
        let (latest, crr) = self.latest.as_ref()?;
        (latest.as_bytes() == name).then(|| Rc::clone(crr))
    }

    /// A table by name, in any ASCII case, if it is in the cache.
    pub fn by_name(&mut self, name: &str) -> Option<Rc<Crr>> {
        if let Some(latest) = self.latest(name.as_bytes()) {
            return Some(latest);
        }
        let id = self.by_name.get(&name.to_ascii_lowercase())?;
        let found = self.by_id(*id)?;
        self.latest = Some((name.to_owned(), Rc::clone(&found)));
        Some(found)
    }

    /// Puts a table into the cache.
    pub fn add(&mut self, crr: &Rc<Crr>) {
        self.by_name.insert(crr.name.to_ascii_lowercase(), crr.id);
        self.by_id.insert(crr.id, Rc::clone(crr));
    }
}

/// Reads a table, which the query finds by the argument; none if there is no such table.
pub fn load(store: &Store, query: &str, argument: ValueRef<'_>) -> Result<Option<Rc<Crr>>> {
    let found = store
        .connection
        .prepare(query)?
        .first([argument], |row| (TableId(row.integer(0)), row.text(1)))?;
    let Some((id, name)) = found else {
        return Ok(None);
    };
    Ok(Crr::load(store.connection, id, &name)?.map(Rc::new))
}

/// Whether the application has triggers.
pub fn has_other_triggers(store: &Store) -> Result<bool> {
    let asks = |text| -> Result<bool> {
        let mut query = store.connection.prepare(text)?;
        Ok(query.first([], |row| row.integer(0) != 0)? == Some(true))
    };
    // Asking SQLite for the temporary schema makes one.
    Ok(asks(sql::OTHER_TRIGGERS)? || store.connection.has_temporary() && asks(sql::TEMP_TRIGGERS)?)
}
