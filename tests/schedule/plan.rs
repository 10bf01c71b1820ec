//! A schedule as data: it can be run, printed, and run again with steps left out.

use crate::model::schema::Migration;
use crate::model::statement::Statement;

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub replicas: Vec<Storage>,
    /// The shapes in use, by their place in `shapes::all()`.
    pub shapes: Vec<usize>,
    /// The tables, by their place in `shapes`, that are created later.
    pub created_later: Vec<usize>,
    /// What every replica does to its schema sooner or later.
    pub migrations: Vec<Migration>,
    pub merge_equal_values: bool,
    pub recursive_triggers: bool,
    pub steps: Vec<Step>,
    pub finish: Finish,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    Memory,
    RollbackJournal,
    WriteAheadLog,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// One replica works, in one transaction or each action in its own.
    Work {
        replica: usize,
        connection: usize,
        transaction: Option<Bounds>,
        actions: Vec<Action>,
    },
    Deliver {
        replica: usize,
        connection: usize,
        delivery: Delivery,
    },
    Reopen {
        replica: usize,
    },
}

impl Step {
    /// The same somewhere else.
    #[allow(dead_code)] // the simulator alone has fleets of which several do the same
    pub fn on_replica(mut self, other: usize) -> Step {
        let (Step::Work { replica, .. } | Step::Deliver { replica, .. } | Step::Reopen { replica }) =
            &mut self;
        *replica = other;
        self
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub start: &'static str,
    pub is_committed: bool,
}

#[derive(Clone, Debug)]
pub enum Action {
    Write(Statement),
    Savepoint,
    /// Of the savepoint at this depth, modulo their number.
    Release(usize),
    RollbackTo(usize),
    RaiseVersion(i64),
    Merge(Delivery),
    /// A merge whose last change cannot be applied.
    MergeRefused {
        delivery: Delivery,
        flaw: Flaw,
    },
    Read,
    /// The replica's next migration.
    Migrate(Migrating),
    /// An index of the application, made or dropped.
    Index {
        table: usize,
        is_made: bool,
    },
    /// SQL that must change nothing that is replicated.
    Quiet(String),
}

/// How a replica goes through a migration.
#[derive(Clone, Debug)]
pub struct Migrating {
    /// In an alter session, where plain statements would do?
    pub is_session: bool,
    /// Writes inside the session, before and after what changes the schema.
    pub before: Vec<Statement>,
    pub after: Vec<Statement>,
    pub end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `crsql_commit_alter`, by the name of the table now or at the beginning.
    Alter { by_old_name: bool },
    /// The transaction ends with the session open.
    Transaction,
    /// The transaction is rolled back, if it began with the session; else as `UndoneBySavepoint`.
    Rollback,
    /// Everything happens inside a savepoint that is rolled back.
    UndoneBySavepoint,
    /// The table can't be replicated at the end of the session, which is refused.
    Refused,
}

#[derive(Clone, Copy, Debug)]
pub enum Flaw {
    UnknownTable,
    UnknownColumn,
    KeyAsColumn,
    BrokenKey,
    ShortKey,
    NegativeSeq,
    ZeroCausalLength,
    /// A value that a constraint of the table may refuse.
    Constraint,
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub from: usize,
    pub selection: Selection,
    pub order: Order,
    pub form: Form,
    pub is_twice: bool,
    /// Decides the shuffle and the selection.
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// What the receiver has not pulled from the sender yet, its own changes left out; the cursor moves.
    SinceCursor,
    Everything,
    /// About so many percent of everything.
    Part(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    AsSent,
    Reversed,
    Shuffled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Each change is an INSERT statement of its own.
    CellByCell,
    /// INSERT ... VALUES with so many rows a statement.
    Rows(usize),
    /// One INSERT ... SELECT from a table.
    Select,
    /// One changeset.
    Changeset,
    /// One changeset, which `crsql_apply` commits itself.
    Slices,
}

/// How the replicas are brought together at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Everybody pulls from everybody since the cursor, until nothing comes.
    Pulls,
    /// Everybody pulls from one other only; news has to travel around.
    Ring,
    /// Everything is delivered to everybody, shuffled, until nothing changes.
    Everything,
}
