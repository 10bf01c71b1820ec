//! crsql: a loadable SQLite extension that turns ordinary tables into replicated ones.
//!
//! `crdt` holds the rules of replication and is free of SQLite; everything else is the extension, loaded
//! through the entry points of `entry`. The layers import downwards only:
//! ```text
//! entry, functions
//! changes, unpack, transaction_table   virtual tables
//! migrate                   changes of the schema
//! capture  apply  convert   local writes, merges, upgrades
//! state                     what is known of one connection
//! store -> schema           internal tables; what a replicated table is
//! sqlite   sql              the C boundary; SQL texts
//! crdt     error            pure
//! ```

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod apply;
mod capture;
mod changes;
mod changeset;
mod convert;
pub mod crdt;
pub mod entry;
mod entry_changes;
mod error;
mod functions;
mod migrate;
mod schema;
mod sql;
mod sqlite;
mod state;
mod store;
mod transaction_table;
mod unpack;
