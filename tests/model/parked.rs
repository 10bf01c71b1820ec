//! Changes of tables and columns that are not here yet: of each cell the one that wins, until the schema arrives.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::key::Key;
use super::merge::Refused;
use super::reach::Situation;
use super::replica::{Change, Replica, SENTINEL};

/// By table, key and column, in the order in which they are merged one day.
pub type Parked = BTreeMap<(String, Key, String), Change>;

impl Replica {
    pub fn park(&mut self, change: &Change) {
        let is_table_here = self.find_table(&change.table).is_some();
        self.reach.met(if is_table_here {
            Situation::CellOfUnknownColumnParked
        } else if change.cl % 2 == 0 {
            Situation::TombstoneOfUnknownTableParked
        } else {
            Situation::ChangeOfUnknownTableParked
        });
        let place = (change.table.clone(), change.pk.clone(), change.cid.clone());
        if let Some(held) = self.schema.parked.get(&place).cloned()
            && !self.beats(change, &held)
        {
            return;
        }
        let parked = Rc::make_mut(&mut self.schema.parked);
        parked.insert(place, change.clone());
    }

    /// Does a change win against one for the same cell that waits already?
    fn beats(&mut self, change: &Change, held: &Change) -> bool {
        let by_life = change.cl.cmp(&held.cl);
        let is_cell = change.cl % 2 == 1 && change.cid != SENTINEL;
        let by_version = change.col_version.cmp(&held.col_version);
        let by_value = change.val.bound().compare(&held.val.bound());
        let order = match (by_life, is_cell) {
            (Ordering::Equal, true) => by_version.then(by_value),
            (order, _) => order,
        };
        let is_same = order.is_eq() && is_cell;
        if is_same && self.merge_equal_values {
            let is_larger = change.site > held.site;
            if is_larger {
                self.reach.met(Situation::ParkedTieWonBySite);
                if change.site[..] == self.site {
                    self.reach.met(Situation::ParkedTieWonByOwnSite);
                }
            }
            return is_larger;
        }
        self.reach.met(match order {
            Ordering::Less => Situation::ParkedChangeKept,
            Ordering::Equal => Situation::ParkedChangeRepeated,
            Ordering::Greater => Situation::ParkedChangeReplaced,
        });
        order.is_gt()
    }

    /// Can this change be merged, as far as its table and column go?
    fn is_due(&self, change: &Change) -> bool {
        let table = self.find_table(&change.table);
        table.is_some_and(|place| {
            change.cid == SENTINEL || self.table(place).cell_named(&change.cid).is_some()
        })
    }

    pub fn has_due(&self) -> bool {
        let mut parked = self.schema.parked.values();
        parked.any(|change| self.is_due(change))
    }

    /// Merges what waited for tables and columns that are here by now.
    pub fn replay(&mut self, at: Situation) {
        let parked = Rc::clone(&self.schema.parked);
        for (place, change) in parked.iter() {
            if !self.is_due(change) {
                continue;
            }
            self.reach.met(at);
            match self.merge_change(change) {
                Ok(0) => self.reach.met(Situation::ParkedChangeIgnored),
                Ok(_) => self.reach.met(Situation::ParkedChangeApplied),
                Err(Refused) => continue,
            }
            Rc::make_mut(&mut self.schema.parked).remove(place);
        }
    }
}
