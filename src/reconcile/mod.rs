//! `crsql_reconcile`: two databases become equal by a conversation of messages, whatever any log says.
//!
//! ```text
//! crsql_reconcile()         the digest of this database
//! crsql_reconcile(message)  rows of the message --merge--> rows that are still different go back
//!                           tables, nodes of the message --compare--> nodes one level down, rows, wants
//!                           nothing to say: NULL
//! ```
//! Nothing is kept between messages. Each answer compares at a lower level, or later in the order of keys, than
//! the message it answers; that is why a conversation ends.

mod answer;
mod compose;
mod cover;
mod rows;
mod send;
mod unmatched;

use crate::crdt::digest::Part;
use crate::crdt::message::{Item, Message, Place};
use crate::crdt::value::{Value, ValueRef};
use crate::digest::upkeep;
use crate::error::{Error, Result};
use crate::sqlite::value::Arguments;
use crate::state::State;
use answer::Answer;
use std::rc::Rc;

const USAGE: &str = "call crsql_reconcile() to begin, then crsql_reconcile(message) or crsql_reconcile(message, \
                     max_bytes) with each message of the other side until it gives NULL";

/// The size of a message where none is asked for.
const BYTES_DEFAULT: usize = 1 << 20;

/// Below this a message could hold little beside its frame.
const BYTES_MIN: usize = 1 << 10;

/// `crsql_reconcile([message [, max_bytes]])` -> BLOB, or NULL at the end
pub fn reconcile(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    let usage = || Error::Usage(USAGE.to_owned());
    let budget = match (arguments.len(), arguments.get(1)) {
        (0 | 1, _) | (2, ValueRef::Null) => BYTES_DEFAULT,
        (2, bytes) => match bytes {
            ValueRef::Integer(bytes) => usize::try_from(bytes).ok(),
            _ => None,
        }
        .filter(|bytes| *bytes >= BYTES_MIN)
        .ok_or_else(|| {
            Error::Usage(format!(
                "max_bytes of crsql_reconcile must be an integer of at least {BYTES_MIN}"
            ))
        })?,
        _ => return Err(usage()),
    };
    let message = match (arguments.len(), arguments.get(0)) {
        (0, _) => None,
        // The other side has said that it is done.
        (_, ValueRef::Null) => return Ok(Value::Null),
        (_, ValueRef::Blob(bytes)) => Some(Message::decode(bytes).map_err(|defect| {
            Error::Usage(format!(
                "this is no message of crsql_reconcile: {defect}; begin anew with crsql_reconcile()"
            ))
        })?),
        _ => return Err(usage()),
    };
    state.ensure_bootstrapped()?;
    let outcome = state.store.atomically(|| converse(state, message, budget));
    let answer = outcome.map_err(|error| error.of_call("crsql_reconcile").during("reconciling"))?;
    Ok(answer.map_or(Value::Null, |answer| Value::Blob(answer.encode())))
}

/// Takes a message in and gives the answer; none at the end.
fn converse(state: &State, message: Option<Message>, budget: usize) -> Result<Option<Message>> {
    let message = match message {
        Some(message) => message,
        None => {
            unmatched::clear(state)?;
            bring_up(state)?;
            let digest = own_digest(state)?;
            return Ok(Some(Message {
                items: vec![Item::Start(digest)],
                ..Message::default()
            }));
        }
    };
    if !message.rows.is_empty() {
        upkeep::prepare(state)?;
    }
    let merged = rows::merge(state, &message.rows)?;
    bring_up(state)?;
    let mut answer = Answer::new(state, budget)?;
    let mut told = Vec::new();
    // Behind this place a list of tables was cut.
    let rest = message.items.iter().find_map(|item| match item {
        Item::Rest(place) => Some(place.table.clone()),
        _ => None,
    });
    answer.return_rows(merged)?;
    for item in message.items {
        match item {
            Item::Start(digest) => {
                unmatched::clear(state)?;
                if digest != own_digest(state)? {
                    answer.show_from(&Place {
                        table: String::new(),
                        part: Part::Live,
                        key: Vec::new(),
                    })?;
                }
            }
            Item::Tables(from, tables) => {
                answer.compare_tables(&from, rest.as_deref(), &tables)?;
            }
            Item::Unmatched(tables) => told.extend(tables.into_iter().map(unmatched::mirrored)),
            Item::Nodes(range, nodes) => answer.compare_nodes(&range, &nodes)?,
            Item::Want(range) => answer.send_range(&range)?,
            Item::Rest(place) => answer.show_from(&place)?,
        }
    }
    let (answer, mut left_alone) = answer.finish(message.round + 1);
    left_alone.append(&mut told);
    unmatched::note(state, &left_alone)?;
    Ok(answer)
}

fn bring_up(state: &State) -> Result<()> {
    state.flush()?;
    match upkeep::current(state)? {
        Some(_) => Ok(()),
        None => upkeep::bring_up(state),
    }
}

fn own_digest(state: &State) -> Result<crate::crdt::digest::Digest> {
    let stored = state.store.digest_state()?;
    stored.map(|stored| stored.digest).ok_or_else(|| {
        Error::Internal("digests that were just brought up to date are not there".to_owned())
    })
}
