//! The merge rule: what a change from elsewhere does to a row, as a function of what is known of that row.
//!
//! Applying the same changes in any order, any number of times, gives the same row: a later life of the row
//! beats an earlier one, within one life each cell keeps its highest version, and equal versions are settled
//! by the order of their values.

use super::change::{CausalLength, Claim, ColumnVersion};
use super::value::ValueRef;
use std::cmp::Ordering;

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is known or outdated.
    Ignore,
    /// The row goes; only its causal length stays.
    Delete,
    /// The row exists, in a life that starts with what its cells hold now.
    Revive,
    /// The cell takes the value.
    Write,
    /// The row is revived, then the cell takes the value.
    ReviveAndWrite,
    /// The versions are equal: `settles_tie` decides between `Write` and `Ignore`.
    Tie,
}

/// What the replica knows of the row and of the cell concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The row's causal length.
    pub cl: CausalLength,
    /// Whether the row is in the table. It is when `cl` says live, unless writes went uncaptured.
    pub exists: bool,
    /// The version of the cell; none if it was never set in this life.
    pub cell: Option<ColumnVersion>,
}

/// Decides on one change with causal length `cl`.
pub fn judge(known: Known, cl: CausalLength, claim: Claim) -> Verdict {
    if cl < known.cl {
        return Verdict::Ignore;
    }
    let is_new_life = cl > known.cl;
    if !cl.is_live() {
        return if is_new_life {
            Verdict::Delete
        } else {
            Verdict::Ignore
        };
    }
    match claim {
        Claim::Sentinel if is_new_life => Verdict::Revive,
        Claim::Sentinel => Verdict::Ignore,
        Claim::Cell(_) if is_new_life && cl == CausalLength::FIRST_LIFE => Verdict::Write,
        Claim::Cell(_) if is_new_life => Verdict::ReviveAndWrite,
        Claim::Cell(version) => match known.cell {
            Some(held) if known.exists => match version.cmp(&held) {
                Ordering::Less => Verdict::Ignore,
                Ordering::Equal => Verdict::Tie,
                Ordering::Greater => Verdict::Write,
            },
            _ => Verdict::Write,
        },
    }
}

/// Who wins between equal values of equal version.
#[derive(Debug, Clone, Copy)]
pub enum EqualValues<'a> {
    /// What is here stays.
    KeepLocal,
    /// The larger site id wins, so that replicas agree on the author as well.
    LargerSite {
        /// Site that wrote the value held here
        held: &'a [u8],
        /// Site that wrote the incoming value
        incoming: &'a [u8],
    },
}

/// Whether an incoming value of equal version replaces the held one.
pub fn settles_tie(held: ValueRef<'_>, incoming: ValueRef<'_>, equal: EqualValues<'_>) -> bool {
    match incoming.merge_order(held) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal => match equal {
            EqualValues::KeepLocal => false,
            EqualValues::LargerSite { held, incoming } => incoming > held,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(known_cl: u64, cell: Option<u64>, cl: u64, version: Option<u64>) -> Verdict {
        let known = Known {
            cl: CausalLength(known_cl),
            exists: known_cl % 2 == 1,
            cell: cell.map(ColumnVersion),
        };
        let claim = version.map_or(Claim::Sentinel, |v| Claim::Cell(ColumnVersion(v)));
        judge(known, CausalLength(cl), claim)
    }

    #[test]
    fn an_earlier_life_never_wins() {
        assert_eq!(verdict(3, Some(1), 1, Some(999)), Verdict::Ignore);
        assert_eq!(verdict(3, Some(1), 2, None), Verdict::Ignore);
        assert_eq!(verdict(2, None, 1, Some(9)), Verdict::Ignore);
    }

    #[test]
    fn a_delete_beats_every_write_of_the_life_it_ends() {
        assert_eq!(verdict(1, Some(999), 2, None), Verdict::Delete);
        assert_eq!(verdict(0, None, 4, None), Verdict::Delete);
        assert_eq!(verdict(2, None, 2, None), Verdict::Ignore);
    }

    #[test]
    fn a_cell_of_a_later_life_revives_the_row() {
        assert_eq!(verdict(2, None, 3, Some(1)), Verdict::ReviveAndWrite);
        assert_eq!(verdict(1, Some(7), 3, Some(1)), Verdict::ReviveAndWrite);
        assert_eq!(verdict(0, None, 3, Some(1)), Verdict::ReviveAndWrite);
        assert_eq!(verdict(0, None, 1, Some(1)), Verdict::Write);
    }

    #[test]
    fn within_a_life_the_higher_version_wins() {
        assert_eq!(verdict(1, Some(2), 1, Some(3)), Verdict::Write);
        assert_eq!(verdict(1, Some(2), 1, Some(2)), Verdict::Tie);
        assert_eq!(verdict(1, Some(2), 1, Some(1)), Verdict::Ignore);
        assert_eq!(verdict(1, None, 1, Some(0)), Verdict::Write);
        assert_eq!(verdict(1, None, 1, None), Verdict::Ignore);
        assert_eq!(verdict(1, Some(1), 3, None), Verdict::Revive);
    }

    #[test]
    fn equal_versions_are_settled_by_value_then_site() {
        let (one, two) = (ValueRef::Integer(1), ValueRef::Integer(2));
        assert!(settles_tie(one, two, EqualValues::KeepLocal));
        assert!(!settles_tie(two, one, EqualValues::KeepLocal));
        assert!(!settles_tie(one, one, EqualValues::KeepLocal));
        let by_site = |held, incoming| EqualValues::LargerSite { held, incoming };
        assert!(settles_tie(one, one, by_site(b"a", b"b")));
        assert!(!settles_tie(one, one, by_site(b"b", b"b")));
        assert!(!settles_tie(two, one, by_site(b"a", b"b")));
    }
}
