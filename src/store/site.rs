//! Sites and their small local numbers.

use super::{Slot, Store};
use crate::crdt::change::SiteOrdinal;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};

impl Store {
    /// The id of a site.
    pub fn site_id(&self, ordinal: SiteOrdinal) -> Result<Vec<u8>> {
        let parameter = [ValueRef::Integer(ordinal.0 as i64)];
        let id = self.with(Slot::SiteByOrdinal, |get| {
            get.first(parameter, |row| row.value(0).to_owned())
        })?;
        match id {
            Some(Value::Blob(id)) => Ok(id),
            _ => Err(Error::Corrupt(format!(
                "the log names the site {}, which crsql_site_id doesn't have; put its row back",
                ordinal.0
            ))),
        }
    }

    /// The number of a site; a new one gets the next.
    pub fn site_ordinal(&self, id: &[u8]) -> Result<SiteOrdinal> {
        if let Some(ordinal) = self.known_site(id)? {
            return Ok(ordinal);
        }
        self.with(Slot::SiteAdd, |add| add.run([ValueRef::Blob(id)]))?;
        self.known_site(id)?
            .ok_or_else(|| Error::Internal("the site that was just added is not there".to_owned()))
    }

    /// The number of a site, if it has one.
    pub fn known_site(&self, id: &[u8]) -> Result<Option<SiteOrdinal>> {
        let ordinal = self.with(Slot::SiteById, |get| {
            get.first([ValueRef::Blob(id)], |row| row.integer(0))
        })?;
        Ok(ordinal.map(|ordinal| SiteOrdinal(ordinal as u64)))
    }
}
