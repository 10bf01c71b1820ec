//! The counters and ids of replication, and one change as replicas exchange it.

use serde::{Deserialize, Serialize};

/// No counter from outside may be larger than this (2^53, the largest range of whole numbers that every
/// language's number type holds). It leaves a distance to 2^63 that no replica can write its way through.
pub const COUNTER_MAX: i64 = 1 << 53;

/// A version from outside above this one (2^52) does not move the receiver's clock: no peer can use up the
/// versions of another.
pub const VERSION_FOLLOWED_MAX: DbVersion = DbVersion(1 << 52);

/// A seq from outside above this one (2^52) is not kept: the seqs that follow it in the receiver's transaction
/// must be such that peers accept them.
pub const SEQ_FOLLOWED_MAX: Seq = Seq(1 << 52);

/// Site ids are at most this long in bytes.
pub const SITE_ID_BYTES_MAX: usize = 16;

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// Takes a counter from SQL: none if it is negative or above `COUNTER_MAX`.
            pub fn from_sql(value: i64) -> Option<$name> {
                (0..=COUNTER_MAX).contains(&value).then_some($name(value as u64))
            }

            /// The counter as SQL sees it.
            pub fn to_sql(self) -> i64 {
                self.0 as i64
            }

            /// Whether peers refuse it, because it is above `COUNTER_MAX`.
            pub fn is_used_up(self) -> bool {
                self.0 > COUNTER_MAX as u64
            }
        }
    };
}

counter!(
    /// The Lamport clock of a database; one per writing transaction.
    DbVersion
);
counter!(
    /// The position inside one `DbVersion`.
    Seq
);
counter!(
    /// How often a cell was written in the current life of its row; 0 for a cell carried over from an earlier life.
    ColumnVersion
);
counter!(
    /// How often a row was created or deleted: 0 never seen, odd live, even deleted.
    CausalLength
);

impl DbVersion {
    /// The version after this one.
    pub fn next(self) -> DbVersion {
        DbVersion(self.0 + 1)
    }
}

impl Seq {
    /// The position `count` further on.
    pub fn plus(self, count: u64) -> Seq {
        Seq(self.0 + count)
    }
}

impl ColumnVersion {
    /// The version of a cell's first write.
    pub const FIRST: ColumnVersion = ColumnVersion(1);
    /// The version of a cell that a new life of its row inherited.
    pub const INHERITED: ColumnVersion = ColumnVersion(0);

    /// The version of the next write.
    pub fn next(self) -> ColumnVersion {
        ColumnVersion(self.0 + 1)
    }
}

impl CausalLength {
    /// The row was never heard of.
    pub const UNKNOWN: CausalLength = CausalLength(0);
    /// The row lives for the first time.
    pub const FIRST_LIFE: CausalLength = CausalLength(1);

    /// Whether a row of this causal length exists.
    pub fn is_live(self) -> bool {
        self.0 % 2 == 1
    }

    /// The causal length of a deletion after this: the next even one.
    pub fn next_delete(self) -> CausalLength {
        CausalLength((self.0 | 1) + 1)
    }

    /// The causal length of a creation after this: the next odd one.
    pub fn next_create(self) -> CausalLength {
        CausalLength((self.0 + 1) | 1)
    }
}

/// The small id of a replicated table, local to one database. No two tables have the same at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableId(pub i64);

/// The small id of a column inside its table, local to one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnId(pub u32);

/// The small number of a site, local to one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SiteOrdinal(pub u64);

impl SiteOrdinal {
    /// This database.
    pub const LOCAL: SiteOrdinal = SiteOrdinal(0);
}

/// A place in the order of all changes of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Position {
    /// The transaction.
    pub version: DbVersion,
    /// The place inside it.
    pub seq: Seq,
}

impl Position {
    /// The position as one number, which is quicker to compare.
    pub fn order(self) -> u128 {
        u128::from(self.version.0) << 64 | u128::from(self.seq.0)
    }
}

/// The text that stands for a row's causal length in the `cid` column.
pub const SENTINEL: &str = "-1";

/// The columns of `crsql_changes`, by index.
pub mod column {
    /// The table's name
    pub const TABLE: usize = 0;
    /// The packed key
    pub const PK: usize = 1;
    /// The column's name, or the sentinel
    pub const CID: usize = 2;
    /// The value
    pub const VAL: usize = 3;
    /// The cell's version
    pub const COL_VERSION: usize = 4;
    /// The version of the transaction
    pub const DB_VERSION: usize = 5;
    /// The author
    pub const SITE_ID: usize = 6;
    /// The row's causal length
    pub const CL: usize = 7;
    /// The place in the transaction
    pub const SEQ: usize = 8;
    /// How many there are
    pub const COUNT: usize = 9;
}

/// What one change says about its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The row was deleted, or created, at the change's causal length.
    Sentinel,
    /// A column was written for the given time.
    Cell(ColumnVersion),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causal_lengths_alternate() {
        assert_eq!(CausalLength(0).next_create(), CausalLength(1));
        assert_eq!(CausalLength(0).next_delete(), CausalLength(2));
        assert_eq!(CausalLength(1).next_create(), CausalLength(3));
        assert_eq!(CausalLength(1).next_delete(), CausalLength(2));
        assert_eq!(CausalLength(2).next_create(), CausalLength(3));
        assert_eq!(CausalLength(2).next_delete(), CausalLength(4));
    }

    #[test]
    fn counters_from_outside_are_bounded() {
        assert_eq!(DbVersion::from_sql(COUNTER_MAX), Some(DbVersion(1 << 53)));
        assert_eq!(DbVersion::from_sql(COUNTER_MAX + 1), None);
        assert_eq!(Seq::from_sql(-1), None);
    }
}
