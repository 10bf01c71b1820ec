//! Dropping what cr-sqlite made and nothing uses any more.

use super::tables::OldTable;
use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::sql::{self, Part};
use crate::sqlite::Connection;
use crate::store::foreign::OLD_SITE_TABLE;

/// Drops triggers and tables. Those of the fractional index stay: they call functions by names that last.
pub fn remove(connection: Connection, tables: &[OldTable]) -> Result<()> {
    for table in tables {
        if let Some(declared) = &table.declared {
            drop_triggers(connection, &declared.name)?;
        }
        for internal in table.internal_tables() {
            drop_table(connection, internal)?;
        }
    }
    drop_triggers(connection, "crsql_site_id")?;
    drop_table(connection, OLD_SITE_TABLE)
}

fn drop_triggers(connection: Connection, table: &str) -> Result<()> {
    let mut triggers = Vec::new();
    let mut list = connection.prepare(sql::UPGRADE_OLD_TRIGGERS)?;
    list.bind(1, ValueRef::Text(table.as_bytes()))?;
    while list.step()? {
        triggers.push(list.text(0));
    }
    for trigger in triggers {
        connection.execute(&sql::fill(
            sql::TRIGGER_DROP,
            &[("trigger", Part::Name(&trigger))],
        ))?;
    }
    Ok(())
}

fn drop_table(connection: Connection, table: &str) -> Result<()> {
    connection.execute(&sql::fill(
        sql::UPGRADE_DROP_TABLE,
        &[("table", Part::Name(table))],
    ))
}
