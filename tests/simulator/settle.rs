//! Times of a good network: everybody talks to everybody until nothing is new. Then all replicas must be equal.

use crate::schedule::exchange::same_end;
use crate::schedule::plan::{End, Finish, Form, Migrating, Plan};
use crate::schedule::random::Random;
use crate::schedule::run::Outcome;

use super::carry::Point;
use super::faults::pairs;
use super::files;
use super::fleet::Fleet;
use super::reach::Met;
use super::script::{Arrival, Carrier, Filter};

/// No exchange has this number.
const TICKET: usize = usize::MAX;

/// More messages than any conversation between replicas of this size has.
const MESSAGES_MAX: usize = 20_000;

impl Fleet<'_> {
    pub fn settle(&mut self, seed: u64) -> Outcome {
        let mut random = Random::new(seed);
        self.end_sharing(&mut random)?;
        self.same_level(&mut random)?;
        // What was merged into a column or table that was given up later is not sent again by itself.
        let is_pull_enough = self.names_mean_one_thing;
        match random.below(100) {
            0..50 if is_pull_enough => {
                self.reached.met(Met::SettledByPulls);
                self.pull_all(&mut random)?;
            }
            0..75 => {
                self.reached.met(Met::SettledByConversations);
                self.converse_all(&mut random)?;
            }
            _ => {
                self.reached.met(Met::SettledByEverything);
                self.tell_everything(&mut random)?;
            }
        }
        self.reached.met(Met::Settled);
        self.expect_equal()
    }

    /// The end: everybody goes through all changes of the schema, and new replicas are made from the changes alone.
    pub fn finish(&mut self) -> Outcome {
        let plan = Plan {
            finish: Finish::Everything,
            ..self.script.plan.clone()
        };
        self.reached.met(Met::RebuiltAtTheEnd);
        self.world.finish(&plan, Some(self.directory))
    }

    /// Everybody gets the newest schema of the fleet.
    pub fn same_level(&mut self, random: &mut Random) -> Outcome {
        let count = self.stations.len();
        let level = |fleet: &Self, node: usize| fleet.model(node).schema.level;
        let newest = (0..count).map(|node| level(self, node)).max().unwrap_or(0);
        for node in 0..count {
            while level(self, node) < newest {
                let migrating = Migrating {
                    is_session: random.percent(50),
                    before: Vec::new(),
                    after: Vec::new(),
                    end: *random.pick(&[End::Alter { by_old_name: false }, End::Transaction]),
                };
                self.world.migrate(node, &migrating)?;
            }
            self.world.merge_parked(node)?;
            self.check(node)?;
        }
        Ok(())
    }

    /// Everybody asks everybody for news.
    fn pull_all(&mut self, random: &mut Random) -> Outcome {
        let count = self.stations.len();
        let carriers = [
            Carrier::Rows(Form::Select),
            Carrier::Rows(Form::CellByCell),
            Carrier::Changeset { level: 3 },
            Carrier::Stream {
                max_bytes: 200,
                level: 0,
            },
            Carrier::Stream {
                max_bytes: 1,
                level: 0,
            },
        ];
        let carriers = match self.script.filter {
            Filter::OfPeer => &carriers[..2],
            Filter::Others | Filter::All => &carriers[..],
        };
        // One alone must do: another one could hide what it lacks.
        let alone = [*random.pick(carriers)];
        let carriers = if random.percent(70) {
            &alone[..]
        } else {
            carriers
        };
        self.rounds(|fleet| {
            for (to, from) in pairs(count) {
                let carrier = *random.pick(carriers);
                let site = fleet.site(from);
                let known = fleet.stations[to].received.get(&site);
                let after: Point = known.copied().unwrap_or_default();
                let letters = fleet.compose(from, to, fleet.site(to), after, carrier, false)?;
                for letter in letters {
                    fleet.receive(&letter, &Arrival::sound(TICKET))?;
                }
            }
            Ok(())
        })
    }

    /// Everybody has a conversation with everybody.
    pub fn converse_all(&mut self, random: &mut Random) -> Outcome {
        let count = self.stations.len();
        let max_bytes = *random.pick(&[1_024, 4_000, 1 << 20]);
        self.rounds(|fleet| {
            for (by, with) in pairs(count).filter(|(by, with)| by < with) {
                fleet.talk(TICKET, by, with, max_bytes)?;
                let mut messages = 0;
                while fleet.under_way.contains_key(&TICKET) {
                    fleet.arrive(&Arrival::sound(TICKET))?;
                    messages += 1;
                    if messages > MESSAGES_MAX {
                        return Err("a conversation does not end".to_owned());
                    }
                }
                let digests = [by, with].map(|node| files::digest(fleet.database(node)));
                let [one, other] = digests;
                if one? != other? {
                    return Err(format!(
                        "{} and {} have other digests after a conversation",
                        fleet.name(by),
                        fleet.name(with)
                    ));
                }
            }
            Ok(())
        })
    }

    fn expect_equal(&mut self) -> Outcome {
        for node in 0..self.stations.len() {
            self.check_digest(node)?;
            files::integrity(self.database(node))?;
            let nodes = &self.world.nodes;
            same_end(&nodes[0], &nodes[node]).map_err(|error| format!("settled, and {error}"))?;
        }
        self.have_seen_all();
        Ok(())
    }
}
