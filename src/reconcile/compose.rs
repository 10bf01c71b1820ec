//! An answer while it is composed, within the number of bytes that it may have.

use crate::crdt::change::{CausalLength, ColumnVersion};
use crate::crdt::message::{
    Item, KeyRange, Message, Place, SentCell, SentNode, SentRow, TableRows, TableSummary, Unmatched,
};
use crate::crdt::value::Value;
use crate::schema::Crr;
use hashbrown::HashMap;

/// What a message has beside its parts: format, counts, checksum.
const FRAME_BYTES: usize = 64;

/// No number takes more bytes.
const NUMBER_BYTES: usize = 10;

/// A row that is to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// How often it may be sent back
    pub hops: u8,
    /// Its packed key
    pub pk: Vec<u8>,
    /// Its causal length
    pub cl: CausalLength,
    /// Who created or deleted it
    pub site: Vec<u8>,
    /// Its cells
    pub cells: Vec<OutgoingCell>,
}

/// One of its cells.
#[derive(Debug)]
pub struct OutgoingCell {
    /// The index in `Crr::columns`
    pub column: usize,
    /// Its version
    pub version: ColumnVersion,
    /// Who wrote it
    pub site: Vec<u8>,
    /// Its value
    pub value: Value,
}

impl Outgoing {
    /// The most bytes it can take.
    fn size(&self) -> usize {
        let cells: usize = self
            .cells
            .iter()
            .map(|cell| {
                let value = match &cell.value {
                    Value::Text(bytes) | Value::Blob(bytes) => bytes.len(),
                    _ => 0,
                };
                // Small numbers most of them, and a site at its first use.
                value + 2 * NUMBER_BYTES + 18
            })
            .sum();
        self.pk.len() + cells + 3 * NUMBER_BYTES + 18
    }
}

/// Rows of one table, and the places of sites in their list.
#[derive(Debug, Default)]
struct OpenRows {
    sent: TableRows,
    sites: HashMap<Vec<u8>, usize>,
}

impl OpenRows {
    fn site(&mut self, site: Vec<u8>) -> usize {
        let next = self.sites.len();
        *self.sites.entry(site).or_insert_with_key(|site| {
            self.sent.sites.push(site.clone());
            next
        })
    }
}

/// The answer.
#[derive(Debug)]
pub struct Composer {
    budget: usize,
    size: usize,
    tables: Vec<OpenRows>,
    items: Vec<Item>,
    rest: Option<Place>,
    unmatched: Vec<Unmatched>,
}

impl Composer {
    /// An answer of at most `budget` bytes, or of one part where that alone is larger.
    pub fn new(budget: usize) -> Composer {
        Composer {
            budget,
            size: FRAME_BYTES,
            tables: Vec::new(),
            items: Vec::new(),
            rest: None,
            unmatched: Vec::new(),
        }
    }

    /// Sets bytes aside, if they fit beside a rest that names this table and a key of this length. The first
    /// part always fits.
    fn reserve(&mut self, bytes: usize, table: &str, key: usize) -> bool {
        let rest = table.len() + key + 3 * NUMBER_BYTES;
        let is_first = self.tables.is_empty() && self.items.is_empty() && self.unmatched.is_empty();
        let fits = is_first || self.size + bytes + rest <= self.budget;
        if fits {
            self.size += bytes;
        }
        fits
    }

    /// Whether the list that was begun is all that there is.
    fn is_only_item(&self) -> bool {
        self.tables.is_empty() && self.unmatched.is_empty() && self.items.len() == 1
    }

    /// Whether a part did not fit: what comes after it is left out too.
    pub fn is_full(&self) -> bool {
        self.rest.is_some()
    }

    /// What comes after this place is to be compared later.
    pub fn leave(&mut self, place: Place) {
        if self.rest.as_ref().is_none_or(|rest| place < *rest) {
            self.rest = Some(place);
        }
    }

