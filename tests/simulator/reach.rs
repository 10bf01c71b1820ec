//! How far the simulated fleets got: a count for each thing that must have happened, and the sizes that were reached.

use std::collections::BTreeMap;

use crate::model::reach::{Reach, Situation};

macro_rules! met {
    ($($name:ident),* $(,)?) => {
        /// What happens to fleets, beside what the models count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Met { $($name),* }
        impl Met {
            pub const ALL: &[Met] = &[$(Met::$name),*];
        }
    };
}

met! {
    RowsArrived, ChangesetArrived, AppliedInSlices, EmptyChangesetArrived, StreamArrived, PartKept, PartsApplied, PartsEndedBySuccessor,
    StreamContinuedInsideTransaction, ConversationBegun, ConversationEnded, ConversationRestarted, RowsInConversation,
    MessageLost, ConnectionBroken, MessageRepeated, MessageLate, ReorderedOnTheWay, MergeRolledBack, MergeBesideWrite, CursorNotMoved,
    CursorMoved, AnswerForFormerSite, Pushed, Acknowledged, OnlyOfPeerFleet, WithOwnChangesFleet, MeshFleet, HubFleet, ChainFleet,
    LinksCut, PeerAway, PeerReturned, MessageCutOff, MessageKeptForLater, Crashed, CrashedInTransaction, CrashedWithWriteAheadLog, CrashedWithJournal,
    BackedUp, Restored, RestoredWithWritesLost, CopiedBytes, CopiedByVacuum, IdentityReset, IdentityShared, SharedIdentityReported,
    SharedIdentityReset, SchemaBehindRestored, DigestCompared, DigestsDiffer, SeenAlike, Settled, SettledByPulls,
    SettledByConversations, SettledByEverything, Bulk, DeltaChecked, RebuiltAtTheEnd,
}

/// The largest sizes that were reached on one replica, and sums over all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    pub fleets: u64,
    pub steps: u64,
    pub checks: u64,
    pub messages: u64,
    pub bytes: u64,
    pub rows_max: usize,
    pub tombstones_max: usize,
    pub versions_max: i64,
    pub sites_max: usize,
    pub parked_max: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Reached {
    pub met: BTreeMap<Met, u64>,
    pub model: Reach,
    pub sizes: Sizes,
}

impl Reached {
    pub fn met(&mut self, what: Met) {
        *self.met.entry(what).or_default() += 1;
    }

    pub fn add(&mut self, other: &Reached) {
        for (what, count) in &other.met {
            *self.met.entry(*what).or_default() += count;
        }
        self.model.add(&other.model);
        let (mine, theirs) = (&mut self.sizes, &other.sizes);
        mine.fleets += theirs.fleets;
        mine.steps += theirs.steps;
        mine.checks += theirs.checks;
        mine.messages += theirs.messages;
        mine.bytes += theirs.bytes;
        mine.rows_max = mine.rows_max.max(theirs.rows_max);
        mine.tombstones_max = mine.tombstones_max.max(theirs.tombstones_max);
        mine.versions_max = mine.versions_max.max(theirs.versions_max);
        mine.sites_max = mine.sites_max.max(theirs.sites_max);
        mine.parked_max = mine.parked_max.max(theirs.parked_max);
    }

    pub fn count(&self, what: Met) -> u64 {
        self.met.get(&what).copied().unwrap_or(0)
    }

    /// What was never met although it must be.
    pub fn missing(&self) -> Vec<String> {
        // Bad changes and replicas that read from each other inside a transaction are the property test's.
        let of_others = [
            Situation::MergeRefused,
            Situation::MergeRefusedByConstraint,
            Situation::PulledSinceCursor,
            Situation::MergeBesideLocalWrite,
            Situation::DeliveredInPart,
            Situation::DeliveredTwice,
            Situation::DeliveredOutOfOrder,
        ];
        let situations = Situation::ALL
            .iter()
            .filter(|situation| !of_others.contains(situation))
            .filter(|situation| self.model.count(**situation) == 0)
            .map(|situation| format!("{situation:?}"));
        let met = Met::ALL
            .iter()
            .filter(|what| self.count(**what) == 0)
            .map(|what| format!("{what:?}"));
        situations.chain(met).collect()
    }

    /// All counts, for people.
    pub fn report(&self) -> String {
        let sizes = &self.sizes;
        let mut lines = vec![
            format!(
                "{} fleets, {} steps, {} checks of a replica, {} messages of {} bytes",
                sizes.fleets, sizes.steps, sizes.checks, sizes.messages, sizes.bytes
            ),
            format!(
                "largest replica: {} rows, {} tombstones, db_version {}, {} sites, {} parked changes",
                sizes.rows_max,
                sizes.tombstones_max,
                sizes.versions_max,
                sizes.sites_max,
                sizes.parked_max
            ),
        ];
        let met = Met::ALL
            .iter()
            .map(|what| (self.count(*what), format!("{what:?}")));
        let situations = Situation::ALL
            .iter()
            .map(|situation| (self.model.count(*situation), format!("{situation:?}")));
        let cells: Vec<String> = met
            .chain(situations)
            .map(|(count, name)| format!("{count:>9} {name:<34}"))
            .collect();
        lines.extend(
            cells
                .chunks(3)
                .map(|row| row.concat().trim_end().to_owned()),
        );
        lines.join("\n")
    }
}
