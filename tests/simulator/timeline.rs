//! From a seed to a script. Here time passes, links are slow and lose things, replicas go away and come back; what is left
//! of it is the order in which things happen.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::table::Table;
use crate::schedule::generate::{self, Generator};
use crate::schedule::habit::Habit;
use crate::schedule::plan::{Form, Step, Storage};
use crate::schedule::random::Random;

use super::reach::Met;
use super::script::{Arrival, Carrier, Copying, Filter, Operation, Script, Ticket, Topology};

/// Virtual milliseconds.
type Time = usize;

/// The longest that a message takes, but for those that are late.
const LATENCY: Time = 60;

#[derive(Clone, Debug)]
enum Event {
    Work(usize),
    Talk(usize),
    /// Something arrives over the link between two replicas.
    Arrive((usize, usize), Arrival),
    Fault,
    LinksMended,
    Returned(usize),
    Settle,
}

struct Timeline {
    random: Random,
    generator: Generator,
    now: Time,
    /// Events by time, then in the order in which they were thought of.
    queue: BinaryHeap<Reverse<(Time, usize)>>,
    events: Vec<Option<Event>>,
    replicas: usize,
    topology: Topology,
    filter: Filter,
    habit: Habit,
    carriers: Vec<Carrier>,
    is_large: bool,
    loses_files: bool,
    /// Percent of messages that are lost.
    loss: usize,
    /// Two sides that don't hear of each other.
    cut: Option<Vec<bool>>,
    away: Vec<bool>,
    /// A file, and a copy of it that kept its identity.
    twins: Option<(usize, usize)>,
    tickets: Ticket,
    operations: Vec<Operation>,
    met: Vec<Met>,
}

/// The script of a seed. A longer one begins like a shorter one.
pub fn script(seed: u64, steps: usize, tables: &[Table]) -> Script {
    let mut random = Random::new(seed ^ 0x51b0_1a7e_d000);
    let habit = habit(seed);
    let replicas = match random.weighted(&[(15, 2), (35, 3), (30, 4), (15, 5), (5, 7)]) {
        // A file, a copy of it, and one that knows neither.
        2 if habit == Habit::EqualValues => 3,
        replicas => replicas,
    };
    let storages = [(40, Storage::RollbackJournal), (60, Storage::WriteAheadLog)];
    let storages = (0..replicas).map(|_| random.weighted(&storages)).collect();
    let of_world = Random::new(random.next());
    let (plan, generator, _) = generate::world(seed, of_world, tables, habit, storages, (1, 1));
    let topology = random.weighted(&[
        (50, Topology::Mesh),
        (25, Topology::Hub),
        (25, Topology::Chain),
    ]);
    let is_of_peer = topology == Topology::Mesh && random.percent(20);
    let filter = match is_of_peer {
        // What was written under an identity comes to all that have it.
        _ if habit == Habit::EqualValues => Filter::All,
        true if habit == Habit::None => Filter::OfPeer,
        _ => Filter::Others,
    };
    let mut timeline = Timeline {
        carriers: carriers(&mut random, filter),
        is_large: random.percent(20) && habit == Habit::None,
        // Where everybody tells only what it wrote itself, what a lost file wrote is told by nobody.
        loses_files: filter != Filter::OfPeer && random.percent(80),
        loss: random.weighted(&[(30, 0), (40, 10), (30, 35)]),
        random,
        generator,
        now: 0,
        queue: BinaryHeap::new(),
        events: Vec::new(),
        replicas,
        topology,
        filter,
        habit,
        cut: None,
        away: vec![false; replicas],
        twins: None,
        tickets: 0,
        operations: Vec::new(),
        met: Vec::new(),
    };
    timeline.run(steps);
    timeline.operations.truncate(steps);
    Script {
        plan,
        filter,
        topology,
        operations: timeline.operations,
        met: timeline.met,
    }
}