    /// Adds a row; false if it does not fit.
    pub fn add_row(&mut self, crr: &Crr, row: Outgoing) -> bool {
        let known = self
            .tables
            .iter()
            .position(|open| open.sent.table == crr.name);
        let names = || crr.columns.iter().map(|column| column.name.clone());
        let opening: usize = match known {
            Some(_) => 0,
            None => names().map(|name| name.len() + 2).sum::<usize>() + crr.name.len() + 32,
        };
        if !self.reserve(row.size() + opening, &crr.name, 2 * row.pk.len()) {
            return false;
        }
        let index = known.unwrap_or_else(|| {
            let mut open = OpenRows::default();
            open.sent.table.clone_from(&crr.name);
            open.sent.columns.extend(names());
            self.tables.push(open);
            self.tables.len() - 1
        });
        if let Some(open) = self.tables.get_mut(index) {
            let sent = SentRow {
                hops: row.hops,
                pk: row.pk,
                cl: row.cl,
                site: open.site(row.site),
                cells: row
                    .cells
                    .into_iter()
                    .map(|cell| SentCell {
                        column: cell.column,
                        version: cell.version,
                        site: open.site(cell.site),
                        value: cell.value,
                    })
                    .collect(),
            };
            open.sent.rows.push(sent);
        }
        true
    }

    /// Adds a wish for rows; false if it does not fit.
    pub fn add_want(&mut self, range: KeyRange) -> bool {
        let fits = self.reserve(range_size(&range), &range.table, range.low.len());
        if fits {
            self.items.push(Item::Want(range));
        }
        fits
    }

    /// Begins a list of nodes; false if it does not fit. `add_node` adds to it, `end_nodes` ends it.
    pub fn begin_nodes(&mut self, range: KeyRange) -> bool {
        let fits = self.reserve(range_size(&range), &range.table, range.low.len());
        if fits {
            self.items.push(Item::Nodes(range, Vec::new()));
        }
        fits
    }

    /// Adds a node to the list that was begun last; false if it does not fit.
    pub fn add_node(&mut self, node: SentNode) -> bool {
        let is_first = self.is_only_item();
        let Some(Item::Nodes(range, nodes)) = self.items.last_mut() else {
            return false;
        };
        let bytes = node.last.len() + node.digest.len() + 6;
        let rest = range.table.len() + node.last.len() + 3 * NUMBER_BYTES;
        let fits = is_first && nodes.is_empty() || self.size + bytes + rest <= self.budget;
        if fits {
            self.size += bytes;
            nodes.push(node);
        }
        fits
    }

    /// Ends the list that was begun last at the key up to which it is complete. One that is complete up to
    /// its beginning only is taken back.
    pub fn end_nodes(&mut self, high: Vec<u8>) {
        if let Some(Item::Nodes(range, _)) = self.items.last_mut() {
            match high == range.low {
                true => drop(self.items.pop()),
                false => range.high = high,
            }
        }
    }

    /// Tells of a table that is left alone; false if that does not fit.
    pub fn add_unmatched(&mut self, unmatched: Unmatched) -> bool {
        let fits = self.reserve(unmatched.table.len() + NUMBER_BYTES, &unmatched.table, 0);
        if fits {
            self.unmatched.push(unmatched);
        }
        fits
    }

    /// Begins the list of tables from a name on; false if it does not fit.
    pub fn begin_tables(&mut self, from: &str) -> bool {
        let fits = self.reserve(from.len() + 2 * NUMBER_BYTES, from, 0);
        if fits {
            self.items.push(Item::Tables(from.to_owned(), Vec::new()));
        }
        fits
    }

    /// Adds a table to the list; false if it does not fit.
    pub fn add_table(&mut self, summary: TableSummary) -> bool {
        let is_first = self.is_only_item();
        let Some(Item::Tables(_, tables)) = self.items.last_mut() else {
            return false;
        };
        let bytes = summary.table.len() + 3 * NUMBER_BYTES + 40;
        let rest = summary.table.len() + 3 * NUMBER_BYTES;
        let fits = is_first && tables.is_empty() || self.size + bytes + rest <= self.budget;
        if fits {
            self.size += bytes;
            tables.push(summary);
        }
        fits
    }

    /// The message; none if there is nothing to say.
    pub fn finish(self, round: u64) -> Option<Message> {
        let mut items = self.items;
        if !self.unmatched.is_empty() {
            items.push(Item::Unmatched(self.unmatched));
        }
        items.extend(self.rest.map(Item::Rest));
        let rows: Vec<TableRows> = self.tables.into_iter().map(|open| open.sent).collect();
        let says_something = !items.is_empty() || !rows.is_empty();
        says_something.then_some(Message { round, rows, items })
    }
}

/// The most bytes a range can take.
fn range_size(range: &KeyRange) -> usize {
    range.table.len() + range.low.len() + range.high.len() + 4 * NUMBER_BYTES
}
