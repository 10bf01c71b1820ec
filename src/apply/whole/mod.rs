//! Merging whole rows: the cells of a row that come together are decided on one by one, by the rule of
//! `crdt::merge`, and written by one statement.
//!
//! ```text
//! row --no record, not there--> INSERT of all its cells --came whole--> log entry, no record
//!     --no record, there------> nothing wins (most often): done
//!     --else------------------> held row: judge each cell, write the winners, clock in memory
//! ```

mod batch;
mod cells;
mod fit;

use super::incoming::{self, Received};
use super::{Presence, load, merge_change, parked};
use crate::crdt::change::{CausalLength, SENTINEL, SiteOrdinal, column};
use crate::crdt::changeset::{Header, RowView};
use crate::crdt::key as packed_key;
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::crr::SetUse;
use crate::schema::{Crr, Key};
use crate::sqlite::Statement;
use crate::state::{MergeGuard, State};
use crate::store::row_finder::RowFinder;
pub(super) use batch::Batch;
use fit::{check_distinct, has_doubled};
use std::rc::Rc;

/// What the rows of one group have in common here.
struct Target {
    /// The table; none if it is not here
    crr: Option<Rc<Crr>>,
    /// The indexes of the columns; none for those that are not here
    columns: Vec<Option<usize>>,
    /// As `columns`, if all are here, each once
    known: Option<Vec<usize>>,
    /// Whether a column comes more than once, under names that it had and perhaps the one that it has
    has_doubled: bool,
    /// Whether they are all columns of the table, in its order
    is_whole: bool,
    insert_slot: Option<usize>,
    /// Whether the last row was not there before
    expects_new: bool,
    rows: Option<RowFinder>,
    /// Whether all rows of the last batch were new
    takes_many: bool,
    /// Whether its rows are inserted in the order in which they come
    keeps_order: bool,
    /// Inserts several rows
    batch: Option<Statement>,
    /// Whether SQLite does not compile that statement
    is_refusing_batches: bool,
}

impl Target {
    /// Whether rows that come whole are inserted several at a time. Not where the key is the rowid: appending is quick
    /// there, and applying again is to cost no more than half of it.
    fn takes_batches(&self) -> bool {
        let is_fitting = |crr: &Rc<Crr>| !crr.is_rowid_keyed && !crr.has_late();
        let is_likely = self.is_whole && self.expects_new && !self.is_refusing_batches;
        is_likely && self.crr.as_ref().is_some_and(is_fitting)
    }

    /// Whether rows come that are known, and stand in another order than they come in.
    fn is_out_of_order(&self) -> bool {
        let is_fitting = |crr: &Rc<Crr>| !crr.is_rowid_keyed && !crr.has_late();
        let is_lost = || self.rows.as_ref().is_some_and(RowFinder::is_lost);
        !self.expects_new && is_lost() && self.crr.as_ref().is_some_and(is_fitting)
    }
}

/// The merge of one changeset. While it lives, nothing is captured.
pub(super) struct Merging<'s> {
    state: &'s State,
    _is_merging: MergeGuard<'s>,
    header: Rc<Header>,
    targets: Vec<Option<Target>>,
    sites: Vec<Option<SiteOrdinal>>,
    /// For each author whether it is this database, whose id stays while a statement runs
    own: Vec<bool>,
    keeps_equal: bool,
    /// Whether something of the latest row won that its author must know of
    has_written_known: bool,
    /// Whether no trigger fires
    is_undisturbed: bool,
    /// Changes that won
    pub(super) won: i64,
    /// As `won`, with a revival counted as one more
    events: i64,
}

/// How rows of a group are written and found.
struct Place<'t> {
    is_whole: bool,
    insert_slot: Option<usize>,
    expects_new: &'t mut bool,
    rows: Option<&'t mut RowFinder>,
}

impl Place<'_> {
    /// The table is going to be written to.
    fn stop(&mut self) {
        if let Some(rows) = &mut self.rows {
            rows.stop();
        }
    }
}

/// A row that fits its table.
struct Fitting<'r, 'a> {
    crr: &'r Rc<Crr>,
    key: Key,
    /// The columns of the cells
    columns: &'r [usize],
    row: &'r RowView<'r, 'a>,
    site: Option<&'r [u8]>,
}

