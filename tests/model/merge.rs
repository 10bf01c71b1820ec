//! What `INSERT INTO crsql_changes` decides and records.

use std::cmp::Ordering;

use super::key::{self, Key};
use super::reach::Situation;
use super::replica::{Change, Replica, SENTINEL, Site};
use super::table::Table;
use super::value::Value;

/// The change cannot be applied; the statement fails and leaves nothing.
#[derive(Debug)]
pub struct Refused;

/// A change that passed validation: places instead of names, stored values instead of sent ones.
struct Incoming {
    table: usize,
    key: Key,
    /// `None` for the sentinel.
    cell: Option<usize>,
    value: Value,
    version: i64,
    db_version: i64,
    site: Site,
    cl: i64,
    seq: i64,
}

impl Replica {
    /// Merges the changes of one statement inside the open transaction; gives how many had an effect.
    pub fn merge(&mut self, changes: &[Change]) -> Result<usize, Refused> {
        let mark = self.mark();
        let mut effective = 0;
        if !changes.is_empty() {
            self.replay(Situation::ReplayedByMerge);
            self.note_names(changes);
        }
        for change in changes {
            match self.merge_one(change) {
                Ok(impact) => effective += usize::from(impact > 0),
                Err(refused) => {
                    self.restore(mark);
                    return Err(refused);
                }
            }
        }
        Ok(effective)
    }

    /// Do changes of one write come to one cell, under several names?
    fn note_names(&mut self, changes: &[Change]) {
        let cell = |change: &Change| {
            let table = self.find_table(&change.table)?;
            Some((table, self.table(table).cell_named(&change.cid)?))
        };
        let is_one_cell = |pair: &[Change]| {
            let [one, other] = pair else { return false };
            (&one.pk, one.db_version) == (&other.pk, other.db_version)
                && one.cid != other.cid
                && cell(one).is_some_and(|place| cell(other) == Some(place))
        };
        if changes.windows(2).any(is_one_cell) {
            self.reach.met(Situation::SeveralNamesOfOneColumn);
        }
    }

    /// Merges or parks a change; gives the number of events that were applied.
    fn merge_one(&mut self, change: &Change) -> Result<i64, Refused> {
        match self.is_unknown(change) {
            Some(true) if self.refuses_unknown => self.refuse(),
            Some(true) if self.find_table(&change.table).is_none() => {
                self.park(change);
                Ok(0)
            }
            Some(true) => {
                // The cell makes, or unmakes, its row as it would if the column were here.
                let impact = self.merge_change(&Change {
                    cid: SENTINEL.to_owned(),
                    ..change.clone()
                })?;
                if change.cl % 2 == 1 {
                    self.park(change);
                }
                if impact > 0 {
                    self.reach.met(Situation::RowOfUnknownColumnMade);
                }
                Ok(impact)
            }
            Some(false) => self.merge_change(change),
            None => self.refuse(),
        }
    }

    fn refuse(&mut self) -> Result<i64, Refused> {
        self.reach.met(Situation::MergeRefused);
        Err(Refused)
    }

    /// Is the change sound, but for a table or column that is not here? `None` if it is refused for something else.
    fn is_unknown(&self, change: &Change) -> Option<bool> {
        let numbers = [change.col_version, change.db_version, change.seq];
        let values = key::unpack(&change.pk)?;
        let is_sound =
            change.cl > 0 && numbers.iter().all(|number| *number >= 0) && change.site.len() == 16;
        if !is_sound {
            return None;
        }
        let Some(place) = self.find_table(&change.table) else {
            return Some(true);
        };
        let table = self.table(place);
        if values.len() != table.key.len() {
            return None;
        }
        table.key_of(&values)?;
        let is_cell = change.cid == SENTINEL || table.cell_named(&change.cid).is_some();
        if !is_cell && table.is_no_cell(&change.cid) {
            return None;
        }
        Some(!is_cell)
    }

