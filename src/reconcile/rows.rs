//! The rows of messages: making them from what is here, and merging those that came.
//!
//! Rows are merged like those of changesets, by the same rule.

use super::compose::{Outgoing, OutgoingCell};
use crate::apply::states;
use crate::crdt::change::{CausalLength, SiteOrdinal};
use crate::crdt::clock::RowClock;
use crate::crdt::digest::{Digest, Part, folded, row_digest};
use crate::crdt::message::{Place, SentRow, TableRows};
use crate::crdt::value::ValueRef;
use crate::digest::source::order_of;
use crate::error::Result;
use crate::schema::{Crr, Key};
use crate::state::State;
use crate::state::rows::Cell;
use hashbrown::HashMap;
use std::rc::Rc;

/// A row that came and was merged.
pub struct Merged {
    /// Its table
    pub crr: Rc<Crr>,
    /// Its key here
    pub key: Key,
    /// Where it stands in the order of everything, as it came
    pub place: Place,
    /// How often it may still be sent back
    pub hops: u8,
    /// The digest of the state that came
    pub digest: Digest,
}

/// Merges the rows of a message. Gives those that may be sent back.
pub fn merge(state: &State, tables: &[TableRows]) -> Result<Vec<Merged>> {
    let mut merged = Vec::new();
    if tables.is_empty() {
        return Ok(merged);
    }
    state.enlist()?;
    for table in tables {
        let names: Vec<String> = table.columns.iter().map(|name| folded(name)).collect();
        states::merge(state, table, |row, here| {
            let Some((crr, key)) = here.filter(|_| row.hops > 0) else {
                return Ok(());
            };
            let part = match row.cl.is_live() {
                true => Part::Live,
                false => Part::Dead,
            };
            merged.push(Merged {
                place: Place {
                    table: folded(&crr.name),
                    part,
                    key: order_of(&crr, part, &key)?,
                },
                crr,
                key,
                hops: row.hops,
                digest: sent_digest(row, &names),
            });
            Ok(())
        })?;
    }
    state.flush()?;
    Ok(merged)
}

/// The digest of the state that came.
fn sent_digest(row: &SentRow, names: &[String]) -> Digest {
    let mut cells: Vec<_> = row
        .cells
        .iter()
        .map(|cell| {
            let name = names.get(cell.column).map_or("", String::as_str);
            (name, cell.version, cell.value.as_ref())
        })
        .collect();
    cells.sort_by_key(|(name, ..)| *name);
    row_digest(&row.pk, row.cl, cells.into_iter())
}

/// Tells who wrote what.
pub struct Authors<'s> {
    state: &'s State,
    sites: HashMap<SiteOrdinal, Vec<u8>>,
    /// Whether the site of a first insert can be found, which only that setting needs
    finds_first_inserts: bool,
}

impl<'s> Authors<'s> {
    /// Of the rows of a database.
    pub fn new(state: &'s State) -> Result<Authors<'s>> {
        Ok(Authors {
            state,
            sites: HashMap::new(),
            finds_first_inserts: state.merges_equal_values()?,
        })
    }

    fn site(&mut self, ordinal: SiteOrdinal) -> Result<Vec<u8>> {
        if let Some(site) = self.sites.get(&ordinal) {
            return Ok(site.clone());
        }
        let site = self.state.store.site_id(ordinal)?;
        self.sites.insert(ordinal, site.clone());
        Ok(site)
    }

    /// A row to be sent.
    pub fn outgoing(
        &mut self,
        crr: &Crr,
        key: &Key,
        cl: CausalLength,
        cells: &[Cell<ValueRef<'_>>],
        hops: u8,
    ) -> Result<Outgoing> {
        let clock = self.state.find_clock(crr, key)?;
        let clock = clock.as_ref();
        let sentinel = clock.and_then(|clock| clock.sentinel);
        let first = match cells.iter().any(|(index, ..)| {
            let id = crr.columns[*index].id;
            clock.is_none_or(|clock| clock.column_site(id).is_none())
        }) {
            true => self.first_insert(crr, key, clock)?,
            false => SiteOrdinal::LOCAL,
        };
        let mut sent = Vec::with_capacity(cells.len());
        for (index, version, value) in cells {
            let id = crr.columns[*index].id;
            let ordinal = clock.and_then(|clock| clock.column_site(id));
            sent.push(OutgoingCell {
                column: *index,
                version: *version,
                site: self.site(ordinal.unwrap_or(first))?,
                value: (*value).to_owned(),
            });
        }
        Ok(Outgoing {
            hops,
            pk: key.packed(),
            cl,
            site: self.site(sentinel.map_or(first, |entry| entry.site))?,
            cells: sent,
        })
    }

    /// The site of a row's first insert, as far as it can be found.
    fn first_insert(&self, crr: &Crr, key: &Key, clock: Option<&RowClock>) -> Result<SiteOrdinal> {
        if !self.finds_first_inserts {
            return Ok(SiteOrdinal::LOCAL);
        }
        let is_other = |at| {
            clock.is_some_and(|clock| {
                clock.sentinel.is_some_and(|entry| entry.at == at)
                    || clock.groups.iter().any(|group| group.entry.at == at)
            })
        };
        let found = self.state.store.first_insert_site(crr.id, key, is_other)?;
        Ok(found.unwrap_or(SiteOrdinal::LOCAL))
    }
}