impl<'s> Merging<'s> {
    /// Starts to merge a changeset.
    pub(super) fn new(state: &'s State, header: Rc<Header>) -> Result<Merging<'s>> {
        let Some(is_merging) = state.start_merging() else {
            return Err(Error::Change(
                "a trigger called crsql_apply while a merge was running; apply from the application"
                    .to_owned(),
            ));
        };
        let own = header.sites.iter().map(|site| state.is_own_site(site));
        let own = own.collect::<Result<_>>()?;
        Ok(Merging {
            state,
            _is_merging: is_merging,
            sites: vec![None; header.sites.len()],
            own,
            header,
            targets: Vec::new(),
            keeps_equal: false,
            has_written_known: false,
            is_undisturbed: !state.store.connection.runs_triggers()
                && !state.has_other_triggers()?,
            won: 0,
            events: 0,
        })
    }

    /// A table, and a key as that stores it; none if the table is not here.
    pub(super) fn identify(
        &self,
        table: &str,
        key: &[ValueRef<'_>],
    ) -> Result<Option<(Rc<Crr>, Key)>> {
        let Some(crr) = self.state.table_by_any_name(table)? else {
            return Ok(None);
        };
        let crr = self.state.registered(&crr, None)?;
        let key = self.key(&crr, key)?;
        Ok(Some((crr, key)))
    }

    /// Ends the merge; gives the number of changes that won.
    pub(super) fn finish(self) -> i64 {
        self.state.settle();
        self.state.count_impact(self.events);
        self.won
    }

    /// Other groups follow.
    pub(super) fn start_chunk(&mut self) {
        self.targets.clear();
    }

    /// Merges a row.
    pub(super) fn merge(&mut self, row: &RowView<'_, '_>) -> Result<()> {
        self.at_target(row, Self::merge_into)
    }

    /// Whether `merge` would refuse a row as the tables are now, whatever their constraints say. Merges nothing.
    pub(super) fn check(&mut self, row: &RowView<'_, '_>) -> Result<()> {
        self.at_target(row, |merging, target, row| merging.check_fits(target, row))
    }

    fn at_target(
        &mut self,
        row: &RowView<'_, '_>,
        work: impl FnOnce(&mut Self, &mut Target, &RowView<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        let mut targets = std::mem::take(&mut self.targets);
        if targets.len() <= row.group {
            targets.resize_with(row.group + 1, || None);
        }
        let outcome = match targets.get_mut(row.group) {
            Some(Some(target)) => work(self, target, row),
            Some(place) => self
                .find_target(row)
                .and_then(|target| work(self, place.insert(target), row)),
            None => Ok(()),
        };
        self.targets = targets;
        outcome
    }

    fn check_fits(&self, target: &Target, row: &RowView<'_, '_>) -> Result<()> {
        let Some(crr) = &target.crr else {
            // Whatever is said of a table that is not here is parked.
            return self.check_cell(row, (!row.cells.is_empty()).then_some(0));
        };
        self.key(crr, row.key)?;
        let unknown = target.columns.iter().enumerate();
        let mut unknown = unknown.filter(|(_, index)| index.is_none());
        unknown.try_for_each(|(place, _)| self.check_cell(row, Some(place)))
    }

    fn check_cell(&self, row: &RowView<'_, '_>, place: Option<usize>) -> Result<()> {
        self.with_change(row, place, |values| {
            match incoming::read(self.state, values)? {
                Received::UnknownTable(unknown) | Received::UnknownColumn(_, unknown) => {
                    parked::check(self.state, &unknown)
                }
                Received::Change(_) => Ok(()),
            }
        })
    }

    fn find_target(&mut self, row: &RowView<'_, '_>) -> Result<Target> {
        self.keeps_equal = !self.state.merges_equal_values()?;
        let unlisted = || Error::Internal("a row of a table that the header lacks".to_owned());
        let table = self.header.tables.get(row.table).ok_or_else(unlisted)?;
        let crr = match self.state.table_by_any_name(&table.name)? {
            Some(crr) => Some(self.state.registered(&crr, None)?),
            None => None,
        };
        let index = |place: &u32| {
            let column = table.columns.get(*place as usize)?;
            crr.as_ref()?.column(&column.name).map(|(index, _)| index)
        };
        let columns: Vec<Option<usize>> = row.columns.iter().map(index).collect();
        let has_doubled = has_doubled(columns.iter().flatten());
        if let Some(crr) = &crr {
            let names = row
                .columns
                .iter()
                .filter_map(|c| table.columns.get(*c as usize));
            check_distinct(crr, names.map(|column| column.name.as_str()))?;
        }
        let known: Option<Vec<usize>> = columns.iter().copied().collect();
        let known = known.filter(|_| crr.is_some() && !has_doubled);
        let is_whole = match (&crr, &known) {
            (Some(crr), Some(known)) => {
                known.len() == crr.columns.len() && known.iter().copied().eq(0..known.len())
            }
            _ => false,
        };
        let insert_slot = match (&crr, &known) {
            (Some(crr), Some(known)) => crr.set_slot(SetUse::Insert, known),
            _ => None,
        };
        Ok(Target {
            columns,
            known,
            has_doubled,
            is_whole,
            insert_slot,
            expects_new: true,
            rows: crr
                .as_ref()
                .map(|crr| RowFinder::new(self.state.store.connection, crr)),
            crr,
            takes_many: false,
            keeps_order: false,
            batch: None,
            is_refusing_batches: false,
        })
    }

    /// Whether this database is the author at this place of the header.
    fn is_own(&self, site: usize) -> bool {
        self.own.get(site).copied().unwrap_or_default()
    }

    fn merge_into(&mut self, target: &mut Target, row: &RowView<'_, '_>) -> Result<()> {
        let header = Rc::clone(&self.header);
        let site = header.sites.get(row.site).map(Vec::as_slice);
        let is_own = self.is_own(row.site);
        let before = self.won;
        self.has_written_known = false;
        self.merge_signed(target, row, site.filter(|_| !is_own))?;
        if is_own && self.won > before && self.has_written_known {
            self.state.note_own_change_from_elsewhere()?;
        }
        Ok(())
    }

    /// Merges a row of this author; none is this database.
    fn merge_signed(
        &mut self,
        target: &mut Target,
        row: &RowView<'_, '_>,
        site: Option<&[u8]>,
    ) -> Result<()> {
        let (Some(crr), Some(columns)) = (&target.crr, &target.known) else {
            return self.merge_apart(target, row, site);
        };
        let key = self.key(crr, row.key)?;
        let fitting = Fitting {
            crr,
            key,
            columns,
            row,
            site,
        };
        let place = Place {
            is_whole: target.is_whole,
            insert_slot: target.insert_slot,
            expects_new: &mut target.expects_new,
            rows: target.rows.as_mut(),
        };
        self.merge_fitting(&fitting, place)
    }

    /// Merges a row with columns that are not here: these are parked, the others merged. Where the first cell is of such a
    /// column it makes the row, as it does where the cells come one by one. Cells of one column are merged one by one.
    fn merge_apart(
        &mut self,
        target: &Target,
        row: &RowView<'_, '_>,
        site: Option<&[u8]>,
    ) -> Result<()> {
        if target.has_doubled {
            return (0..row.cells.len()).try_for_each(|place| self.merge_cell(row, Some(place)));
        }
        if target.columns.first().is_some_and(Option::is_some) {
            self.merge_known(target, row, site)?;
            return self.park_unknown(target, row);
        }
        self.park_unknown(target, row)?;
        self.merge_known(target, row, site)
    }

    fn merge_known(
        &mut self,
        target: &Target,
        row: &RowView<'_, '_>,
        site: Option<&[u8]>,
    ) -> Result<()> {
        let (mut columns, mut cells) = (Vec::new(), Vec::new());
        for (cell, index) in row.cells.iter().zip(&target.columns) {
            if let Some(index) = index {
                columns.push(*index);
                cells.push(*cell);
            }
        }
        let Some(crr) = target.crr.as_ref().filter(|_| !columns.is_empty()) else {
            return Ok(());
        };
        let known = RowView {
            cells: &cells,
            ..*row
        };
        let fitting = Fitting {
            crr,
            key: self.key(crr, row.key)?,
            columns: &columns,
            row: &known,
            site,
        };
        let place = Place {
            is_whole: false,
            insert_slot: crr.set_slot(SetUse::Insert, &columns),
            expects_new: &mut true,
            rows: None,
        };
        self.merge_fitting(&fitting, place)
    }

    fn park_unknown(&mut self, target: &Target, row: &RowView<'_, '_>) -> Result<()> {
        let unknown = target.columns.iter().enumerate();
        for (place, _) in unknown.filter(|(_, index)| index.is_none()) {
            self.merge_cell(row, Some(place))?;
        }
        match target.columns.is_empty() {
            true => self.merge_cell(row, None),
            false => Ok(()),
        }
    }

    /// One cell, or the row without one, as a row of `crsql_changes`.
    fn with_change<T>(
        &self,
        row: &RowView<'_, '_>,
        place: Option<usize>,
        work: impl FnOnce(&incoming::Row<'_>) -> Result<T>,
    ) -> Result<T> {
        let pk = packed_key::pack(row.key.iter().copied());
        let table = self.header.tables.get(row.table);
        let name = place
            .and_then(|place| row.columns.get(place))
            .and_then(|column| table?.columns.get(*column as usize))
            .map_or(SENTINEL, |column| &column.name);
        let cell = place.and_then(|place| row.cells.get(place));
        let site = self.header.sites.get(row.site);
        let mut values: incoming::Row<'_> = [ValueRef::Null; 9];
        values[column::TABLE] =
            ValueRef::Text(table.map_or(&[][..], |table| table.name.as_bytes()));
        values[column::PK] = ValueRef::Blob(&pk);
        values[column::CID] = ValueRef::Text(name.as_bytes());
        values[column::VAL] = cell.map_or(ValueRef::Null, |cell| cell.value);
        values[column::COL_VERSION] =
            ValueRef::Integer(cell.map_or(row.cl.to_sql(), |cell| cell.version.to_sql()));
        values[column::DB_VERSION] = ValueRef::Integer(row.version.to_sql());
        values[column::SITE_ID] = site.map_or(ValueRef::Null, |site| ValueRef::Blob(site));
        values[column::CL] = ValueRef::Integer(row.cl.to_sql());
        values[column::SEQ] = ValueRef::Integer(cell.map_or(row.seq, |cell| cell.seq).to_sql());
        work(&values)
    }

    /// Merges one cell, or the row without one, by itself; parks it if its table or column is not here.
    fn merge_cell(&mut self, row: &RowView<'_, '_>, place: Option<usize>) -> Result<()> {
        let state = self.state;
        let merge = |values: &incoming::Row<'_>| match incoming::read(state, values)? {
            Received::UnknownTable(unknown) => {
                parked::check(state, &unknown)?;
                parked::park(state, &unknown, values[column::VAL])?;
                Ok(0)
            }
            Received::UnknownColumn(of_row, unknown) => {
                parked::check(state, &unknown)?;
                // It has counted its events itself.
                let impact = merge_change(state, &of_row)?;
                if unknown.cl.is_live() {
                    parked::park(state, &unknown, values[column::VAL])?;
                }
                Ok(impact)
            }
            Received::Change(change) => merge_change(state, &change),
        };
        self.won += i64::from(self.with_change(row, place, merge)? > 0);
        state.settle();
        Ok(())
    }

    fn merge_fitting(&mut self, fitting: &Fitting<'_, '_>, mut place: Place<'_>) -> Result<()> {
        let (crr, key, row) = (fitting.crr, &fitting.key, fitting.row);
        let epoch = self.state.epoch();
        let held = self.state.take_held(crr, key)?;
        let is_first_life = row.cl == CausalLength::FIRST_LIFE && !row.cells.is_empty();
        let is_simple = held.is_none() && is_first_life;
        if is_simple && self.state.find_clock(crr, key)?.is_none() {
            if !*place.expects_new && self.is_known(fitting, &mut place)? {
                return Ok(());
            }
            place.stop();
            match self.insert_new(fitting, &place) {
                Ok(true) => {
                    *place.expects_new = true;
                    return Ok(());
                }
                Ok(false) => {}
                // What the table refuses may be of a row that is there, and lose to it. RAISE(FAIL) in an AFTER trigger
                // leaves a row that is written, and after RAISE(ROLLBACK) there is no transaction for what follows.
                Err(error)
                    if error.is_about_statement()
                        && !self.has_written()
                        && self.state.epoch() == epoch => {}
                Err(error) => return Err(error),
            }
            let was_expected = std::mem::replace(place.expects_new, false);
            if was_expected && self.is_known(fitting, &mut place)? {
                return Ok(());
            }
        }
        place.stop();
        let mut held = match held {
            Some(held) => held,
            None => load(self.state, crr, key.clone(), &[], Presence::LookedUp)?,
        };
        let outcome = self.merge_held(fitting, &mut held);
        self.state.hold(held, epoch);
        self.state.settle();
        outcome
    }

    /// Whether the statement that just failed has written rows all the same.
    fn has_written(&self) -> bool {
        self.state.store.connection.changes() > 0
    }

    /// The number of an author here.
    fn ordinal(&mut self, site: usize) -> Result<SiteOrdinal> {
        if let Some(Some(known)) = self.sites.get(site) {
            return Ok(*known);
        }
        let header = Rc::clone(&self.header);
        let ordinal = match header.sites.get(site) {
            Some(id) if !self.is_own(site) => self.state.site_ordinal(id)?,
            _ => SiteOrdinal::LOCAL,
        };
        if let Some(place) = self.sites.get_mut(site) {
            *place = Some(ordinal);
        }
        Ok(ordinal)
    }
}
