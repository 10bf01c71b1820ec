//! How changes travel: requests, answers as rows or changesets, acknowledgements; and what a replica does when they arrive.

use crate::model::reach::Situation;
use crate::model::replica::{Change, Site};
use crate::model::statement::Statement;
use crate::schedule::carrier;
use crate::schedule::database::SLICE_MS;
use crate::schedule::plan::Form;
use crate::schedule::random::Random;
use crate::schedule::run::Outcome;
use crate::schedule::sql;

use super::files::{self, Whose};
use super::fleet::Fleet;
use super::parts::{Changeset, Part};
use super::reach::Met;
use super::script::{Arrival, Carrier, Filter, Ticket};
use super::seen::Extent;

/// A place in the changes of a peer: the end of a version, or a seq inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    pub version: i64,
    /// None: all of the version.
    pub seq: Option<i64>,
}

impl Point {
    pub fn whole(version: i64) -> Point {
        Point { version, seq: None }
    }

    fn rank(self) -> (i64, i64) {
        (self.version, self.seq.unwrap_or(i64::MAX))
    }

    fn is_before(self, change: &Change) -> bool {
        (change.db_version, change.seq) > self.rank()
    }
}

/// A message under way.
#[derive(Clone, Debug)]
pub struct Letter {
    pub from: usize,
    pub to: usize,
    pub from_site: Site,
    pub to_site: Site,
    pub epoch: u64,
    /// What the sender had seen.
    pub extent: Extent,
    /// Does the receiver have all of that, once this and what comes before it has arrived?
    pub is_all: bool,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Ask {
        after: Point,
        carrier: Carrier,
    },
    Rows {
        changes: Vec<Change>,
        form: Form,
        span: Span,
    },
    Changeset {
        changeset: Box<Changeset>,
        span: Span,
    },
    Acknowledge {
        version: i64,
    },
    Talk {
        message: Vec<u8>,
        max_bytes: i64,
    },
}

/// Of the changes of the sender, those after one place and up to another.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub after: Point,
    pub upto: Point,
    /// Was it sent without being asked for?
    pub is_push: bool,
}

impl Content {
    fn bytes(&self) -> usize {
        match self {
            Content::Ask { .. } | Content::Acknowledge { .. } => 16,
            Content::Rows { changes, .. } => {
                changes.iter().map(|change| 60 + change.pk.len()).sum()
            }
            Content::Changeset { changeset, .. } => changeset.data.len(),
            Content::Talk { message, .. } => message.len(),
        }
    }
}

