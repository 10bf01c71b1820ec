//! What triggers found before the row they announce was written.

use crate::crdt::change::{ColumnId, TableId};
use crate::schema::Key;
use hashbrown::HashMap;

/// `INSERT OR IGNORE` leaves notes that nobody takes, so only the latest are kept. A note is lost only if
/// triggers leave more than this between it and the capture it is for.
const NOTES_MAX: usize = 1 << 16;

/// What a trigger found before the row it announces was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The key was there, and these late columns held their default
    Existing(Vec<ColumnId>),
    /// The row's insert has been recorded already
    Recorded,
}

/// The latest notes, in two generations of at most `NOTES_MAX`, each with its number.
#[derive(Debug, Default)]
pub struct Notes {
    young: HashMap<(TableId, Key), (Note, u64)>,
    old: HashMap<(TableId, Key), (Note, u64)>,
    /// The number of the latest
    pub count: u64,
}

impl Notes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    /// Drops all notes, and the memory of many.
    pub fn forget(&mut self) {
        match self.is_empty() {
            true => self.count = 0,
            false => *self = Notes::default(),
        }
    }

    /// Leaves a note.
    pub fn leave(&mut self, table: TableId, key: Key, note: Note) {
        if self.young.len() == NOTES_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.count += 1;
        self.young.insert((table, key), (note, self.count));
    }

    /// Takes the note on a key.
    pub fn take(&mut self, table: TableId, key: &Key) -> Option<Note> {
        if self.is_empty() {
            return None;
        }
        let place = (table, key.clone());
        let (young, old) = (self.young.remove(&place), self.old.remove(&place));
        young.or(old).map(|(note, _)| note)
    }

    /// Drops the notes after the first `count`: what they are about was undone.
    pub fn undo(&mut self, count: u64) {
        self.young.retain(|_, (_, number)| *number <= count);
        self.old.retain(|_, (_, number)| *number <= count);
    }
}
