//! Taking over site ids, and the versions of other sites where the fork kept them.

use super::tables::{OldTable, greatest};
use crate::crdt::change::{DbVersion, SITE_ID_BYTES_MAX, SiteOrdinal, VERSION_FOLLOWED_MAX};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::sql::{self, Part, quoted};
use crate::store::Store;
use crate::store::foreign::Layout;
use hashbrown::HashSet;

/// Where the fork notes the greatest version of each site.
const VERSIONS_TABLE: &str = "crsql_db_versions";

/// The lower bound of versions that cr-sqlite keeps.
const OLD_FLOOR: &str = "pre_compact_dbversion";

/// Fills `crsql_site_id`.
pub fn take_over(store: &Store, layout: &Layout, tables: &[OldTable]) -> Result<()> {
    let connection = store.connection;
    if matches!(layout, Layout::Numbered | Layout::PerOrigin) {
        return Ok(());
    }
    connection.execute(sql::BOOTSTRAP_SITE_ID)?;
    connection.execute(sql::UPGRADE_FORGET_SITES)?;
    store.while_expiring(|| connection.execute(sql::BOOTSTRAP_SITE_ID_UNIQUE))?;
    if matches!(layout, Layout::InlineKeys { .. }) {
        return connection.execute(sql::UPGRADE_COPY_SITES);
    }
    connection.execute(sql::UPGRADE_COPY_OWN_SITE)?;
    for table in tables {
        let text = sql::fill(
            sql::UPGRADE_INLINE_SITES,
            &[("clock", Part::Name(&table.clock))],
        );
        let mut sites = Vec::new();
        let mut rows = connection.prepare(&text)?;
        while rows.step()? {
            sites.push(rows.value(0).to_owned());
        }
        for site in sites {
            match site {
                Value::Blob(id) if (1..=SITE_ID_BYTES_MAX).contains(&id.len()) => {
                    store.site_ordinal(&id)?;
                }
                _ => {
                    return Err(Error::Foreign(format!(
                        "table {} holds a site id that is not a BLOB of 1 to 16 bytes; this can't be taken over",
                        quoted(&table.clock)
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Refuses clocks of sites that have no id.
pub fn check(store: &Store, clock: &str, sites: &HashSet<SiteOrdinal>) -> Result<()> {
    for site in sites {
        match store.site_id(*site) {
            Ok(_) => {}
            Err(Error::Corrupt(_)) => {
                return Err(Error::Foreign(format!(
                    "table {} names the site {}, which has no id; put the row back that crsql_site_id (in 0.15 \
                     __crsql_siteid) had for it",
                    quoted(clock),
                    site.0
                )));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The greatest version that was this database's own.
pub fn own_version(store: &Store, tables: &[OldTable]) -> Result<DbVersion> {
    let connection = store.connection;
    let mut version = match store.setting(OLD_FLOOR)? {
        Some(Value::Integer(floor)) => floor,
        _ => 0,
    };
    for table in tables {
        version = version.max(greatest(connection, &table.greatest_version_sql())?);
    }
    if store.has_table(VERSIONS_TABLE)? {
        version = version.max(greatest(connection, sql::UPGRADE_OWN_VERSION)?);
    }
    connection
        .prepare(sql::MASTER_FORGET)?
        .run([ValueRef::Text(OLD_FLOOR.as_bytes())])?;
    let version_max = VERSION_FOLLOWED_MAX.to_sql();
    let taken_over =
        DbVersion::from_sql(version).filter(|version| *version <= VERSION_FOLLOWED_MAX);
    // Peers refuse what is written above 2^53: there must be room left.
    taken_over.ok_or_else(|| {
        Error::Foreign(format!(
            "this database counts its versions up to {version}, and only 0 to {version_max} (2^52) can be taken over; \
             copy its rows into a new database"
        ))
    })
}

/// Makes versions of this database, above `own`, of those of other sites. Gives how many they are.
pub fn stamp_foreign_versions(store: &Store, tables: &[OldTable], own: DbVersion) -> Result<u64> {
    let connection = store.connection;
    store.while_expiring(|| {
        connection.execute(sql::UPGRADE_MAKE_FOREIGN_VERSIONS)?;
        connection.execute(sql::UPGRADE_MAKE_STAMPS)
    })?;
    for table in tables.iter().filter(|table| table.declared.is_some()) {
        connection.execute(&sql::fill(
            sql::UPGRADE_FOREIGN_VERSIONS,
            &[("clock", Part::Name(&table.clock))],
        ))?;
    }
    let stamped = connection
        .prepare(sql::UPGRADE_STAMPS)?
        .run([ValueRef::Integer(own.to_sql())])?;
    Ok(stamped as u64)
}