/// What a fleet does more often than others.
fn habit(seed: u64) -> Habit {
    let mut random = Random::new(seed ^ 0x7ab1_75ee_d000);
    random.weighted(&[
        (78, Habit::None),
        (13, Habit::EqualValues),
        (9, Habit::NamesGivenAgain),
    ])
}

/// One kind of carrier, or several.
fn carriers(random: &mut Random, filter: Filter) -> Vec<Carrier> {
    let forms = [
        Form::Select,
        Form::Select,
        Form::CellByCell,
        Form::Rows(3),
        Form::Rows(20),
    ];
    // What one carrier lacks could be hidden by another one.
    let is_stream = random.percent(35);
    (0..random.between(1, 4))
        .map(|_| match random.below(100) {
            _ if is_stream && filter != Filter::OfPeer => Carrier::Stream {
                max_bytes: *random.pick(&[1, 1, 120, 2_000]),
                level: 0,
            },
            0..40 => Carrier::Rows(*random.pick(&forms)),
            _ if filter == Filter::OfPeer => Carrier::Rows(*random.pick(&forms)),
            40..60 => Carrier::Changeset {
                level: *random.pick(&[0, 3]),
            },
            _ => Carrier::Stream {
                max_bytes: *random.pick(&[1, 1, 120, 300, 2_000, 1 << 20]),
                level: *random.pick(&[0, 3]),
            },
        })
        .collect()
}

impl Timeline {
    fn at(&mut self, delay: Time, event: Event) {
        self.queue
            .push(Reverse((self.now + delay, self.events.len())));
        self.events.push(Some(event));
    }

