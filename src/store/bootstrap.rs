//! The internal tables' making, and what says that a file is one of ours.

use super::Store;
use crate::crdt::change::SITE_ID_BYTES_MAX;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::sql;

/// The layout of the internal tables and of what the triggers hand over. A later release that changes it reads those of
/// older releases; the numbers below were those of builds before the first one.
pub const FORMAT: i64 = 3;

/// Where the layout is noted.
pub const FORMAT_KEY: &str = "crsql_format";
const DATABASE_KEY: &str = "crsql_database";
/// Where cr-sqlite keeps its version. Its builds refuse a file without one, and so keep off ours.
pub const FOREIGN_VERSION_KEY: &str = "crsqlite_version";

/// What names a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The site id
    pub site: Vec<u8>,
    /// A random number that the triggers carry, to tell this database from an attached one
    pub database: i64,
}

impl Store {
    /// Whether the internal tables are there.
    pub fn is_bootstrapped(&self) -> Result<bool> {
        let count = self
            .connection
            .prepare(sql::BOOTSTRAP_EXISTS)?
            .first([], |row| row.integer(0))?;
        Ok(count == Some(sql::BOOTSTRAP_TABLES))
    }

    /// Makes what is missing of the internal tables and reads the database's identity.
    /// A new one gets the identity `known`, or one made up.
    pub fn bootstrap(&self, known: Option<&Identity>) -> Result<Identity> {
        if self.is_bootstrapped()?
            && let Some(identity) = self.identity()?
        {
            return Ok(identity);
        }
        if let Some(layout) = self.foreign_layout()? {
            return Err(layout.refusal());
        }
        self.atomically(|| self.create(known)).map_err(|error| {
            error.during("making the internal tables, for which the database must be writable once")
        })
    }

    /// Makes the internal tables in a database of cr-sqlite, whose site id stays.
    pub fn take_over(&self) -> Result<Identity> {
        self.create(None)
    }

    fn create(&self, known: Option<&Identity>) -> Result<Identity> {
        for text in sql::BOOTSTRAP {
            self.connection.execute(text)?;
        }
        let Identity { site, database } = match known {
            Some(known) => known.clone(),
            None => self.random()?,
        };
        if self.setting(FORMAT_KEY)?.is_none() {
            self.set_setting(FORMAT_KEY, ValueRef::Integer(FORMAT))?;
            let forget = [ValueRef::Text(FOREIGN_VERSION_KEY.as_bytes())];
            self.connection.prepare(sql::MASTER_FORGET)?.run(forget)?;
        }
        if self.setting(DATABASE_KEY)?.is_none() {
            self.set_setting(DATABASE_KEY, ValueRef::Integer(database))?;
        }
        let mut local = self.connection.prepare(sql::SITE_LOCAL)?;
        if local.first([], |_| ())?.is_none() {
            self.connection
                .prepare(sql::SITE_ADD_LOCAL)?
                .run([ValueRef::Blob(&site)])?;
        }
        self.identity()?.ok_or_else(|| {
            Error::Internal("the identity that was just made is not there".to_owned())
        })
    }

    /// Gives the database another identity; rows of `crsql_site_id` are the caller's.
    pub fn renew_identity(&self) -> Result<Identity> {
        let identity = self.random()?;
        self.set_setting(DATABASE_KEY, ValueRef::Integer(identity.database))?;
        self.connection
            .prepare(sql::SITE_ADD_LOCAL)?
            .run([ValueRef::Blob(&identity.site)])?;
        Ok(identity)
    }

    /// The number that the triggers carry; none if there is none yet.
    pub fn database_number(&self) -> Result<Option<i64>> {
        Ok(match self.setting(DATABASE_KEY)? {
            Some(Value::Integer(database)) => Some(database),
            _ => None,
        })
    }

    /// A new site id, a UUID of version 4, and a number, from SQLite's source of randomness.
    fn random(&self) -> Result<Identity> {
        let random = self.connection.prepare(sql::RANDOM)?.first([], |row| {
            let mut bytes = [0; SITE_ID_BYTES_MAX];
            if let ValueRef::Blob(blob) = row.value(0) {
                bytes.copy_from_slice(blob);
            }
            let site = uuid::Builder::from_random_bytes(bytes)
                .into_uuid()
                .into_bytes()
                .to_vec();
            Identity {
                site,
                database: row.integer(1),
            }
        })?;
        random.ok_or_else(|| Error::Internal("SQLite gave no random bytes".to_owned()))
    }

    /// Reads the identity; none if a part of it is missing and has to be made.
    pub fn identity(&self) -> Result<Option<Identity>> {
        match self.setting(FORMAT_KEY)? {
            Some(Value::Integer(FORMAT)) => {}
            Some(Value::Integer(format)) if (1..FORMAT).contains(&format) => {
                return Err(Error::Load(
                    "this file has the layout of a build from before the first release; make a new file with this one \
                     and merge what crsql_changes shows there"
                        .to_owned(),
                ));
            }
            Some(Value::Integer(format)) => {
                return Err(Error::Load(format!(
                    "this file has the layout {format} of a newer release of crsql; load that release"
                )));
            }
            Some(_) => {
                return Err(Error::Corrupt(format!(
                    "crsql_master holds no number under {FORMAT_KEY}; put {FORMAT} back"
                )));
            }
            None => return Ok(None),
        }
        let Some(database) = self.database_number()? else {
            return Ok(None);
        };
        let site = self
            .connection
            .prepare(sql::SITE_LOCAL)?
            .first([], |row| row.value(0).to_owned())?;
        match site {
            None => Ok(None),
            Some(Value::Blob(site)) if site.len() == SITE_ID_BYTES_MAX => Ok(Some(Identity { site, database })),
            Some(_) => Err(Error::Load(
                "the site id in crsql_site_id (ordinal 0) is not a BLOB of 16 bytes; put the right one back, \
                 or delete that row to start as a new replica"
                    .to_owned(),
            )),
        }
    }
}
