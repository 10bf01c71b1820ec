//! What goes wrong with files: a process dies, a backup is restored, a file is copied; and what is documented to be done then.

use crate::model::reach::Situation;
use crate::model::statement::Statement;
use crate::schedule::plan::{Delivery, Form, Order, Selection};
use crate::schedule::random::Random;
use crate::schedule::run::Outcome;

use super::carry::Point;
use super::files;
use super::fleet::{Backup, Fleet};
use super::reach::Met;
use super::script::{Copying, Filter};
use super::seen::Extent;

/// Enough for everything to travel to everybody, and for what it causes to come back.
const ROUNDS_MAX: usize = 20;

impl Fleet<'_> {
    /// The process dies in the middle of a transaction: what it had written to disk stays, and another process opens it.
    pub fn crash(&mut self, node: usize, statements: &[Statement]) -> Outcome {
        self.world.say(node, || "-- the process dies".to_owned());
        if !statements.is_empty() {
            // A small cache, so that pages of the open transaction reach the disk.
            self.world.run(node, "PRAGMA cache_size = 2; BEGIN")?;
            self.world.nodes[node].model.begin();
            for statement in statements {
                self.world.write(node, statement)?;
                if !self.model(node).is_in_transaction() {
                    break;
                }
            }
            let pages = "SELECT count(*) FROM crsql_changes";
            self.world.run(node, pages)?;
        }
        let path = self.new_path();
        let old = self.path_of(node)?;
        files::copy_bytes(&old, &path)?;
        for (suffix, met) in [
            ("db-wal", Met::CrashedWithWriteAheadLog),
            ("db-journal", Met::CrashedWithJournal),
        ] {
            if path.with_extension(suffix).exists() {
                self.reached.met(met);
            }
        }
        self.reached.met(Met::Crashed);
        if self.model(node).is_in_transaction() {
            self.reached.met(Met::CrashedInTransaction);
            self.world.nodes[node].model.rollback();
        }
        self.replace(node, path)?;
        files::remove(&old);
        self.check(node)
    }

    fn path_of(&self, node: usize) -> Outcome<std::path::PathBuf> {
        let path = self.database(node).path();
        Ok(path.ok_or("a replica in memory")?.to_path_buf())
    }

    fn replace(&mut self, node: usize, path: std::path::PathBuf) -> Outcome {
        let database = self.world.nodes[node].database.as_mut();
        database
            .expect("every replica of a fleet has a database")
            .replace(path)?;
        files::integrity(self.database(node))
    }

    pub fn backup(&mut self, node: usize, copying: Copying) -> Outcome {
        let path = self.new_path();
        files::copy(self.database(node), &path, copying)?;
        self.note_copying(copying);
        self.reached.met(Met::BackedUp);
        self.world.say(node, || format!("-- backup {copying:?}"));
        let backup = Backup {
            path,
            model: self.model(node).clone(),
            station: self.stations[node].clone(),
            shares_site: self.world.nodes[node].shares_site,
        };
        if let Some(old) = self.backups[node].replace(backup) {
            files::remove(&old.path);
        }
        Ok(())
    }

    fn note_copying(&mut self, copying: Copying) {
        self.reached.met(match copying {
            Copying::Bytes => Met::CopiedBytes,
            Copying::Vacuum => Met::CopiedByVacuum,
        });
    }

    /// The backup is put in the place of the file, and made a replica of its own; at once, or when somebody notices.
    pub fn restore(&mut self, node: usize, is_reset: bool) -> Outcome {
        // If there is none of this replica, another one has bad luck.
        let count = self.backups.len();
        let unlucky = (node..node + count).map(|node| node % count);
        let unlucky = unlucky
            .into_iter()
            .find(|node| self.backups[*node].is_some());
        let Some((node, backup)) =
            unlucky.and_then(|node| Some((node, self.backups[node].take()?)))
        else {
            return Ok(());
        };
        self.reached.met(Met::Restored);
        if backup.model.db_version() < self.model(node).db_version() {
            self.reached.met(Met::RestoredWithWritesLost);
        }
        if backup.model.schema.level < self.model(node).schema.level {
            self.reached.met(Met::SchemaBehindRestored);
        }
        self.world
            .say(node, || "-- the backup is restored".to_owned());
        self.replace_by(node, backup, is_reset)
    }

    /// A copy of a file takes the place of another one, which is lost with all that it did not tell.
    pub fn copy(&mut self, from: usize, to: usize, copying: Copying, is_reset: bool) -> Outcome {
        let path = self.new_path();
        files::copy(self.database(from), &path, copying)?;
        self.note_copying(copying);
        self.world
            .say(to, || format!("-- lost; a copy of {from} takes its place"));
        let copy = Backup {
            path,
            model: self.model(from).clone(),
            station: self.stations[from].clone(),
            shares_site: self.world.nodes[from].shares_site,
        };
        // Its backups are lost with it.
        if let Some(old) = self.backups[to].take() {
            files::remove(&old.path);
        }
        self.replace_by(to, copy, is_reset)
    }

    fn replace_by(&mut self, node: usize, mut with: Backup, is_reset: bool) -> Outcome {
        let old = self.path_of(node)?;
        let own = &mut self.world.nodes[node];
        // What was met stays met.
        with.model.reach = std::mem::take(&mut own.model.reach);
        own.model = with.model;
        own.shares_site = with.shares_site;
        self.replace(node, with.path)?;
        files::remove(&old);
        let author = self.new_author();
        self.stations[node] = with.station;
        self.stations[node].author = author;
        self.set_version(node);
        self.sharing.remove(&node);
        if is_reset {
            self.reset(node)?;
        } else {
            self.reached.met(Met::IdentityShared);
            self.sharing.insert(node);
            self.is_tainted = true;
        }
        self.check(node)
    }

    /// Gives a replica a site id of its own.
    pub fn reset(&mut self, node: usize) -> Outcome {
        let before = self.site(node);
        let site = files::reset_site(self.database(node))?;
        let known = self.world.nodes.iter().map(|node| node.model.site);
        if site == before || known.into_iter().any(|known| known == site) {
            return Err(format!("{}: no new site id", self.name(node)));
        }
        self.world
            .say(node, || "SELECT crsql_site_id_reset();".to_owned());
        self.reached.met(Met::IdentityReset);
        self.world.nodes[node].model.site = site;
        self.world.nodes[node].shares_site = false;
        self.check(node)
    }

    /// Somebody noticed that files share a site id: the copies, and all that report it, get their own. Cursors mean nothing by then,
    /// so that everybody is made equal, and all cursors begin there.
    pub fn end_sharing(&mut self, random: &mut Random) -> Outcome {
        if !self.is_tainted {
            return Ok(());
        }
        let reporting = (0..self.stations.len()).filter(|node| self.world.nodes[*node].shares_site);
        let reporting: Vec<usize> = reporting.collect();
        for node in std::mem::take(&mut self.sharing)
            .into_iter()
            .chain(reporting)
        {
            if self.world.nodes[node].shares_site {
                self.reached.met(Met::SharedIdentityReported);
            }
            self.reached.met(Met::SharedIdentityReset);
            self.reset(node)?;
        }
        self.epoch += 1;
        self.same_level(random)?;
        if random.percent(50) {
            self.converse_all(random)?;
        } else {
            self.tell_everything(random)?;
        }
        self.have_seen_all();
        self.begin_cursors();
        self.is_tainted = false;
        Ok(())
    }

    /// All replicas are equal: whatever anybody has seen, everybody has.
    pub fn have_seen_all(&mut self) {
        let mut extent = Extent::new();
        for station in &self.stations {
            extent.extend(known(station.seen.extent().0, &extent));
        }
        for station in &mut self.stations {
            station.seen.cover(&extent);
        }
    }

    fn begin_cursors(&mut self) {
        let count = self.stations.len();
        let ends: Vec<_> = (0..count)
            .map(|node| (self.site(node), self.model(node).db_version()))
            .collect();
        for (node, station) in self.stations.iter_mut().enumerate() {
            station.received.clear();
            station.acknowledged.clear();
            for (other, (site, version)) in ends.iter().enumerate() {
                if other != node {
                    station.received.insert(*site, Point::whole(*version));
                    // This one's own version, which the other one has.
                    station.acknowledged.insert(*site, ends[node].1);
                }
            }
        }
    }

    /// Everybody tells everybody everything, until nothing is new.
    pub fn tell_everything(&mut self, random: &mut Random) -> Outcome {
        let count = self.stations.len();
        self.rounds(|fleet| {
            for (to, from) in pairs(count) {
                let delivery = Delivery {
                    from,
                    selection: Selection::Everything,
                    order: *random.pick(&[Order::AsSent, Order::Shuffled]),
                    form: *random.pick(&[Form::Select, Form::Rows(9)]),
                    is_twice: false,
                    seed: random.next(),
                };
                fleet.world.deliver(to, &delivery, None)?;
                fleet.heard_everything(to, from);
                fleet.check_arrival(to)?;
            }
            Ok(())
        })
    }

    fn heard_everything(&mut self, to: usize, from: usize) {
        let (extent, is_whole) = self.stations[from].seen.extent();
        let holds_back = !self.model(from).schema.parked.is_empty();
        let seen = &mut self.stations[to].seen;
        if is_whole && !holds_back {
            seen.cover(&extent);
        } else {
            seen.touch(&extent);
        }
    }

    /// Rounds of an exchange until one brings nothing new.
    pub fn rounds(&mut self, mut round: impl FnMut(&mut Self) -> Outcome) -> Outcome {
        let applied = |fleet: &Self| -> u64 {
            let nodes = fleet.world.nodes.iter();
            nodes
                .map(|node| node.model.reach.count(Situation::MergeApplied))
                .sum()
        };
        for _ in 0..ROUNDS_MAX {
            let before = applied(self);
            round(self)?;
            if applied(self) == before {
                return Ok(());
            }
        }
        let filter: Filter = self.script.filter;
        Err(format!(
            "still exchanging news after {ROUNDS_MAX} rounds, {filter:?}"
        ))
    }
}

/// Each pair of replicas, in both directions.
pub fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    let all = (0..count).flat_map(move |to| (0..count).map(move |from| (to, from)));
    all.filter(|(to, from)| to != from)
}

fn known(extent: Extent, others: &Extent) -> Extent {
    let larger = |(author, count): (usize, u64)| {
        let other = others.get(&author).copied().unwrap_or(0);
        (author, count.max(other))
    };
    extent.into_iter().map(larger).collect()
}