    /// The place of a table that is here, by the name that it has, in any ASCII case, or had.
    pub fn find_table(&self, name: &str) -> Option<usize> {
        let tables = &self.schema.tables;
        let is_named = |table: &Table| table.is_here && table.name.eq_ignore_ascii_case(name);
        let was_named =
            |table: &Table| table.is_here && table.former.iter().any(|former| former == name);
        let now = tables.iter().position(is_named);
        now.or_else(|| tables.iter().position(was_named))
    }

    /// Merges a change of a table and column that are here.
    pub fn merge_change(&mut self, change: &Change) -> Result<i64, Refused> {
        let Some(incoming) = self.validate(change) else {
            return self.refuse();
        };
        let table = self.table(incoming.table);
        let is_former = table.name != change.table
            || incoming
                .cell
                .is_some_and(|cell| table.columns[table.cells[cell]].name != change.cid);
        if is_former {
            self.reach.met(Situation::FormerNameMerged);
        }
        let impact = self.decide(&incoming)?;
        if impact > 0 {
            self.has_applied_own |= incoming.site == self.site;
            self.schema.noticed.insert(incoming.table);
            self.reach.met(Situation::MergeApplied);
        }
        self.state.rows_impacted += impact;
        Ok(impact)
    }

    fn validate(&self, change: &Change) -> Option<Incoming> {
        let place = self.find_table(&change.table)?;
        let table = self.table(place);
        let cell = match change.cid.as_str() {
            SENTINEL => None,
            name => Some(table.cell_named(name)?),
        };
        let values = key::unpack(&change.pk)?;
        let is_live = change.cl % 2 == 1;
        let numbers = [change.col_version, change.db_version, change.seq];
        if values.len() != table.key.len()
            || change.cl <= 0
            || numbers.iter().any(|number| *number < 0)
        {
            return None;
        }
        let value = match cell {
            Some(cell) if is_live => table.columns[table.cells[cell]]
                .rule
                .store(&change.val.bound())
                .unwrap_or(change.val.clone()),
            _ => Value::Null,
        };
        Some(Incoming {
            table: place,
            key: table.key_of(&values)?,
            cell,
            value,
            version: change.col_version,
            db_version: change.db_version,
            site: change.site.as_slice().try_into().ok()?,
            cl: change.cl,
            seq: change.seq,
        })
    }

    fn decide(&mut self, incoming: &Incoming) -> Result<i64, Refused> {
        let local_cl = self.causal_length(incoming.table, &incoming.key);
        if incoming.site == self.site {
            self.reach.met(Situation::OwnChangeEchoed);
        }
        if incoming.cl < local_cl {
            self.reach.met(Situation::MergeOfEarlierLife);
            return Ok(0);
        }
        match incoming.cell {
            _ if incoming.cl % 2 == 0 => Ok(self.merge_death(incoming, local_cl)),
            None => Ok(self.merge_life(incoming, local_cl)),
            Some(cell) => self.merge_cell(incoming, cell, local_cl),
        }
    }

    fn merge_death(&mut self, incoming: &Incoming, local_cl: i64) -> i64 {
        if incoming.cl == local_cl {
            self.reach.met(Situation::MergeOfSameDeath);
            return 0;
        }
        self.reach.met(if local_cl == 0 {
            Situation::TombstoneOfUnknownRow
        } else {
            Situation::TombstoneMerged
        });
        self.stamp(incoming);
        let sentinel = self.event(incoming.cl, incoming.site, Some(incoming.seq));
        let row = self.row_mut(incoming.table, &incoming.key);
        row.values = None;
        row.cells.fill(None);
        row.sentinel = Some(sentinel);
        1
    }

    fn merge_life(&mut self, incoming: &Incoming, local_cl: i64) -> i64 {
        if incoming.cl == local_cl {
            self.reach.met(Situation::MergeOfSameSentinel);
            return 0;
        }
        self.reach.met(if local_cl == 0 {
            Situation::LifeStartedBySentinel
        } else {
            Situation::RevivedBySentinel
        });
        self.stamp(incoming);
        self.revive(incoming);
        1
    }