impl Fleet<'_> {
    pub fn letter(&self, from: usize, to: usize, content: Content) -> Letter {
        let (extent, is_whole) = self.stations[from].seen.extent();
        // What waits for its table or column is not told to others.
        let holds_back = !self.model(from).schema.parked.is_empty();
        Letter {
            from,
            to,
            from_site: self.site(from),
            to_site: self.site(to),
            epoch: self.epoch,
            extent,
            is_all: is_whole && !holds_back && !self.is_tainted,
            content,
        }
    }

    pub fn send(&mut self, ticket: Ticket, letter: Letter) {
        self.reached.sizes.messages += 1;
        self.reached.sizes.bytes += letter.content.bytes() as u64;
        self.under_way.entry(ticket).or_default().push(letter);
    }

    pub fn ask(&mut self, ticket: Ticket, by: usize, of: usize, carrier: Carrier) -> Outcome {
        let after = self.received(by, of);
        let letter = self.letter(by, of, Content::Ask { after, carrier });
        self.send(ticket, letter);
        Ok(())
    }

    fn received(&self, by: usize, of: usize) -> Point {
        let received = &self.stations[by].received;
        received.get(&self.site(of)).copied().unwrap_or_default()
    }

    pub fn push(&mut self, ticket: Ticket, by: usize, to: usize, carrier: Carrier) -> Outcome {
        let acknowledged = self.stations[by].acknowledged.get(&self.site(to));
        let after = Point::whole(acknowledged.copied().unwrap_or(0));
        self.reached.met(Met::Pushed);
        let letters = self.compose(by, to, self.site(to), after, carrier, true)?;
        for letter in letters {
            self.send(ticket, letter);
        }
        Ok(())
    }

    /// What a replica sends to one of this site: all that it has after a point.
    pub fn compose(
        &mut self,
        by: usize,
        to: usize,
        to_site: Site,
        after: Point,
        carrier: Carrier,
        is_push: bool,
    ) -> Outcome<Vec<Letter>> {
        let whose = match self.script.filter {
            Filter::Others => Whose::NotOf(to_site),
            Filter::All => Whose::All,
            Filter::OfPeer => Whose::Of(self.site(by)),
        };
        let not_of = (self.script.filter == Filter::Others).then_some(to_site);
        // A version that was received in part is sent again where nobody can ask for the rest of it.
        let since = after.version - i64::from(after.seq.is_some());
        let upto = Point::whole(self.model(by).db_version());
        let contents = match carrier {
            Carrier::Rows(form) => {
                let changes = files::news(self.database(by), since, whose)?;
                let after = Point::whole(since);
                let span = Span {
                    after,
                    upto,
                    is_push,
                };
                self.expect_news(by, after, whose, &changes)?;
                vec![Content::Rows {
                    changes,
                    form,
                    span,
                }]
            }
            Carrier::Changeset { level } => {
                let changeset = files::changeset(self.database(by), since, not_of, level)?;
                self.expect_news(by, Point::whole(since), whose, &changeset.changes)?;
                vec![in_stream(changeset, is_push)]
            }
            Carrier::Stream { max_bytes, level } => {
                if after.seq.is_some() {
                    self.reached.met(Met::StreamContinuedInsideTransaction);
                }
                let from = (after.version, after.seq);
                let database = self.database(by);
                let stream = files::stream(database, from, not_of, max_bytes, level)?;
                let changes: Vec<Change> = stream
                    .iter()
                    .flat_map(|changeset| changeset.changes.clone())
                    .collect();
                self.expect_news(by, after, whose, &changes)?;
                self.expect_chain(by, after, &stream)?;
                stream
                    .into_iter()
                    .map(|changeset| in_stream(changeset, is_push))
                    .collect()
            }
        };
        let count = contents.len();
        let letters = contents.into_iter().enumerate().map(|(index, content)| {
            let mut letter = self.letter(by, to, content);
            letter.to_site = to_site;
            letter.is_all &= index + 1 == count && self.script.filter != Filter::OfPeer;
            letter
        });
        Ok(letters.collect())
    }

    /// What is sent must be all that the replica has after that point, and nothing else.
    fn expect_news(&self, by: usize, after: Point, whose: Whose, sent: &[Change]) -> Outcome {
        if self.is_tainted && after.seq.is_some() {
            // The seq may be of another file, in which it stood between other changes.
            return Ok(());
        }
        let mut expected = files::news(self.database(by), 0, Whose::All)?;
        expected.retain(|change| after.is_before(change) && whose.holds(change));
        let lines = |changes: &[Change]| changes.iter().map(sql::change).collect::<Vec<_>>();
        let (expected, sent) = (lines(&expected), lines(sent));
        match expected == sent {
            true => Ok(()),
            false => Err(format!(
                "{} sends after {after:?}, {whose:?}: {sent:#?}\n  expected {expected:#?}",
                self.name(by)
            )),
        }
    }

    /// Each changeset of a stream begins where the one before ended.
    fn expect_chain(&self, by: usize, after: Point, stream: &[Changeset]) -> Outcome {
        let mut before = (after.version, after.seq);
        for changeset in stream {
            if changeset.after != before || changeset.site != self.site(by) {
                return Err(format!(
                    "{}: a stream goes on after {before:?} with {:?}",
                    self.name(by),
                    changeset.after
                ));
            }
            before = (changeset.last.0, Some(changeset.last.1));
        }
        Ok(())
    }

    /// What is under way for an exchange arrives, in some order; some of it is lost.
    pub fn arrive(&mut self, arrival: &Arrival) -> Outcome {
        let mut letters = self.under_way.remove(&arrival.ticket).unwrap_or_default();
        if arrival.is_repeated && !letters.is_empty() {
            self.reached.met(Met::MessageRepeated);
            self.under_way.insert(arrival.ticket, letters.clone());
        }
        let mut random = Random::new(arrival.seed);
        if let Some(count) = arrival.breaks_after.filter(|count| *count < letters.len()) {
            self.reached.met(Met::ConnectionBroken);
            letters.truncate(count);
        } else if letters.len() > 1 && arrival.seed > 0 && random.percent(40) {
            self.reached.met(Met::ReorderedOnTheWay);
            random.shuffle(&mut letters);
        }
        for letter in letters {
            if random.percent(arrival.loss) {
                self.reached.met(Met::MessageLost);
                continue;
            }
            self.receive(&letter, arrival)?;
        }
        Ok(())
    }

    pub fn receive(&mut self, letter: &Letter, arrival: &Arrival) -> Outcome {
        if letter.epoch != self.epoch || letter.to_site != self.site(letter.to) {
            self.reached.met(Met::AnswerForFormerSite);
        }
        match &letter.content {
            Content::Ask { after, carrier } => {
                let letters = if letter.to_site == self.site(letter.to) {
                    let (by, to, site) = (letter.to, letter.from, letter.from_site);
                    self.compose(by, to, site, *after, *carrier, false)?
                } else {
                    // The point means nothing to another file.
                    Vec::new()
                };
                for mut answer in letters {
                    // The cursor that was asked with may be of another time.
                    answer.epoch = letter.epoch;
                    self.send(arrival.ticket, answer);
                }
                Ok(())
            }
            Content::Acknowledge { version } => {
                if letter.to_site == self.site(letter.to) && letter.epoch == self.epoch {
                    self.reached.met(Met::Acknowledged);
                    let acknowledged = &mut self.stations[letter.to].acknowledged;
                    let known = acknowledged.entry(letter.from_site).or_default();
                    *known = (*known).max(*version);
                }
                Ok(())
            }
            Content::Talk { message, max_bytes } => self.hear(letter, message, *max_bytes, arrival),
            Content::Rows {
                changes,
                form,
                span,
            } => {
                self.reached.met(Met::RowsArrived);
                let to = letter.to;
                let is_kept = self.in_transaction(to, arrival, |fleet| {
                    fleet.world.merge(to, changes, *form)?;
                    fleet.world.check_impacted(to)
                })?;
                self.arrived(letter, *span, is_kept, arrival.ticket)
            }
            Content::Changeset { changeset, span } => {
                self.note_changeset(changeset);
                let parts = self.stations[letter.to].parts.clone();
                let is_kept = self.in_transaction(letter.to, arrival, |fleet| {
                    fleet.apply(letter.to, changeset, arrival)
                })?;
                if !is_kept {
                    self.stations[letter.to].parts = parts;
                }
                self.arrived(letter, *span, is_kept, arrival.ticket)
            }
        }
    }

    fn note_changeset(&mut self, changeset: &Changeset) {
        self.reached.met(match changeset.after.1 {
            _ if changeset.changes.is_empty() => Met::EmptyChangesetArrived,
            None if changeset.part == Part::Whole => Met::ChangesetArrived,
            _ => Met::StreamArrived,
        });
    }

    /// Does something in a transaction of its own, if that is wanted. False if it was rolled back.
    pub fn in_transaction(
        &mut self,
        node: usize,
        arrival: &Arrival,
        work: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome<bool> {
        let Some(is_committed) = arrival.transaction else {
            work(self)?;
            return Ok(true);
        };
        self.world.run(node, "BEGIN")?;
        self.world.nodes[node].model.begin();
        if let Some(statement) = &arrival.statement {
            self.write_inside(node, statement)?;
        }
        if !self.model(node).is_in_transaction() {
            // The write ended it.
            work(self)?;
            return Ok(true);
        }
        let has_applied_own = self.model(node).has_applied_own;
        work(self)?;
        let model = &mut self.world.nodes[node].model;
        if is_committed {
            model.commit();
            self.world.run(node, "COMMIT")?;
        } else {
            model.rollback();
            model.has_applied_own = has_applied_own;
            self.world.run(node, "ROLLBACK")?;
            self.reached.met(Met::MergeRolledBack);
        }
        Ok(is_committed)
    }

    fn write_inside(&mut self, node: usize, statement: &Statement) -> Outcome {
        let before = self.model(node).state.db_version;
        self.world.write(node, statement)?;
        if self.model(node).state.db_version > before {
            self.reached.met(Met::MergeBesideWrite);
        }
        Ok(())
    }

    /// Applies a changeset, in the open transaction or in its own, or in slices.
    fn apply(&mut self, node: usize, changeset: &Changeset, arrival: &Arrival) -> Outcome {
        let is_own = !self.model(node).is_in_transaction();
        let is_sliced = is_own && arrival.seed % 3 == 1 && carrier::is_one_chunk(&changeset.data);
        let max_ms = is_sliced.then_some(SLICE_MS);
        if max_ms.is_some() {
            self.reached.met(Met::AppliedInSlices);
        }
        self.world.say(node, || {
            let rows: Vec<String> = changeset.changes.iter().map(sql::change).collect();
            format!(
                "-- crsql_apply ({max_ms:?} ms) of {:?} after {:?} up to {:?}:\n     {}",
                changeset.part,
                changeset.after,
                changeset.last,
                rows.join(",\n     ")
            )
        });
        let mut due = self.stations[node]
            .parts
            .receive(changeset, &mut self.reached);
        if max_ms.is_none() {
            due = vec![due.concat()];
        }
        let model = &mut self.world.nodes[node].model;
        let mut expected = 0;
        for transaction in &due {
            if is_own {
                model.begin();
            }
            model.replay(Situation::ReplayedByMerge);
            for changes in transaction {
                let won = model.merge(changes);
                expected += won.map_err(|_| "the model refuses a changeset".to_owned())?;
            }
            if is_own {
                model.commit();
            }
        }
        let got = files::apply(self.database(node), &changeset.data, max_ms)?;
        if got != expected {
            return Err(format!(
                "{}: crsql_apply: {got} changes won, expected {expected}",
                self.name(node)
            ));
        }
        self.world.pin_next_version(node)?;
        self.world.check_impacted(node)
    }

    /// What a span leaves in the books of the receiver.
    fn arrived(&mut self, letter: &Letter, span: Span, is_kept: bool, ticket: Ticket) -> Outcome {
        let to = letter.to;
        if is_kept {
            let received = self.stations[to].received.get(&letter.from_site);
            let known = received.copied().unwrap_or_default();
            let is_meant = letter.to_site == self.site(to) && letter.epoch == self.epoch;
            let is_next = is_meant && span.after.rank() <= known.rank();
            if is_next && span.upto.rank() >= known.rank() {
                let received = &mut self.stations[to].received;
                received.insert(letter.from_site, span.upto);
                self.reached.met(Met::CursorMoved);
            } else {
                self.reached.met(match is_next {
                    true => Met::MessageLate,
                    false => Met::CursorNotMoved,
                });
            }
            let seen = &mut self.stations[to].seen;
            if is_next && letter.is_all && !self.is_tainted {
                seen.cover(&letter.extent);
            } else {
                seen.touch(&letter.extent);
            }
            if is_next && span.is_push && span.upto.seq.is_none() {
                let version = span.upto.version;
                let answer = self.letter(to, letter.from, Content::Acknowledge { version });
                self.send(
                    ticket,
                    Letter {
                        to_site: letter.from_site,
                        ..answer
                    },
                );
            }
        }
        self.check_arrival(to)
    }
}

/// A changeset on its way, with the span that its header tells of.
fn in_stream(changeset: Changeset, is_push: bool) -> Content {
    let (version, seq) = changeset.after;
    let after = Point { version, seq };
    let (version, seq) = changeset.last;
    let seq = (changeset.part == Part::More).then_some(seq);
    let span = Span {
        after,
        upto: Point { version, seq },
        is_push,
    };
    let changeset = Box::new(changeset);
    Content::Changeset { changeset, span }
}
