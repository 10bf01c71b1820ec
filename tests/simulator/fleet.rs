//! The fleet: databases with their models, what the applications on them keep, and what is under way. After each
//! operation everything that must hold of the replicas that took part is checked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::model::replica::{Replica, SENTINEL, Site};
use crate::model::statement::{OnConflict, Statement, Targets};
use crate::model::table::Table;
use crate::model::value::{Rule, Value};
use crate::schedule::exchange::{gives_names_once, summary};
use crate::schedule::plan::Step;
use crate::schedule::run::{Outcome, World};
use crate::schedule::{shapes, sql};

use super::carry::{Letter, Point};
use super::files::{self, Whose};
use super::parts::Parts;
use super::reach::{Met, Reached};
use super::script::{Filter, Operation, Script, Ticket, Topology};
use super::seen::{Author, Seen};

/// Of more changes than these, polls are compared at every eighth step.
const CHANGES_EACH_STEP: usize = 1_000;

/// What the application on a replica keeps in its file.
#[derive(Clone, Debug, Default)]
pub struct Station {
    pub author: Author,
    pub seen: Seen,
    /// Up to where it has got everything, by the site of the sender.
    pub received: BTreeMap<Site, Point>,
    /// Up to which version a peer says that it has got everything, by its site.
    pub acknowledged: BTreeMap<Site, i64>,
    /// What the extension keeps of transactions that came in part.
    pub parts: Parts,
}

/// A copy of a file that is kept.
pub struct Backup {
    pub path: PathBuf,
    pub model: Replica,
    pub station: Station,
    pub shares_site: bool,
}

pub struct Fleet<'a> {
    pub world: World,
    pub script: &'a Script,
    pub directory: &'a Path,
    pub stations: Vec<Station>,
    pub under_way: BTreeMap<Ticket, Vec<Letter>>,
    pub backups: Vec<Option<Backup>>,
    /// Replicas whose site id somebody else writes under, or wrote.
    pub sharing: BTreeSet<usize>,
    /// Was a site id shared since all cursors were made anew?
    pub is_tainted: bool,
    /// Rises when all cursors are made anew: older messages move none.
    pub epoch: u64,
    pub authors: Author,
    pub conversations: BTreeSet<(usize, usize)>,
    pub reached: Reached,
    pub files: usize,
    pub names_mean_one_thing: bool,
    /// The version of each replica when it was checked last.
    versions: Vec<i64>,
    states_checked: Vec<(i64, usize, bool)>,
    /// Which state has which digest, and the reverse.
    digests: HashMap<(u64, u64), Vec<u8>>,
    states: HashMap<Vec<u8>, (u64, u64)>,
}

