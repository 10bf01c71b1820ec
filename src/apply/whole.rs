//! Merging whole rows: the cells of a row that come together are decided on one by one, by the rule of
//! `crdt::merge`, and written by one statement.
//!
//! ```text
//! row --no record, not there--> INSERT of all its cells --came whole--> log entry, no record
//!     --no record, there------> nothing wins (most often): done
//!     --else------------------> held row: judge each cell, write the winners, clock in memory
//! ```

use super::incoming::{self, Received};
use super::{load, parked, wins_tie};
use crate::crdt::change::{CausalLength, Claim, ColumnVersion, SiteOrdinal, column};
use crate::crdt::changeset::{CellRead, Header, RowView};
use crate::crdt::clock::RowClock;
use crate::crdt::key as packed_key;
use crate::crdt::merge::{EqualValues, Known, Verdict, judge, settles_tie};
use crate::crdt::value::{Affinity, Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::crr::{SetUse, slot, write_slot};
use crate::schema::key::canonical;
use crate::schema::{Crr, Key, late};
use crate::sql::{self, quoted};
use crate::state::{HeldRow, State};
use crate::store::row_finder::RowFinder;
use std::rc::Rc;

/// What the rows of one group have in common here.
struct Target {
    /// The table; none if it is not here
    crr: Option<Rc<Crr>>,
    /// The indexes of the columns; none for those that are not here
    columns: Vec<Option<usize>>,
    /// As `columns`, if all are here
    known: Option<Vec<usize>>,
    /// Whether they are all columns of the table, in its order
    is_whole: bool,
    insert_slot: Option<usize>,
    /// Whether the last row was not there before
    expects_new: bool,
    rows: Option<RowFinder>,
}

/// The merge of one changeset.
pub(super) struct Merging<'s> {
    state: &'s State,
    header: Rc<Header>,
    targets: Vec<Option<Target>>,
    sites: Vec<Option<SiteOrdinal>>,
    keeps_equal: bool,
    /// Changes that won
    pub(super) won: i64,
    /// As `won`, with a revival counted as one more
    pub(super) events: i64,
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

/// Whether a column of this affinity stores the value as it is.
fn is_stored_form(value: ValueRef<'_>, affinity: Affinity) -> bool {
    match (value, affinity) {
        (_, Affinity::None) | (ValueRef::Null | ValueRef::Blob(_), _) => true,
        (ValueRef::Text(_), Affinity::Text) => true,
        (ValueRef::Integer(_), Affinity::Numeric) => true,
        (ValueRef::Real(_), Affinity::Real) => true,
        _ => false,
    }
}

impl<'s> Merging<'s> {
    /// Starts to merge a changeset.
    pub(super) fn new(state: &'s State, header: Rc<Header>) -> Merging<'s> {
        Merging {
            state,
            sites: vec![None; header.sites.len()],
            header,
            targets: Vec::new(),
            keeps_equal: false,
            won: 0,
            events: 0,
        }
    }

    /// Other groups follow.
    pub(super) fn start_chunk(&mut self) {
        self.targets.clear();
    }

    /// Merges a row.
    pub(super) fn merge(&mut self, row: &RowView<'_, '_>) -> Result<()> {
        if self.targets.len() <= row.group {
            self.targets.resize_with(row.group + 1, || None);
        }
        let mut target = match self.targets.get_mut(row.group).and_then(Option::take) {
            Some(target) => target,
            None => self.find_target(row)?,
        };
        let outcome = self.merge_into(&mut target, row);
        if let Some(place) = self.targets.get_mut(row.group) {
            *place = Some(target);
        }
        outcome
    }

    fn find_target(&mut self, row: &RowView<'_, '_>) -> Result<Target> {
        self.keeps_equal = !self.state.merges_equal_values()?;
        let unlisted = || Error::Internal("a row of a table that the header lacks".to_owned());
        let table = self.header.tables.get(row.table).ok_or_else(unlisted)?;
        let crr = match self.state.table_by_name(&table.name)? {
            Some(crr) => Some(self.state.registered(&crr, None)?),
            None => None,
        };
        let index = |place: &u32| {
            let column = table.columns.get(*place as usize)?;
            crr.as_ref()?.column(&column.name).map(|(index, _)| index)
        };
        let columns: Vec<Option<usize>> = row.columns.iter().map(index).collect();
        let known: Option<Vec<usize>> = columns.iter().copied().collect();
        let known = known.filter(|_| crr.is_some());
        if let (Some(crr), Some(known)) = (&crr, &known) {
            check_distinct(crr, known)?;
        }
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
            is_whole,
            insert_slot,
            expects_new: true,
            rows: crr
                .as_ref()
                .map(|crr| RowFinder::new(self.state.store.connection, crr)),
            crr,
        })
    }

    fn merge_into(&mut self, target: &mut Target, row: &RowView<'_, '_>) -> Result<()> {
        let header = Rc::clone(&self.header);
        let site = header.sites.get(row.site).map(Vec::as_slice);
        let site = site.filter(|site| !self.state.is_own_site(site));
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

    /// Merges a row with columns that are not here: these are parked, the others merged.
    fn merge_apart(
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
        if let Some(crr) = &target.crr
            && !columns.is_empty()
        {
            check_distinct(crr, &columns)?;
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
            self.merge_fitting(&fitting, place)?;
        }
        let unknown = target.columns.iter().enumerate();
        let unknown = unknown.filter(|(_, index)| index.is_none());
        for (place, _) in unknown {
            self.park_or_refuse(row, Some(place))?;
        }
        match target.columns.is_empty() {
            true => self.park_or_refuse(row, None),
            false => Ok(()),
        }
    }

    /// Parks a change of a table or column that is not here.
    fn park_or_refuse(&self, row: &RowView<'_, '_>, place: Option<usize>) -> Result<()> {
        let pk = packed_key::pack(row.key.iter().copied());
        let table = self.header.tables.get(row.table);
        let name = place
            .and_then(|place| row.columns.get(place))
            .and_then(|column| table?.columns.get(*column as usize))
            .map_or(crate::crdt::change::SENTINEL, |column| &column.name);
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
        match incoming::read(self.state, &values)? {
            Received::Unknown(unknown) => {
                parked::park(self.state, &unknown, values[column::VAL])?;
                self.state.settle();
                Ok(())
            }
            Received::Change(_) => Err(Error::Internal(
                "a change of a known column was to be parked".to_owned(),
            )),
        }
    }

    /// The key as this table stores it.
    fn key(&self, crr: &Crr, values: &[ValueRef<'_>]) -> Result<Key> {
        let refusal = |reason: &str| Err(incoming::key_refusal(&crr.name, reason));
        if values.len() != crr.key_columns.len() {
            let (found, expected) = (values.len(), crr.key_columns.len());
            return refusal(&format!("it has {found} values for {expected} key columns"));
        }
        let mut is_as_stored = true;
        for (value, column) in values.iter().zip(&crr.key_columns) {
            if matches!(value, ValueRef::Null) {
                return refusal(&format!("{} can't be NULL", quoted(&column.name)));
            }
            is_as_stored &= is_stored_form(*value, column.affinity);
        }
        let stored: Vec<Value>;
        let key = if is_as_stored {
            rowid_of(crr, values.first().copied())?;
            crr.key_of_values(values.iter().copied())?
        } else {
            stored = values
                .iter()
                .zip(&crr.key_columns)
                .map(|(value, column)| {
                    self.state
                        .store
                        .with_affinity(ValueRef::to_owned(*value), column.affinity)
                })
                .collect::<Result<_>>()?;
            rowid_of(crr, stored.first().map(Value::as_ref))?;
            crr.key_of_values(stored.iter().map(Value::as_ref))?
        };
        Ok(key)
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
            if self.insert_new(fitting, &place)? {
                *place.expects_new = true;
                return Ok(());
            }
            let was_expected = std::mem::replace(place.expects_new, false);
            if was_expected && self.is_known(fitting, &mut place)? {
                return Ok(());
            }
        }
        place.stop();
        let mut held = match held {
            Some(held) => held,
            None => load(self.state, crr, key, &[])?,
        };
        let outcome = self.merge_held(fitting, &mut held);
        self.state.hold(held, epoch);
        self.state.settle();
        outcome
    }

    /// The number of the author here.
    fn ordinal(&mut self, fitting: &Fitting<'_, '_>) -> Result<SiteOrdinal> {
        let Some(site) = fitting.site else {
            return Ok(SiteOrdinal::LOCAL);
        };
        if let Some(Some(known)) = self.sites.get(fitting.row.site) {
            return Ok(*known);
        }
        let ordinal = self.state.site_ordinal(site)?;
        if let Some(place) = self.sites.get_mut(fitting.row.site) {
            *place = Some(ordinal);
        }
        Ok(ordinal)
    }

    /// Whether a row without a record is here and none of its cells loses to those that came.
    fn is_known(&self, fitting: &Fitting<'_, '_>, place: &mut Place<'_>) -> Result<bool> {
        let (crr, row) = (fitting.crr, fitting.row);
        let Some(rows) = place.rows.as_deref_mut() else {
            return Ok(false);
        };
        if !self.keeps_equal || crr.has_late() {
            return Ok(false);
        }
        let known = Known {
            cl: CausalLength::FIRST_LIFE,
            exists: true,
            cell: Some(ColumnVersion::FIRST),
        };
        let loses = |cell: &CellRead<'_>, index: usize, here: &RowFinder| {
            match judge(known, row.cl, Claim::Cell(cell.version)) {
                Verdict::Ignore => true,
                Verdict::Tie => {
                    let affinity = crr.columns.get(index).map(|column| column.affinity);
                    // What the column stores in another form is left to the slow way.
                    affinity.is_some_and(|affinity| is_stored_form(cell.value, affinity))
                        && !settles_tie(here.value(index), cell.value, EqualValues::KeepLocal)
                }
                _ => false,
            }
        };
        let is_here = with_key_values(crr, row.key, &fitting.key, |values| rows.find(values))?;
        let mut cells = row.cells.iter().zip(fitting.columns);
        Ok(is_here && cells.all(|(cell, index)| loses(cell, *index, rows)))
    }

    /// Makes a row that has no record; false if it is there, or a trigger of the application ignores it.
    fn insert_new(&mut self, fitting: &Fitting<'_, '_>, place: &Place<'_>) -> Result<bool> {
        let (state, crr, row) = (self.state, fitting.crr, fitting.row);
        let is_written = with_key_values(crr, row.key, &fitting.key, |key| {
            let cells = row.cells.iter().map(|cell| cell.value);
            let values = key.iter().copied().chain(cells);
            run_set(
                state,
                crr,
                SetUse::Insert,
                fitting.columns,
                place.insert_slot,
                values,
            )
        })?;
        state.settle();
        let Some(first) = row.cells.first().filter(|_| is_written) else {
            return Ok(false);
        };
        let site = self.ordinal(fitting)?;
        let count = row.cells.len() as i64;
        self.won += count;
        self.events += count;
        let is_pristine = |cell: &CellRead<'_>| cell.version == ColumnVersion::FIRST;
        if place.is_whole && !crr.has_late() && row.cells.iter().all(is_pristine) {
            let at = state.keep(state.plan_merged(row.version, first.seq, 1)?);
            state.pass(at, crr.insert_stride());
            state
                .log_first_insert(crr, &fitting.key, at, site)
                .inspect_err(|_| state.doom())?;
            return Ok(true);
        }
        let mut held = HeldRow {
            crr: Rc::clone(crr),
            key: fitting.key.clone(),
            pk: Vec::new(),
            values: crr.key_values(&fitting.key)?,
            clock: RowClock::unknown(),
            exists: true,
            was_unknown: true,
            is_dirty: true,
            late: Vec::new(),
        };
        held.clock.cl = row.cl;
        for (cell, index) in row.cells.iter().zip(fitting.columns) {
            self.set_cell(fitting, &mut held, cell, *index, site)?;
        }
        state.hold(held, state.epoch());
        Ok(true)
    }

    /// Records a cell that won, at its place in the log.
    fn set_cell(
        &self,
        fitting: &Fitting<'_, '_>,
        held: &mut HeldRow,
        cell: &CellRead<'_>,
        index: usize,
        site: SiteOrdinal,
    ) -> Result<()> {
        let state = self.state;
        let at = state.keep(state.plan_merged(fitting.row.version, cell.seq, 1)?);
        let Some(column) = fitting.crr.columns.get(index) else {
            return Ok(());
        };
        held.clock.set_cell(at, site, column.id, cell.version);
        if let Some(default) = &column.late {
            let value = self.stored(cell.value, column.affinity)?;
            held.note_late(column.id, late::holds(value.as_ref(), default));
        }
        Ok(())
    }

    fn stored(&self, value: ValueRef<'_>, affinity: Affinity) -> Result<Value> {
        self.state.store.with_affinity(value.to_owned(), affinity)
    }

    /// Decides on the cells one by one, writes the row, then its clock.
    fn merge_held(&mut self, fitting: &Fitting<'_, '_>, held: &mut HeldRow) -> Result<()> {
        let (state, row) = (self.state, fitting.row);
        let before = (held.clock.clone(), held.exists, held.late.clone());
        let (won, events) = (self.won, self.events);
        let mut winners: Vec<usize> = Vec::new();
        let mut here: Option<Vec<Value>> = None;
        let claims = row.cells.len().max(1);
        let mut exists = held.exists;
        for place in 0..claims {
            let cell = row.cells.get(place);
            let column = fitting
                .columns
                .get(place)
                .and_then(|index| fitting.crr.columns.get(*index));
            let claim = cell.map_or(Claim::Sentinel, |cell| Claim::Cell(cell.version));
            let known = Known {
                cl: held.clock.cl,
                exists,
                cell: column.and_then(|column| held.clock.column_version(column.id)),
            };
            let mut verdict = judge(known, row.cl, claim);
            if verdict == Verdict::Tie
                && let (Some(cell), Some(column), Some(index)) =
                    (cell, column, fitting.columns.get(place))
            {
                let row_here = match &mut here {
                    Some(row_here) => row_here,
                    none => none.insert(self.row_here(fitting, held)?),
                };
                let value = self.stored(cell.value, column.affinity)?;
                let values = (
                    row_here.get(*index).map_or(ValueRef::Null, Value::as_ref),
                    value.as_ref(),
                );
                if wins_tie(state, held, column.id, fitting.site, values)? {
                    verdict = Verdict::Write;
                }
            }
            let revives = matches!(verdict, Verdict::Revive | Verdict::ReviveAndWrite);
            if matches!(verdict, Verdict::Ignore | Verdict::Tie) {
                continue;
            }
            let site = self.ordinal(fitting)?;
            if verdict == Verdict::Delete {
                let at = state.keep(state.plan_merged(row.version, row.seq, 1)?);
                held.clock.start_over(row.cl, at, site);
                exists = false;
            }
            if revives {
                let seq = cell.map_or(row.seq, |cell| cell.seq);
                let at = state.keep(state.plan_merged(row.version, seq, 1)?);
                let columns = fitting.crr.column_ids();
                held.clock.revive(row.cl, at, site, columns);
                exists = true;
                self.events += i64::from(verdict == Verdict::ReviveAndWrite);
            }
            if matches!(verdict, Verdict::Write | Verdict::ReviveAndWrite)
                && let (Some(cell), Some(index)) = (cell, fitting.columns.get(place))
            {
                held.clock.cl = row.cl;
                self.set_cell(fitting, held, cell, *index, site)?;
                winners.push(place);
                exists = true;
            }
            self.won += 1;
            self.events += 1;
        }
        if self.won == won {
            return Ok(());
        }
        if self.write_row(fitting, held, &winners, exists)? {
            held.exists = exists;
            held.is_dirty = true;
        } else {
            (held.clock, held.exists, held.late) = before;
            (self.won, self.events) = (won, events);
        }
        Ok(())
    }

    /// The row as it is in the table.
    fn row_here(&self, fitting: &Fitting<'_, '_>, held: &HeldRow) -> Result<Vec<Value>> {
        let crr = fitting.crr;
        let text = || crr.row_get_sql();
        let row = crr
            .statements
            .with(slot::ROW_GET, self.state.store.connection, text, |get| {
                get.first(held.values.iter().map(Value::as_ref), |row| {
                    (0..crr.columns.len())
                        .map(|index| row.value(index).to_owned())
                        .collect()
                })
            })?;
        Ok(row.unwrap_or_default())
    }

    /// Brings the row to what was decided; false if a trigger of the application ignored that.
    fn write_row(
        &self,
        fitting: &Fitting<'_, '_>,
        held: &HeldRow,
        winners: &[usize],
        exists: bool,
    ) -> Result<bool> {
        let (state, crr) = (self.state, fitting.crr);
        let key = held.values.iter().map(Value::as_ref);
        let columns: Vec<usize> = winners
            .iter()
            .filter_map(|place| fitting.columns.get(*place).copied())
            .collect();
        let cells = winners
            .iter()
            .filter_map(|place| Some(fitting.row.cells.get(*place)?.value));
        match (held.exists, exists) {
            (true, true) if winners.is_empty() => Ok(true),
            (false, false) => Ok(true),
            (true, false) => {
                let is_gone = super::delete_row(state, crr, held)?;
                if is_gone {
                    state.take_note(crr.id, &held.key);
                }
                Ok(is_gone)
            }
            (is_there, _) => {
                let set_use = if is_there {
                    SetUse::Update
                } else {
                    SetUse::Insert
                };
                let slot = crr.set_slot(set_use, &columns);
                run_set(state, crr, set_use, &columns, slot, key.chain(cells))
            }
        }
    }
}

