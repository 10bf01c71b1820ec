//! Runs a schedule on the models, or on the models and real databases side by side, and compares the two after every
//! commit and wherever the schedule reads.

use std::path::Path;
use std::rc::Rc;

use crate::model::key::Key;
use crate::model::reach::{Reach, Situation};
use crate::model::replica::Replica;
use crate::model::schema::Migration;
use crate::model::statement::{Failure, Statement};
use crate::model::table::Table;
use crate::model::value::Value;

use super::avoid;
use super::compare::{compare_changes, compare_contents, compare_parked};
use super::database::Database;
use super::ddl;
use super::plan::{Action, Bounds, Plan, Step, Storage};
use super::sql;

pub struct Node {
    pub name: String,
    pub model: Replica,
    pub database: Option<Database>,
    /// Up to which db_version of each other node everything was pulled.
    pub cursors: Vec<i64>,
    /// Does it put a row into tables before they are replicated?
    pub seeds_tables: bool,
    /// Did a change arrive that another replica wrote under this one's site id?
    pub shares_site: bool,
}

pub struct World {
    /// The tables as every replica begins with them.
    pub tables: Rc<Vec<Table>>,
    pub migrations: Rc<Vec<Migration>>,
    pub nodes: Vec<Node>,
    pub reach: Reach,
    /// Every statement so far, if it is wanted.
    pub trace: Option<Vec<String>>,
}

/// A merge that changes nothing.
pub const MERGE_OWN_CHANGES: &str = "INSERT INTO crsql_changes SELECT * FROM crsql_changes";

pub type Outcome<T = ()> = Result<T, String>;

impl World {
    /// `directory` is where the databases go; without one there are only models.
    pub fn new(
        plan: &Plan,
        shapes: Vec<Table>,
        directory: Option<&Path>,
        trace: bool,
    ) -> Outcome<World> {
        let mut tables = shapes;
        for place in &plan.created_later {
            tables[*place].is_here = false;
        }
        let trace = trace.then(Vec::new);
        let mut world = World {
            tables: Rc::new(tables),
            migrations: Rc::new(plan.migrations.clone()),
            nodes: Vec::new(),
            reach: Reach::default(),
            trace,
        };
        for (index, storage) in plan.replicas.iter().enumerate() {
            let node = world.node(plan, index, *storage, directory)?;
            world.nodes.push(node);
        }
        // Site ids are random, but their order is part of the schedule.
        world.nodes.sort_by_key(|node| node.model.site);
        for (index, node) in world.nodes.iter_mut().enumerate() {
            node.name = char::from(b'A' + index as u8).to_string();
        }
        if plan.merge_equal_values {
            world.reach.met(Situation::EqualValuesMergedSchedule);
        }
        if plan.recursive_triggers {
            world.reach.met(Situation::RecursiveTriggersSchedule);
        }
        world.reach.met(if plan.migrations.is_empty() {
            Situation::CoreSchedule
        } else {
            Situation::SchemaSchedule
        });
        world.trace_set_up(plan);
        Ok(world)
    }

    pub fn node(
        &self,
        plan: &Plan,
        index: usize,
        storage: Storage,
        directory: Option<&Path>,
    ) -> Outcome<Node> {
        let database = match directory {
            Some(directory) => {
                let path = directory.join(format!("{index}.db"));
                let database = Database::create(path, storage, &self.tables, set_up(plan))?;
                if plan.migrations.is_empty() {
                    // Without migrations nothing is to be waited for.
                    database.run("SELECT crsql_config_set('unknown-changes', 'reject')")?;
                }
                if plan.merge_equal_values {
                    database.run("SELECT crsql_config_set('merge-equal-values', 1)")?;
                }
                Some(database)
            }
            None => None,
        };
        let site = match &database {
            Some(database) => database.site()?,
            None => [index as u8 + 1; 16],
        };
        let mut model = Replica::new(site, Rc::clone(&self.tables));
        model.refuses_unknown = plan.migrations.is_empty();
        model.merge_equal_values = plan.merge_equal_values;
        model.recursive_triggers = plan.recursive_triggers;
        Ok(Node {
            name: format!("new {index}"),
            model,
            database,
            cursors: vec![0; plan.replicas.len()],
            seeds_tables: true,
            shares_site: false,
        })
    }