impl<'a> Fleet<'a> {
    pub fn new(script: &'a Script, directory: &'a Path, is_traced: bool) -> Outcome<Fleet<'a>> {
        let plan = &script.plan;
        let tables = shapes::all().into_iter().enumerate();
        let tables = tables
            .filter(|(index, _)| plan.shapes.contains(index))
            .map(|(_, shape)| shape)
            .collect();
        let world = World::new(plan, tables, Some(directory), is_traced)?;
        let count = world.nodes.len();
        let station = |author| Station {
            author,
            ..Station::default()
        };
        let mut reached = Reached::default();
        reached.met(match script.topology {
            Topology::Mesh => Met::MeshFleet,
            Topology::Hub => Met::HubFleet,
            Topology::Chain => Met::ChainFleet,
        });
        for what in &script.met {
            reached.met(*what);
        }
        match script.filter {
            Filter::OfPeer => reached.met(Met::OnlyOfPeerFleet),
            Filter::All => reached.met(Met::WithOwnChangesFleet),
            Filter::Others => (),
        }
        Ok(Fleet {
            names_mean_one_thing: gives_names_once(plan, &world.tables),
            world,
            script,
            directory,
            stations: (0..count).map(station).collect(),
            under_way: BTreeMap::new(),
            backups: (0..count).map(|_| None).collect(),
            sharing: BTreeSet::new(),
            is_tainted: false,
            epoch: 0,
            authors: count,
            conversations: BTreeSet::new(),
            reached,
            files: 0,
            versions: vec![0; count],
            states_checked: vec![(0, 0, false); count],
            digests: HashMap::new(),
            states: HashMap::new(),
        })
    }

    pub fn operate(&mut self, operation: &Operation) -> Outcome {
        self.reached.sizes.steps += 1;
        match operation {
            Operation::Local(step) => {
                let (Step::Work { replica, .. }
                | Step::Reopen { replica }
                | Step::Deliver { replica, .. }) = step;
                self.world.step(step)?;
                self.check_books(*replica)
            }
            Operation::Bulk { node, first, rows } => self.bulk(*node, *first, *rows),
            Operation::Clear { node } => self.clear(*node),
            Operation::Ask {
                ticket,
                by,
                of,
                carrier,
            } => self.ask(*ticket, *by, *of, *carrier),
            Operation::Push {
                ticket,
                by,
                to,
                carrier,
            } => self.push(*ticket, *by, *to, *carrier),
            Operation::Talk {
                ticket,
                by,
                with,
                max_bytes,
            } => self.talk(*ticket, *by, *with, *max_bytes),
            Operation::Arrive(arrival) => self.arrive(arrival),
            Operation::Crash { node, statements } => self.crash(*node, statements),
            Operation::Backup { node, copying } => self.backup(*node, *copying),
            Operation::Restore { node, is_reset } => self.restore(*node, *is_reset),
            Operation::Copy {
                from,
                to,
                copying,
                is_reset,
            } => self.copy(*from, *to, *copying, *is_reset),
            Operation::Settle { seed } => self.settle(*seed),
        }
    }

    pub fn model(&self, node: usize) -> &Replica {
        &self.world.nodes[node].model
    }

    pub fn database(&self, node: usize) -> &crate::schedule::database::Database {
        let database = self.world.nodes[node].database.as_ref();
        database.expect("every replica of a fleet has a database")
    }

    pub fn site(&self, node: usize) -> Site {
        self.model(node).site
    }

    pub fn name(&self, node: usize) -> &str {
        &self.world.nodes[node].name
    }

    pub fn new_path(&mut self) -> PathBuf {
        self.files += 1;
        self.directory.join(format!("copy{}.db", self.files))
    }

    pub fn new_author(&mut self) -> Author {
        self.authors += 1;
        self.authors
    }

    /// Many rows in one transaction, in the first table that takes them.
    fn bulk(&mut self, node: usize, first: i64, rows: usize) -> Outcome {
        let tables = self.model(node).tables();
        let is_simple = |table: &Table| {
            let is_blob = table.columns[table.key[0]].rule == Rule::StrictBlob;
            table.is_here && table.key.len() == 1 && table.cells.len() < 10 && !is_blob
        };
        let Some(place) = tables.iter().position(is_simple) else {
            return Ok(());
        };
        let key = tables[place].key.clone();
        let is_text = matches!(
            tables[place].columns[key[0]].rule,
            Rule::Text | Rule::StrictText
        );
        let value = |number: i64| match is_text {
            true => Value::Text(number.to_string()),
            false => Value::Integer(number),
        };
        let statement = Statement::Insert {
            table: place,
            columns: key,
            rows: (first..)
                .take(rows)
                .map(|number| vec![value(number)])
                .collect(),
            conflict: OnConflict::Replace,
        };
        self.world.write(node, &statement)?;
        self.reached.met(Met::Bulk);
        self.check(node)
    }

    fn clear(&mut self, node: usize) -> Outcome {
        for table in 0..self.model(node).schema.tables.len() {
            let targets = Targets::All;
            self.world
                .write(node, &Statement::Delete { table, targets })?;
        }
        self.check(node)
    }

    /// Everything that must hold of a replica now.
    pub fn check(&mut self, node: usize) -> Outcome {
        let model = &mut self.world.nodes[node].model;
        let has_applied_own = std::mem::take(&mut model.has_applied_own);
        self.world.nodes[node].shares_site |= has_applied_own;
        self.world.check(node)?;
        self.check_books(node)
    }

    /// The same, where something arrived. If it was no news, that nothing changed is looked at now and then, and by the next
    /// check of this replica.
    pub fn check_arrival(&mut self, node: usize) -> Outcome {
        let is_same = self.state(node) == self.states_checked[node];
        let text = "SELECT crsql_db_version()";
        if is_same && !self.reached.sizes.messages.is_multiple_of(6) {
            let got = self.database(node).integer(text)?;
            return match got == self.model(node).db_version() {
                true => Ok(()),
                false => Err(format!("{}: no news gave version {got}", self.name(node))),
            };
        }
        self.check(node)
    }

    /// What any news changes.
    fn state(&self, node: usize) -> (i64, usize, bool) {
        let model = self.model(node);
        let parked = model.schema.parked.len();
        (model.db_version(), parked, model.has_applied_own)
    }

    /// What must hold beside what the model alone says.
    fn check_books(&mut self, node: usize) -> Outcome {
        self.states_checked[node] = self.state(node);
        self.reached.sizes.checks += 1;
        let before = self.check_version(node)?;
        self.check_delta(node, before)?;
        self.measure(node)?;
        if self.reached.sizes.checks.is_multiple_of(3) {
            self.check_digest(node)?;
        }
        for other in 0..self.stations.len() {
            if other != node {
                self.check_seen(node, other)?;
            }
        }
        Ok(())
    }

    /// Versions of one file never go back. Gives that of the last check.
    fn check_version(&mut self, node: usize) -> Outcome<i64> {
        let (before, now) = (self.versions[node], self.model(node).db_version());
        if now < before {
            return Err(format!(
                "{}: db_version went back from {before} to {now}",
                self.name(node)
            ));
        }
        let site = self.site(node);
        let news = self.model(node).changes(before);
        if news.iter().any(|change| change.site == site) {
            let author = self.stations[node].author;
            self.stations[node].seen.wrote(author);
        }
        self.versions[node] = now;
        Ok(before)
    }

    /// Another file stands in the place of the old one.
    pub fn set_version(&mut self, node: usize) {
        self.versions[node] = self.model(node).db_version();
    }

    /// A poll gives exactly what changed since, each cell once, whatever it is filtered by.
    fn check_delta(&mut self, node: usize, before: i64) -> Outcome {
        let peer = self.site((node + 1) % self.stations.len());
        let all = files::news(self.database(node), 0, Whose::All)?;
        if all.len() > CHANGES_EACH_STEP && !self.reached.sizes.checks.is_multiple_of(8) {
            return Ok(());
        }
        let mut cells = BTreeSet::new();
        for change in &all {
            if !cells.insert((&change.table, &change.pk, &change.cid)) {
                return Err(format!(
                    "{}: reported twice: {}",
                    self.name(node),
                    sql::change(change)
                ));
            }
            if change.cl % 2 == 0 && change.cid != SENTINEL {
                return Err(format!("{}: a cell of a deleted row", self.name(node)));
            }
        }
        for whose in [Whose::All, Whose::NotOf(peer), Whose::Of(self.site(node))] {
            let got = files::news(self.database(node), before, whose)?;
            let is_new = |change: &crate::model::replica::Change| {
                change.db_version > before && whose.holds(change)
            };
            let expected: Vec<String> = all
                .iter()
                .filter(|change| is_new(change))
                .map(sql::change)
                .collect();
            let got: Vec<String> = got.iter().map(sql::change).collect();
            if got != expected {
                return Err(format!(
                    "{}: news since {before}, {whose:?}: expected {expected:#?}\n  got {got:#?}",
                    self.name(node)
                ));
            }
        }
        self.reached.met(Met::DeltaChecked);
        Ok(())
    }

    fn measure(&mut self, node: usize) -> Outcome {
        let model = &self.world.nodes[node].model;
        let live = model.state.rows.values();
        let rows = live.filter(|row| row.values.is_some()).count();
        let versions = model.db_version();
        let tombstones = model.state.rows.len() - rows;
        let parked = model.schema.parked.len();
        let sites = files::sites(self.database(node))?;
        let sizes = &mut self.reached.sizes;
        sizes.rows_max = sizes.rows_max.max(rows);
        sizes.tombstones_max = sizes.tombstones_max.max(tombstones);
        sizes.versions_max = sizes.versions_max.max(versions);
        sizes.parked_max = sizes.parked_max.max(parked);
        sizes.sites_max = sizes.sites_max.max(sites);
        Ok(())
    }

    /// Digests are equal exactly where the models are.
    pub fn check_digest(&mut self, node: usize) -> Outcome {
        let digest = files::digest(self.database(node))?;
        let state = fingerprint(&logical_state(self.model(node)));
        self.reached.met(Met::DigestCompared);
        let known_digest = self.digests.entry(state).or_insert_with(|| digest.clone());
        if *known_digest != digest {
            return Err(format!(
                "{}: another digest than before for the same state",
                self.name(node)
            ));
        }
        if !self.states.is_empty() && !self.states.contains_key(&digest) {
            self.reached.met(Met::DigestsDiffer);
        }
        let known_state = *self.states.entry(digest).or_insert(state);
        if known_state != state {
            return Err(format!("{}: the digest of another state", self.name(node)));
        }
        Ok(())
    }

    /// Replicas that have seen the same are equal.
    fn check_seen(&mut self, one: usize, other: usize) -> Outcome {
        let is_comparable = |node: usize| self.model(node).schema.parked.is_empty();
        let level = |node: usize| self.model(node).schema.level;
        let is_meant =
            self.names_mean_one_thing && self.script.filter != Filter::OfPeer && !self.is_tainted;
        if !is_meant
            || level(one) != level(other)
            || !is_comparable(one)
            || !is_comparable(other)
            || !self.stations[one].seen.same(&self.stations[other].seen)
        {
            return Ok(());
        }
        self.reached.met(Met::SeenAlike);
        let nodes = &self.world.nodes;
        crate::schedule::exchange::same_end(&nodes[one], &nodes[other])
            .map_err(|error| format!("they have seen the same, and are {error}"))
    }

    /// What was reached, the models' counts included.
    pub fn into_reached(mut self) -> Reached {
        self.reached.model = self.world.reached();
        self.reached.sizes.fleets = 1;
        self.reached
    }
}

/// What the digest is about: of each row its causal length and its cells, without authors and positions.
pub fn logical_state(model: &Replica) -> Vec<String> {
    let mut lines = summary(model);
    lines.retain(|line| !line.ends_with(" live false"));
    lines
}

fn fingerprint(lines: &[String]) -> (u64, u64) {
    let hash = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        (salt, lines).hash(&mut hasher);
        hasher.finish()
    };
    (hash(1), hash(2))
}