/// Stops a row that names a column twice, in another spelling.
fn check_distinct(crr: &Crr, columns: &[usize]) -> Result<()> {
    let mut sorted = columns.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    match sorted.len() == columns.len() {
        true => Ok(()),
        false => Err(Error::Change(format!(
            "the changeset names a column of table {} twice, in another spelling",
            quoted(&crr.name)
        ))),
    }
}

/// Stops a key that is no rowid where there must be one.
fn rowid_of(crr: &Crr, value: Option<ValueRef<'_>>) -> Result<()> {
    match value {
        Some(ValueRef::Integer(_)) => Ok(()),
        _ if !crr.is_rowid_keyed => Ok(()),
        _ => {
            let names = sql::join(", ", crr.key_names().map(quoted));
            Err(incoming::key_refusal(
                &crr.name,
                &format!("{names} must be an INTEGER"),
            ))
        }
    }
}

/// Runs `work` with the values of a key as the table stores them. `came` are those values, where they came so.
fn with_key_values<T>(
    crr: &Crr,
    came: &[ValueRef<'_>],
    key: &Key,
    work: impl FnOnce(&[ValueRef<'_>]) -> Result<T>,
) -> Result<T> {
    if let Key::Rowid(rowid) = key {
        return work(&[ValueRef::Integer(*rowid)]);
    }
    let all = came.iter().zip(&crr.key_columns);
    let mut checked = all.clone();
    if checked.all(|(value, column)| is_stored_form(*value, column.affinity)) {
        let values: Vec<ValueRef<'_>> = all.map(|(v, c)| canonical(*v, c.affinity)).collect();
        return work(&values);
    }
    let values = crr.key_values(key)?;
    let values: Vec<ValueRef<'_>> = values.iter().map(Value::as_ref).collect();
    work(&values)
}

/// Runs the statement for a set of columns; false if it changed nothing.
fn run_set<'v>(
    state: &State,
    crr: &Crr,
    set_use: SetUse,
    columns: &[usize],
    slot: Option<usize>,
    values: impl Iterator<Item = ValueRef<'v>>,
) -> Result<bool> {
    let connection = state.store.connection;
    let text = || crr.set_sql(set_use, columns);
    let changed = match slot {
        Some(slot) => {
            debug_assert!(slot > write_slot::ROW_INSERT_BARE);
            crr.writes
                .with(slot, connection, text, |statement| statement.run(values))
        }
        None => connection
            .prepare(&text())
            .and_then(|mut statement| statement.run(values)),
    };
    let changed = changed
        .map_err(|error| error.during(format_args!("merging into table {}", quoted(&crr.name))))?;
    Ok(changed > 0)
}