    fn merge_cell(
        &mut self,
        incoming: &Incoming,
        cell: usize,
        local_cl: i64,
    ) -> Result<i64, Refused> {
        let is_new_life = incoming.cl > local_cl;
        if !is_new_life && !self.wins(incoming, cell) {
            return Ok(0);
        }
        self.stamp(incoming);
        let tables = self.tables();
        let table = &tables[incoming.table];
        let column = &table.columns[table.cells[cell]];
        let is_storable = column.rule.store(&incoming.value).is_ok();
        if !is_storable
            || column.not_null && incoming.value.is_null()
            || column.refuses(&incoming.value)
        {
            self.reach.met(Situation::MergeRefusedByConstraint);
            return Err(Refused);
        }
        let mut impact = 1;
        if is_new_life && (incoming.cl > 1 || local_cl > 0) {
            self.reach.met(Situation::RevivedByCell);
            self.revive(incoming);
            impact += 1;
        }
        if incoming.version == 0 {
            self.reach.met(Situation::ZeroedCellMerged);
        }
        if column.is_late && incoming.value.same(&column.stored_default()) {
            self.reach.met(Situation::DefaultMergedInLateColumn);
        }
        let event = self.event(incoming.version, incoming.site, Some(incoming.seq));
        let row = self.row_mut(incoming.table, &incoming.key);
        row.values.get_or_insert_with(|| defaults(table))[cell] = incoming.value.clone();
        row.cells[cell] = Some(event);
        Ok(impact)
    }

    /// Does the incoming cell replace the local one of the same life?
    fn wins(&mut self, incoming: &Incoming, cell: usize) -> bool {
        let is_late = self.table(incoming.table).is_late(cell);
        let row = self.row_mut(incoming.table, &incoming.key);
        let Some(values) = &row.values else {
            return true;
        };
        let Some(event) = &row.cells[cell] else {
            if is_late {
                self.reach.met(Situation::UnsetCellMerged);
            }
            return true;
        };
        let by_version = incoming.version.cmp(&event.version);
        let by_value = incoming.value.compare(&values[cell]);
        let by_site = incoming.site.cmp(&event.site);
        let (wins, situation) = match (by_version, by_value, by_site) {
            (Ordering::Greater, _, _) => return true,
            (Ordering::Less, _, _) => (false, Situation::MergeOfLowerVersion),
            (_, Ordering::Greater, _) => (true, Situation::TieWon),
            (_, Ordering::Less, _) => (false, Situation::TieLost),
            (_, _, Ordering::Greater) if self.merge_equal_values => (true, Situation::TieWonBySite),
            _ => (false, Situation::TieOfEqualValues),
        };
        self.reach.met(situation);
        if situation == Situation::TieWonBySite && incoming.site == self.site {
            self.reach.met(Situation::TieWonByOwnSite);
        }
        wins
    }

    /// The db_version of what is merged: above everything committed, not below anything pending or incoming.
    fn stamp(&mut self, incoming: &Incoming) {
        let (_, pending) = self.next_version_range();
        self.set_next_version(pending.max(incoming.db_version));
    }

    /// A later life of the row begins: what is known of an earlier one counts as version 0 from now on.
    fn revive(&mut self, incoming: &Incoming) {
        let tables = self.tables();
        let sentinel = self.event(incoming.cl, incoming.site, Some(incoming.seq));
        let row = self.row_mut(incoming.table, &incoming.key);
        let was_live = row.values.is_some();
        row.values
            .get_or_insert_with(|| defaults(&tables[incoming.table]));
        row.sentinel = Some(sentinel);
        for cell in 0..tables[incoming.table].cells.len() {
            if self.row_mut(incoming.table, &incoming.key).cells[cell].is_some() {
                self.reach.met(Situation::CellZeroed);
                let event = self.event(0, self.site, Some(incoming.seq));
                self.row_mut(incoming.table, &incoming.key).cells[cell] = Some(event);
            } else if was_live && tables[incoming.table].is_late(cell) {
                self.reach.met(Situation::UnsetCellRevived);
            }
        }
    }
}

fn defaults(table: &Table) -> Vec<Value> {
    table
        .cells
        .iter()
        .map(|column| table.columns[*column].stored_default())
        .collect()
}
