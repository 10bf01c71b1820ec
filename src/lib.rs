//! crsql: a loadable SQLite extension that turns ordinary tables into replicated ones.
//!
//! `crdt` holds the rules of replication and is free of SQLite; everything else is the extension, loaded
//! through the entry points of `entry`. The layers import downwards only:
//! ```text
//! entry, functions
//! changes, check, status, unpack, transaction_table, clset   virtual tables
//! migrate  upgrade  reconcile   changes of the schema; databases of cr-sqlite; making two databases equal
//! capture  apply  convert  digest  fract  keys  repair   local writes, merges, registration, digests, lists, keys, mending
//! state                     what is known of one connection
//! store -> schema           internal tables; what a replicated table is
//! sqlite   sql              the C boundary; SQL texts
//! crdt     error   unique   pure
//! ```

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod apply;
mod capture;
mod changes;
mod changeset;
mod check;
mod clset;
mod convert;
pub mod crdt;
mod digest;
pub mod entry;
mod entry_changes;
mod error;
mod fract;
mod functions;
mod keys;
mod migrate;
mod reconcile;
mod repair;
mod schema;
mod sql;
mod sqlite;
mod state;
mod status;
mod store;
mod transaction_table;
mod unique;
mod unpack;
mod upgrade;