    fn trace_set_up(&mut self, plan: &Plan) {
        for index in 0..self.nodes.len() {
            let site = sql::hex(&self.nodes[index].model.site);
            let storage = self.nodes[index]
                .database
                .as_ref()
                .map_or("no database", |database| {
                    if database.is_file() { "file" } else { "memory" }
                });
            self.say(index, || {
                format!("-- site {site}, {storage}; {}", set_up(plan))
            });
        }
        let tables = Rc::clone(&self.tables);
        for table in tables.iter().filter(|table| table.is_here) {
            self.say(0, || {
                format!("{}; -- and as_crr, on every replica", table.create)
            });
        }
        if plan.merge_equal_values {
            self.say(0, || {
                "SELECT crsql_config_set('merge-equal-values', 1); -- on every replica".to_owned()
            });
        }
    }

    pub fn say(&mut self, node: usize, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{}: {}", self.nodes[node].name, line()));
        }
    }

    pub fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Work {
                replica,
                connection,
                transaction,
                actions,
            } => {
                self.switch(*replica, *connection)?;
                self.work(*replica, *transaction, actions)?;
                self.check(*replica)
            }
            Step::Deliver {
                replica,
                connection,
                delivery,
            } => {
                self.switch(*replica, *connection)?;
                self.deliver(*replica, delivery, None)?;
                self.check(*replica)
            }
            Step::Reopen { replica } => {
                self.reopen(*replica)?;
                self.check(*replica)
            }
        }
    }

    fn switch(&mut self, node: usize, connection: usize) -> Outcome {
        let Some(database) = &mut self.nodes[node].database else {
            return Ok(());
        };
        if connection > 0 && database.is_file() {
            self.reach.met(Situation::SecondConnection);
        }
        database.switch(connection)?;
        self.say(node, || format!("-- connection {connection}"));
        Ok(())
    }

    pub fn reopen(&mut self, node: usize) -> Outcome {
        let Some(database) = self.nodes[node]
            .database
            .as_mut()
            .filter(|database| database.is_file())
        else {
            return Ok(());
        };
        database.reopen()?;
        self.reach.met(Situation::Reopened);
        self.say(node, || "-- closed and opened again".to_owned());
        Ok(())
    }

    fn work(&mut self, node: usize, transaction: Option<Bounds>, actions: &[Action]) -> Outcome {
        if let Some(bounds) = transaction {
            self.run(node, bounds.start)?;
            self.nodes[node].model.begin();
        }
        for action in actions {
            self.act(node, action)?;
            let node = &self.nodes[node];
            if let Some(database) = &node.database
                && database.is_in_transaction() != node.model.is_in_transaction()
            {
                return Err(format!(
                    "{}: in a transaction: {}",
                    node.name,
                    database.is_in_transaction()
                ));
            }
            if transaction.is_some() && !node.model.is_in_transaction() {
                return Ok(());
            }
        }
        match transaction {
            Some(bounds) if bounds.is_committed => {
                let is_savepoint = bounds.start.starts_with("SAVEPOINT");
                self.run(
                    node,
                    if is_savepoint {
                        "RELEASE outermost"
                    } else {
                        "COMMIT"
                    },
                )?;
                self.nodes[node].model.commit();
            }
            Some(_) => {
                self.run(node, "ROLLBACK")?;
                self.nodes[node].model.rollback();
                self.reach.met(Situation::Rollback);
            }
            None => (),
        }
        Ok(())
    }

    fn act(&mut self, node: usize, action: &Action) -> Outcome {
        let savepoints = self.nodes[node].model.savepoints();
        match action {
            Action::Write(statement) => self.write(node, statement),
            Action::Merge(delivery) => self.deliver(node, delivery, None),
            Action::MergeRefused { delivery, flaw } => self.deliver(node, delivery, Some(*flaw)),
            Action::Savepoint => {
                self.nodes[node].model.savepoint();
                self.run(node, &format!("SAVEPOINT s{savepoints}"))
            }
            Action::Release(depth) if savepoints > 0 => {
                let depth = depth % savepoints;
                self.nodes[node].model.release(depth);
                self.run(node, &format!("RELEASE s{depth}"))
            }
            Action::RollbackTo(depth) if savepoints > 0 => {
                let depth = depth % savepoints;
                self.nodes[node].model.rollback_to(depth);
                self.reach.met(Situation::RollbackToSavepoint);
                self.run(node, &format!("ROLLBACK TO s{depth}"))?;
                self.pin_next_version(node)?;
                self.check_impacted(node)
            }
            Action::Release(_) | Action::RollbackTo(_) => Ok(()),
            Action::RaiseVersion(version) => {
                self.nodes[node].model.raise_next_version(*version);
                self.run(node, &format!("SELECT crsql_next_db_version({version})"))
            }
            Action::Migrate(migrating) => self.migrate(node, migrating),
            Action::Index {
                table: place,
                is_made,
            } => {
                let table = self.nodes[node].model.table(*place);
                if !table.is_here {
                    return Ok(());
                }
                let text = if *is_made {
                    ddl::make_index(table, *place)
                } else {
                    ddl::drop_index(*place)
                };
                self.run(node, &text)
            }
            Action::Quiet(text) => {
                self.reach.met(Situation::QuietStatement);
                if text == MERGE_OWN_CHANGES {
                    return self.merge_own_changes(node);
                }
                self.run(node, text)
            }
            Action::Read => {
                self.say(node, || "SELECT * FROM crsql_changes;".to_owned());
                self.reach.met(Situation::ReadInsideTransaction);
                self.check(node)
            }
        }
    }

    /// A merge in which nothing is new applies what waits for a table or column that is here.
    pub fn merge_own_changes(&mut self, node: usize) -> Outcome {
        let model = &mut self.nodes[node].model;
        let is_own_transaction = !model.is_in_transaction();
        if is_own_transaction {
            model.begin();
        }
        if !model.changes(0).is_empty() {
            model.replay(Situation::ReplayedByMerge);
        }
        if is_own_transaction {
            model.commit();
        }
        self.run(node, MERGE_OWN_CHANGES)
    }

    pub fn run(&mut self, node: usize, text: &str) -> Outcome {
        self.say(node, || format!("{text};"));
        self.nodes[node]
            .database
            .as_ref()
            .map_or(Ok(()), |database| database.run(text))
    }

    /// Runs what must fail.
    pub fn run_refused(&mut self, node: usize, text: &str) -> Outcome {
        self.say(node, || format!("{text}; -- must fail"));
        let database = self.nodes[node].database.as_ref();
        match database.map(|database| database.run(text)) {
            Some(Ok(())) => Err(format!("{text}: it must fail")),
            Some(Err(_)) | None => Ok(()),
        }
    }

    pub fn write(&mut self, node: usize, statement: &Statement) -> Outcome {
        let tables = self.nodes[node].model.tables();
        let Some(statement) = &statement.fitted(&tables[statement.table()]) else {
            return Ok(());
        };
        if avoid::is_undetermined(&self.nodes[node].model, statement) {
            return Ok(());
        }
        self.say(node, || {
            format!("{};", sql::statement(statement, &tables).inlined())
        });
        let order = self.visiting_order(node, statement)?;
        let Node {
            name,
            model,
            database,
            ..
        } = &mut self.nodes[node];
        let is_own_transaction = !model.is_in_transaction();
        if is_own_transaction {
            model.begin();
        }
        let expected = model.execute(statement, &order);
        match expected {
            Ok(_) | Err(Failure::Stopped) if is_own_transaction => model.commit(),
            Err(Failure::Undone) if is_own_transaction => model.rollback(),
            Ok(_) | Err(_) => (),
        }
        if let Some(database) = database {
            let got = database.write(statement, &tables);
            match (expected, &got) {
                (Ok(expected), Ok(got)) if expected == *got => (),
                (Err(_), Err(_)) => (),
                _ => {
                    return Err(format!(
                        "{name}: rows changed: expected {expected:?}, got {got:?}"
                    ));
                }
            }
        }
        self.pin_next_version(node)
    }

    /// The rows that an UPDATE or DELETE targets, in SQLite's order where there is an SQLite.
    fn visiting_order(&self, node: usize, statement: &Statement) -> Outcome<Vec<Key>> {
        let Some(targets) = statement.targets() else {
            return Ok(Vec::new());
        };
        let place = statement.table();
        let Node {
            name,
            model,
            database,
            ..
        } = &self.nodes[node];
        let table = model.table(place);
        let live = model
            .state
            .rows
            .iter()
            .filter(|((of, _), row)| *of == place && row.values.is_some());
        let expected = sql::target_keys(table, targets, live.map(|((_, key), _)| key.clone()));
        let Some(database) = database else {
            return Ok(expected);
        };
        let order = database.targets(table, targets)?;
        let mut sorted = order.clone();
        sorted.sort();
        if sorted == expected {
            Ok(order)
        } else {
            Err(format!(
                "{name}: targets: expected {expected:?}, got {order:?}"
            ))
        }
    }

    /// After something was undone, a version that was pending may still be pending or not: asks which it is.
    pub fn pin_next_version(&mut self, node: usize) -> Outcome {
        let Node {
            name,
            model,
            database,
            ..
        } = &mut self.nodes[node];
        if !model.is_in_transaction() {
            return Ok(());
        }
        let (low, high) = model.next_version_range();
        if low == high {
            return Ok(());
        }
        let version = match database {
            Some(database) => database.integer("SELECT crsql_next_db_version()")?,
            None => high,
        };
        if !(low..=high).contains(&version) {
            return Err(format!(
                "{name}: next db_version: expected {low} to {high}, got {version}"
            ));
        }
        model.set_next_version(version);
        self.say(node, || {
            format!("SELECT crsql_next_db_version(); -- {version}")
        });
        Ok(())
    }

    pub fn check_impacted(&self, node: usize) -> Outcome {
        let Node {
            name,
            model,
            database,
            ..
        } = &self.nodes[node];
        let Some(database) = database.as_ref().filter(|_| model.is_in_transaction()) else {
            return Ok(());
        };
        let (expected, got) = (
            model.state.rows_impacted,
            database.integer("SELECT crsql_rows_impacted()")?,
        );
        if expected == got {
            Ok(())
        } else {
            Err(format!(
                "{name}: rows impacted: expected {expected}, got {got}"
            ))
        }
    }

    /// The database must tell what the model tells.
    pub fn check(&self, node: usize) -> Outcome {
        let Node {
            name,
            model,
            database,
            ..
        } = &self.nodes[node];
        let Some(database) = database else {
            return Ok(());
        };
        compare_contents(model, database).map_err(|error| format!("{name}: {error}"))?;
        compare_changes(model, &database.changes(0, None)?)
            .map_err(|error| format!("{name}: {error}"))?;
        compare_parked(model, &database.parked()?).map_err(|error| format!("{name}: {error}"))?;
        for (text, expected) in [
            ("SELECT crsql_db_version()", model.db_version()),
            ("SELECT crsql_internal_sync_bit()", 0),
        ] {
            let got = database.integer(text)?;
            if got != expected {
                return Err(format!("{name}: {text}: expected {expected}, got {got}"));
            }
        }
        self.check_problems(node)
    }

    /// What writes around the extension leave must not be found where there were none.
    fn check_problems(&self, node: usize) -> Outcome {
        let Node {
            name,
            model,
            database,
            ..
        } = &self.nodes[node];
        let is_session_open = model.schema.tables.iter().any(|table| table.sessions > 0);
        let Some(database) = database.as_ref().filter(|_| !is_session_open) else {
            return Ok(());
        };
        let mut problems = database.problems()?;
        let is_own = |value: &Value| value.same(&Value::Text("site id used elsewhere".to_owned()));
        let count = problems.len();
        problems.retain(|problem| !problem.iter().any(is_own));
        let is_shared = problems.len() < count;
        // Own changes that went with a dropped column or table may come back.
        let is_known = !self.migrations.is_empty() || is_shared == self.nodes[node].shares_site;
        match problems.is_empty() && is_known {
            true => Ok(()),
            false => Err(format!(
                "{name}: crsql_check: {problems:?}, shared site id {is_shared}"
            )),
        }
    }

    /// Everything met so far, by the models too.
    pub fn reached(&self) -> Reach {
        let mut reach = self.reach.clone();
        for node in &self.nodes {
            reach.add(&node.model.reach);
        }
        reach
    }
}

fn set_up(plan: &Plan) -> &'static str {
    if plan.recursive_triggers {
        "PRAGMA recursive_triggers = ON;"
    } else {
        ""
    }
}
