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

    /// Takes note of the schema's version; another one empties the cache.
    pub fn check(&mut self, schema_version: i64, is_uncommitted: bool) {
        self.checked_at = None;
        self.are_triggers_checked = false;
        if self.schema_version != Some(schema_version) {
            *self = Tables {
                schema_version: Some(schema_version),
                is_uncommitted,
                ..Tables::default()
            };
        }
    }

    /// Takes note of the temporary schema's version, for as long as its rollback is heard of.
    pub fn check_triggers(&mut self, store: &Store, version: i64, is_heard: bool) -> Result<()> {
        if self.temp_version != Some(version) {
            let mut query = store.connection.prepare(sql::OTHER_TRIGGERS)?;
            let has_other_triggers = query.first([], |row| row.integer(0) != 0)?;
            self.has_other_triggers = has_other_triggers.unwrap_or_default();
            self.temp_version = is_heard.then_some(version);
        }
        Ok(())
    }

    /// Whether the application's triggers were looked at under these versions of both schemas.
    pub fn are_triggers_known(&self) -> bool {
        self.temp_version.is_some()
    }

    /// What is known of the application's triggers holds in the running statement.
    pub fn keep_triggers_checked(&mut self) {
        self.are_triggers_checked = true;
    }

    /// Whether the application's triggers are known as they are in the running statement.
    pub fn are_triggers_checked(&self) -> bool {
        self.are_triggers_checked
    }

    /// The temporary schema may have been rolled back.
    pub fn distrust_triggers(&mut self) {
        self.temp_version = None;
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

    /// Whether the application has triggers.
    pub fn has_other_triggers(&self) -> bool {
        self.has_other_triggers
    }

    /// The version of the schema at the last check, if a digest was ever asked for.
    pub fn schema_with_digests(&mut self, store: &Store) -> Result<Option<i64>> {
        let has_digests = match self.has_digests {
            Some(known) => known,
            None => *self.has_digests.insert(store.has_digests()?),
        };
        Ok(self.schema_version.filter(|_| has_digests))
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

    /// A table by id; none if there is no such table.
    pub fn by_id(&mut self, store: &Store, id: TableId) -> Result<Option<Rc<Crr>>> {
        if let Some(crr) = self.by_id.get(&id) {
            return Ok(Some(Rc::clone(crr)));
        }
        self.load(store, sql::TABLE_BY_ID, ValueRef::Integer(id.0))
    }

    /// A table by name, in any ASCII case; none if there is no such table.
    pub fn by_name(&mut self, store: &Store, name: &str) -> Result<Option<Rc<Crr>>> {
        if let Some((latest, crr)) = &self.latest
            && latest == name
        {
            return Ok(Some(Rc::clone(crr)));
        }
        let folded = name.to_ascii_lowercase();
        let known = self.by_name.get(&folded).and_then(|id| self.by_id.get(id));
        let found = match known {
            Some(crr) => Some(Rc::clone(crr)),
            None => self.load(store, sql::TABLE_BY_NAME, ValueRef::Text(folded.as_bytes()))?,
        };
        self.latest = found.clone().map(|crr| (name.to_owned(), crr));
        Ok(found)
    }

    fn load(
        &mut self,
        store: &Store,
        query: &str,
        argument: ValueRef<'_>,
    ) -> Result<Option<Rc<Crr>>> {
        let found = store
            .connection
            .prepare(query)?
            .first([argument], |row| (TableId(row.integer(0)), row.text(1)))?;
        let Some((id, name)) = found else {
            return Ok(None);
        };
        let Some(crr) = Crr::load(store.connection, id, &name)? else {
            return Ok(None);
        };
        let crr = Rc::new(crr);
        self.by_name.insert(name.to_ascii_lowercase(), id);
        self.by_id.insert(id, Rc::clone(&crr));
        Ok(Some(crr))
    }
}
