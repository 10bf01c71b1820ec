//! How far the schedules reach: a count for each situation that the test must have met.

macro_rules! situations {
    ($($name:ident),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Situation { $($name),* }
        impl Situation {
            pub const ALL: &[Situation] = &[$(Situation::$name),*];
        }
    };
}

situations! {
    RowInserted, RowReplaced, RowReplacedAsDelete, InsertIgnored, UpsertUpdated, AutomaticRowid,
    CellUpdated, UpdateWithoutChange, RowDeleted, RowRecreated, InsertedAndDeletedAtOnce, KeyMoved,
    KeyMovedToTombstone, KeyMovedOverFirstLife, KeyMovedOverLaterLife, StatementFailed,
    StatementStopped, StatementRolledBack, MergeApplied, MergeOfEarlierLife, MergeOfSameDeath,
    MergeOfSameSentinel, MergeOfLowerVersion, TieWon, TieLost, TieOfEqualValues, TieWonBySite, TieWonByOwnSite, ParkedTieWonBySite, ParkedTieWonByOwnSite,
    TombstoneMerged, TombstoneOfUnknownRow, LifeStartedBySentinel, RevivedBySentinel, RevivedByCell,
    CellZeroed, ZeroedCellMerged, MergeRefused, MergeRefusedByConstraint, Rollback,
    RollbackToSavepoint, NestedSavepoint, VersionRaised, QuietStatement, ReadInsideTransaction,
    MergeBesideLocalWrite, DeliveredWhole, DeliveredAsChangeset, DeliveredInSlices, DeliveredInPart, DeliveredTwice, DeliveredCellByCell,
    DeliveredOutOfOrder, PulledSinceCursor, Relayed, OwnChangeEchoed, Reopened, SecondConnection,
    RebuiltFromChanges, EqualValuesMergedSchedule, RecursiveTriggersSchedule,
    ColumnAdded, ColumnAddedWithDefault, ColumnAddedNotNull, ColumnBecameLate, GeneratedColumnAdded,
    ColumnRenamed, ColumnDropped, NameUsedAgain, TableRenamed, TableCreatedLate, TableDropped,
    TableCreatedAgain, TableRebuilt, RebuiltCellRecorded, RowLeftSilent,
    AlteredPlainly, AlteredInSession, AlteredInTransaction, AlteredByOtherConnection,
    AlteredBesideLocalWrite, WrittenInSession, SessionEndedByCommit, SessionRolledBack,
    SessionRefused, AlterUndoneBySavepoint, DeliveredAcrossSchemas, UnsetCellWritten,
    UnsetCellReplaced, UnsetCellMoved, UnsetCellMerged, UnsetCellRevived, DefaultInsertedInLateColumn,
    DefaultMergedInLateColumn, CellOfUnknownColumnParked, ChangeOfUnknownTableParked,
    TombstoneOfUnknownTableParked, ParkedChangeReplaced, ParkedChangeKept, ParkedChangeRepeated,
    ParkedChangeApplied, ParkedChangeIgnored, ReplayedByAlter, ReplayedByAsCrr, ReplayedByMerge,
    RebuiltBeforeSchema, RowOfUnknownColumnMade, FormerNameMerged, SeveralNamesOfOneColumn, CoreSchedule, SchemaSchedule,
}

#[derive(Clone, Debug)]
pub struct Reach([u64; Situation::ALL.len()]);

impl Default for Reach {
    fn default() -> Reach {
        Reach([0; Situation::ALL.len()])
    }
}

impl Reach {
    pub fn met(&mut self, situation: Situation) {
        self.0[situation as usize] += 1;
    }

    pub fn add(&mut self, other: &Reach) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }

    pub fn count(&self, situation: Situation) -> u64 {
        self.0[situation as usize]
    }
}