    fn run(&mut self, steps: usize) {
        for node in 0..self.replicas {
            let (work, talk) = (self.random.below(40), self.random.below(150));
            self.at(work, Event::Work(node));
            self.at(talk, Event::Talk(node));
        }
        self.at(100, Event::Fault);
        self.at(1_500, Event::Settle);
        while self.operations.len() < steps {
            let Some(Reverse((time, number))) = self.queue.pop() else {
                return;
            };
            self.now = time;
            if let Some(event) = self.events[number].take() {
                self.happen(event);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Work(node) => {
                self.work(node);
                let pause = self.random.weighted(&[(70, 40), (25, 150), (5, 1_500)]);
                let pause = self.random.between(1, pause);
                self.at(pause, Event::Work(node));
            }
            Event::Talk(node) => {
                self.exchange(node);
                let pause = self.random.between(20, 160);
                self.at(pause, Event::Talk(node));
            }
            Event::Arrive(link, arrival) => {
                if self.is_open(link) {
                    self.operations.push(Operation::Arrive(arrival));
                } else if self.random.percent(30) {
                    self.met.push(Met::MessageKeptForLater);
                    // It is kept on the way until the link is there again.
                    let delay = self.random.between(200, 1_500);
                    self.at(delay, Event::Arrive(link, arrival));
                } else {
                    self.met.push(Met::MessageCutOff);
                }
            }
            Event::Fault => {
                self.fault();
                let pause = self.random.between(10, 180);
                self.at(pause, Event::Fault);
            }
            Event::LinksMended => self.cut = None,
            Event::Returned(node) => {
                self.met.push(Met::PeerReturned);
                self.away[node] = false;
            }
            Event::Settle => {
                let seed = self.random.next();
                self.operations.push(Operation::Settle { seed });
                self.twins = None;
                let pause = self.random.between(1_000, 5_000);
                self.at(pause, Event::Settle);
            }
        }
    }

    fn work(&mut self, node: usize) {
        if self.is_large && self.random.percent(3) {
            let first = *self.random.pick(&[1_000, 1_200, 5_000]);
            let rows = self.random.between(50, 600);
            self.operations.push(Operation::Bulk { node, first, rows });
            return;
        }
        let connection = usize::from(self.random.percent(20));
        let step = self.generator.work(node, connection);
        self.operations.push(Operation::Local(step.clone()));
        if self.habit == Habit::EqualValues && self.random.percent(40) {
            // Somebody does the same without knowing of it.
            let other = (node + self.random.between(1, self.replicas - 1)) % self.replicas;
            self.operations
                .push(Operation::Local(step.on_replica(other)));
        }
    }

    fn is_open(&self, (one, other): (usize, usize)) -> bool {
        let is_cut = self
            .cut
            .as_ref()
            .is_some_and(|side| side[one] != side[other]);
        !is_cut && !self.away[one] && !self.away[other]
    }

    fn neighbour(&mut self, node: usize) -> usize {
        let last = self.replicas - 1;
        match self.topology {
            Topology::Mesh => (node + self.random.between(1, last)) % self.replicas,
            Topology::Hub if node > 0 => 0,
            Topology::Hub => self.random.between(1, last),
            Topology::Chain if node == 0 => 1,
            Topology::Chain if node == last => last - 1,
            Topology::Chain => node - 1 + 2 * self.random.below(2),
        }
    }

    fn exchange(&mut self, by: usize) {
        let other = self.neighbour(by);
        let carrier = *self.random.pick(&self.carriers);
        let is_stream = matches!(carrier, Carrier::Stream { .. });
        if is_stream && self.is_open((by, other)) && self.random.percent(8) {
            return self.broken_stream(by, other, carrier);
        }
        self.tickets += 1;
        let ticket = self.tickets;
        let (operation, hops) = match self.random.below(100) {
            // A conversation makes its partners equal in what others wrote, too.
            0..15 if self.filter != Filter::OfPeer => {
                let max_bytes = *self.random.pick(&[1_024, 3_000, 1 << 20]);
                let with = other;
                let operation = Operation::Talk {
                    ticket,
                    by,
                    with,
                    max_bytes,
                };
                (operation, self.random.between(2, 14))
            }
            0..40 => {
                let to = other;
                let operation = Operation::Push {
                    ticket,
                    by,
                    to,
                    carrier,
                };
                (operation, 2)
            }
            _ => {
                let of = other;
                let operation = Operation::Ask {
                    ticket,
                    by,
                    of,
                    carrier,
                };
                (operation, 2)
            }
        };
        self.operations.push(operation);
        let mut time = 0;
        for _ in 0..hops + usize::from(self.random.percent(15)) {
            time += self.latency();
            if self.random.percent(self.loss / 3) {
                continue;
            }
            let arrival = self.arrival(ticket);
            self.at(time, Event::Arrive((by, other), arrival));
        }
    }

    /// A stream breaks; before the rest of it is asked for, all that was in it is gone.
    fn broken_stream(&mut self, by: usize, of: usize, carrier: Carrier) {
        let breaks_after = Some(self.random.between(1, 3));
        self.ask_at_once(by, of, carrier, breaks_after);
        self.operations.push(Operation::Clear { node: of });
        self.ask_at_once(by, of, carrier, None);
    }

    /// A question, and the answer without anything between.
    fn ask_at_once(&mut self, by: usize, of: usize, carrier: Carrier, breaks_after: Option<usize>) {
        self.tickets += 1;
        let ticket = self.tickets;
        let ask = Operation::Ask {
            ticket,
            by,
            of,
            carrier,
        };
        let answer = Arrival {
            breaks_after,
            ..Arrival::sound(ticket)
        };
        let request = Operation::Arrive(Arrival::sound(ticket));
        self.operations
            .extend([ask, request, Operation::Arrive(answer)]);
    }

    /// A copy that keeps its identity and somebody else do the same, perhaps at a schema that the original does not have yet. It
    /// hears of that from the other one first.
    fn tie_with_copy(&mut self, original: usize, copy: usize) {
        let others = (0..self.replicas).filter(|node| ![original, copy].contains(node));
        let others: Vec<usize> = others.collect();
        let other = *self.random.pick(&others);
        let is_migrating = self.random.percent(50);
        for count in 0..self.random.between(1, 3) {
            let step = match is_migrating && count == 0 {
                true => self.generator.migration(other),
                false => self.generator.work(other, 0),
            };
            let again = step.clone().on_replica(copy);
            self.operations
                .extend([Operation::Local(step), Operation::Local(again)]);
        }
        for of in [other, copy] {
            let carrier = *self.random.pick(&self.carriers);
            self.ask_at_once(original, of, carrier, None);
        }
    }

    /// What one writes to two columns comes to one that dropped the first and gave its name to the second.
    fn name_given_again(&mut self, node: usize) {
        let other = self.neighbour(node);
        for _ in 0..2 {
            let migration = self.generator.migration(node);
            self.operations.push(Operation::Local(migration));
        }
        for _ in 0..2 {
            let work = self.generator.work(other, 0);
            self.operations.push(Operation::Local(work));
        }
        self.ask_at_once(node, other, Carrier::Changeset { level: 0 }, None);
    }

    fn latency(&mut self) -> Time {
        let longest = self.random.weighted(&[(90, LATENCY), (10, 20 * LATENCY)]);
        self.random.between(1, longest)
    }

    fn arrival(&mut self, ticket: Ticket) -> Arrival {
        let transaction = self
            .random
            .weighted(&[(60, None), (30, Some(true)), (10, Some(false))]);
        let breaks = self.random.percent(20);
        let breaks_after = breaks.then(|| self.random.between(1, 3));
        let is_writing = transaction.is_some() && self.random.percent(30);
        Arrival {
            ticket,
            seed: self.random.next(),
            loss: self.loss,
            breaks_after,
            is_repeated: self.random.percent(10),
            transaction,
            statement: is_writing.then(|| self.generator.statement()),
        }
    }

    fn fault(&mut self) {
        let node = self.random.below(self.replicas);
        let copying = *self.random.pick(&[Copying::Bytes, Copying::Vacuum]);
        let is_of_habit = self.habit != Habit::None && self.random.percent(40);
        match self.random.below(100) {
            _ if is_of_habit && self.habit == Habit::NamesGivenAgain => self.name_given_again(node),
            _ if is_of_habit => match self.twins {
                Some((original, copy)) => self.tie_with_copy(original, copy),
                None => {
                    let original = self.copy(node, copying, 0);
                    self.twins = Some((original, node));
                }
            },
            0..20 => {
                let side = (0..self.replicas).map(|_| self.random.percent(50));
                self.cut = Some(side.collect());
                self.met.push(Met::LinksCut);
                let end = self.random.between(200, 2_000);
                self.at(end, Event::LinksMended);
            }
            20..32 => {
                self.away[node] = true;
                self.met.push(Met::PeerAway);
                let end = self.random.between(500, 3_000);
                self.at(end, Event::Returned(node));
            }
            32..42 => {
                let step = Step::Reopen { replica: node };
                self.operations.push(Operation::Local(step));
            }
            42..62 => {
                let count = self.random.weighted(&[(30, 0), (40, 2), (30, 6)]);
                let statements = (0..count).map(|_| self.generator.statement()).collect();
                self.operations.push(Operation::Crash { node, statements });
            }
            62..74 => self.operations.push(Operation::Backup { node, copying }),
            74..87 if self.loses_files => {
                let is_reset = self.random.percent(50);
                self.operations.push(Operation::Restore { node, is_reset });
            }
            87..98 if self.loses_files => {
                self.copy(node, copying, 50);
                self.twins = None;
            }
            _ => (),
        }
    }

    /// A copy of another replica, which is given back, takes the place of this one. `percent_reset`: how likely it is to get an
    /// identity of its own at once.
    fn copy(&mut self, to: usize, copying: Copying, percent_reset: usize) -> usize {
        let from = (to + self.random.between(1, self.replicas - 1)) % self.replicas;
        let is_reset = self.random.percent(percent_reset);
        self.operations.push(Operation::Copy {
            from,
            to,
            copying,
            is_reset,
        });
        from
    }
}
