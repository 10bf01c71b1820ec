//! What happens to a fleet, as data.

use crate::model::statement::Statement;
use crate::schedule::plan::{Form, Plan, Step};

use super::reach::Met;

#[derive(Clone, Debug)]
pub struct Script {
    /// Replicas, tables and migrations; its own steps are not used.
    pub plan: Plan,
    pub filter: Filter,
    pub topology: Topology,
    pub operations: Vec<Operation>,
    /// What happened to the links.
    pub met: Vec<Met>,
}

/// What a replica asks of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All but its own changes.
    Others,
    /// All of them, its own as well.
    All,
    /// Only what the peer itself wrote.
    OfPeer,
}

/// Who talks with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    Mesh,
    Hub,
    Chain,
}

/// How changes are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Rows of `crsql_changes`.
    Rows(Form),
    /// One changeset.
    Changeset { level: i64 },
    /// A stream of changesets.
    Stream { max_bytes: i64, level: i64 },
}

/// How a file is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copying {
    /// The bytes of the file, and of its write-ahead log.
    Bytes,
    /// `VACUUM INTO`.
    Vacuum,
}

/// The number of an exchange: what is under way for it is found under this number.
pub type Ticket = usize;

#[derive(Clone, Debug)]
pub enum Operation {
    /// A replica works, or is closed and opened.
    Local(Step),
    /// Many rows in one transaction.
    Bulk {
        node: usize,
        first: i64,
        rows: usize,
    },
    /// All rows are deleted, in a transaction for each table.
    Clear { node: usize },
    /// Asks a peer what is new since the last time.
    Ask {
        ticket: Ticket,
        by: usize,
        of: usize,
        carrier: Carrier,
    },
    /// Sends a peer what it has not acknowledged yet.
    Push {
        ticket: Ticket,
        by: usize,
        to: usize,
        carrier: Carrier,
    },
    /// Begins a conversation of `crsql_reconcile`.
    Talk {
        ticket: Ticket,
        by: usize,
        with: usize,
        max_bytes: i64,
    },
    /// What is under way arrives, or some of it.
    Arrive(Arrival),
    /// The process that holds a file dies in the middle of these writes.
    Crash {
        node: usize,
        statements: Vec<Statement>,
    },
    /// A copy is kept.
    Backup { node: usize, copying: Copying },
    /// The copy that was kept takes the place of the file.
    Restore { node: usize, is_reset: bool },
    /// A copy of another replica's file takes the place of this one, which is lost.
    Copy {
        from: usize,
        to: usize,
        copying: Copying,
        is_reset: bool,
    },
    /// The network is good for a while: everybody becomes equal.
    Settle { seed: u64 },
}

#[derive(Clone, Debug)]
pub struct Arrival {
    pub ticket: Ticket,
    /// Decides which messages are lost, and the order of the others.
    pub seed: u64,
    /// How many of a hundred messages are lost.
    pub loss: usize,
    /// If the connection breaks: how many arrive before that.
    pub breaks_after: Option<usize>,
    /// Do copies of the messages stay under way?
    pub is_repeated: bool,
    /// Whether a transaction around each merge is committed; none if there is no transaction.
    pub transaction: Option<bool>,
    /// Is something written in that transaction first?
    pub statement: Option<Statement>,
}

impl Arrival {
    /// All of it, once, in order.
    pub fn sound(ticket: Ticket) -> Arrival {
        Arrival {
            ticket,
            seed: 0,
            loss: 0,
            breaks_after: None,
            is_repeated: false,
            transaction: None,
            statement: None,
        }
    }
}
