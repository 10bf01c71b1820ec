//! The parts of transactions that a replica keeps until it can apply them, as the format's description says.

use std::collections::BTreeMap;

use crate::model::replica::{Change, Site};

use super::reach::{Met, Reached};

/// What a changeset says of itself, with the changes in it.
#[derive(Clone, Debug)]
pub struct Changeset {
    pub data: Vec<u8>,
    pub site: Site,
    /// What it follows: a version, and perhaps a seq inside it.
    pub after: (i64, Option<i64>),
    pub first_version: i64,
    pub last: (i64, i64),
    pub part: Part,
    pub changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    More,
    Last,
}

#[derive(Clone, Debug)]
struct Kept {
    is_last: bool,
    changes: Vec<Change>,
}

/// By sender and version, then by the range of seqs.
#[derive(Clone, Debug, Default)]
pub struct Parts(BTreeMap<(Site, i64), BTreeMap<(i64, i64), Kept>>);

impl Parts {
    /// The lists of changes that are to be merged now that a changeset came; where it is applied in slices, in so many
    /// transactions.
    pub fn receive(
        &mut self,
        changeset: &Changeset,
        reached: &mut Reached,
    ) -> Vec<Vec<Vec<Change>>> {
        let mut due = Vec::new();
        if let (version, Some(seq)) = changeset.after
            && changeset.first_version > version
        {
            // Nothing more is left of the transaction that it follows.
            let ended = self.take(changeset.site, version, Some(seq));
            if !ended.is_empty() {
                reached.met(Met::PartsEndedBySuccessor);
            }
            due.extend(ended);
        }
        if changeset.part == Part::Whole {
            due.push(changeset.changes.clone());
            // It also brought the transactions of which only parts were here. Those parts may hold an author more.
            let span = changeset.after.0 + 1..=changeset.last.0;
            let is_whole =
                |place: &&(Site, i64)| place.0 == changeset.site && span.contains(&place.1);
            let whole: Vec<_> = self.0.keys().filter(is_whole).copied().collect();
            let whole = whole.iter().filter_map(|place| self.0.remove(place));
            let whole = whole.map(|kept| kept.into_values().map(|kept| kept.changes).collect());
            return std::iter::once(due).chain(whole).collect();
        }
        let (version, last_seq) = changeset.last;
        let first_seq = match changeset.after {
            (after, Some(seq)) if after == version => seq + 1,
            _ => 0,
        };
        let of_version = self.0.entry((changeset.site, version)).or_default();
        let before = of_version.get(&(first_seq, last_seq));
        let is_last = changeset.part == Part::Last || before.is_some_and(|kept| kept.is_last);
        let changes = changeset.changes.clone();
        of_version.insert((first_seq, last_seq), Kept { is_last, changes });
        reached.met(Met::PartKept);
        let end = (changeset.part == Part::Last).then_some(last_seq);
        let applied = self.take(changeset.site, version, end);
        if !applied.is_empty() {
            reached.met(Met::PartsApplied);
        }
        due.extend(applied);
        vec![due]
    }

    /// The parts of a transaction, if they reach from its start to its end.
    fn take(&mut self, site: Site, version: i64, end: Option<i64>) -> Vec<Vec<Change>> {
        let Some(parts) = self.0.get(&(site, version)) else {
            return Vec::new();
        };
        let (mut reach, mut is_whole, mut due) = (0, false, Vec::new());
        for ((first, last), kept) in parts {
            if *first > reach {
                break;
            }
            reach = reach.max(last + 1);
            is_whole |= kept.is_last || end.is_some_and(|end| reach > end);
            due.push(kept.changes.clone());
        }
        if !is_whole {
            return Vec::new();
        }
        self.0.remove(&(site, version));
        due
    }
}
