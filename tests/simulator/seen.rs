//! What each replica has seen: how much of what every file wrote. Replicas that have seen the same must be equal.

use std::collections::BTreeMap;

/// A file that writes: a copy or a restored backup is another one.
pub type Author = usize;

/// How many writes of each author.
pub type Extent = BTreeMap<Author, u64>;

#[derive(Clone, Debug, Default)]
pub struct Seen {
    whole: Extent,
    /// Things came that are part of what these extents tell, but nobody knows which.
    partial: Vec<Extent>,
}

impl Seen {
    pub fn wrote(&mut self, author: Author) {
        *self.whole.entry(author).or_default() += 1;
    }

    /// What may be in a message of this replica; `true` if it is all of that.
    pub fn extent(&self) -> (Extent, bool) {
        let mut extent = self.whole.clone();
        for partial in &self.partial {
            join(&mut extent, partial);
        }
        (extent, self.partial.is_empty())
    }

    /// Everything that a peer had seen has come.
    pub fn cover(&mut self, extent: &Extent) {
        join(&mut self.whole, extent);
        let whole = &self.whole;
        self.partial.retain(|partial| !is_within(partial, whole));
    }

    /// Some of what a peer had seen has come.
    pub fn touch(&mut self, extent: &Extent) {
        let mut known = std::iter::once(&self.whole).chain(&self.partial);
        if !known.any(|known| is_within(extent, known)) {
            self.partial.retain(|partial| !is_within(partial, extent));
            self.partial.push(extent.clone());
        }
    }

    pub fn same(&self, other: &Seen) -> bool {
        self.partial.is_empty() && other.partial.is_empty() && self.whole == other.whole
    }
}

fn join(extent: &mut Extent, other: &Extent) {
    for (author, count) in other {
        let known = extent.entry(*author).or_default();
        *known = (*known).max(*count);
    }
}

fn is_within(extent: &Extent, whole: &Extent) -> bool {
    extent
        .iter()
        .all(|(author, count)| whole.get(author).is_some_and(|known| known >= count))
}
