//! From a seed to a schedule. Later seeds give longer schedules, so that a fault shows in a short one first.

use crate::model::statement::{Assign, OnConflict, Statement, Targets};
use crate::model::table::Table;
use crate::model::value::{Rule, Value};

use super::habit::Habit;
use super::plan::{
    Action, Bounds, Delivery, End, Finish, Flaw, Form, Migrating, Order, Plan, Selection, Step,
    Storage,
};
use super::random::Random;
use super::run::MERGE_OWN_CHANGES;
use super::values;

const STEPS_MAX: usize = 45;

/// Decides what replicas do.
pub struct Generator {
    pub random: Random,
    /// The tables in use, with all columns that they ever have.
    tables: Vec<Table>,
    has_migrations: bool,
    habit: Habit,
    replicas: usize,
    /// May a replica read from another one directly?
    has_deliveries: bool,
    /// For each table in use, the values that each key column takes.
    pools: Vec<Vec<Vec<Value>>>,
}

pub fn plan(seed: u64, tables: &[Table]) -> Plan {
    plan_of(Random::new(seed), seed, tables)
}

/// The schedule that these choices make; `seed` decides its length alone.
pub fn plan_of(mut random: Random, seed: u64, tables: &[Table]) -> Plan {
    let replicas = random.weighted(&[(30, 2), (40, 3), (20, 4), (10, 5)]);
    let storages = [
        (70, Storage::Memory),
        (15, Storage::RollbackJournal),
        (15, Storage::WriteAheadLog),
    ];
    let storages = (0..replicas).map(|_| random.weighted(&storages)).collect();
    let length_max = (5 + seed as usize / 8).min(STEPS_MAX);
    let length_range = (3.max(length_max / 3), length_max);
    let (mut plan, mut generator, length) =
        world(seed, random, tables, Habit::None, storages, length_range);
    generator.has_deliveries = true;
    plan.steps = (0..length).map(|_| generator.step()).collect();
    plan
}

/// A plan without steps, what decides on them, and how many there are to be.
pub fn world(
    seed: u64,
    mut random: Random,
    tables: &[Table],
    habit: Habit,
    storages: Vec<Storage>,
    length_range: (usize, usize),
) -> (Plan, Generator, usize) {
    let fitting: Vec<usize> = (0..tables.len())
        .filter(|place| habit.fits(&tables[*place]))
        .collect();
    let mut shapes: Vec<usize> = (0..random.weighted(&[(60, 1), (30, 2), (10, 3)]))
        .map(|_| fitting[random.below(fitting.len())])
        .collect();
    shapes.sort_unstable();
    shapes.dedup();
    let pools = shapes
        .iter()
        .map(|shape| pools(&mut random, &tables[*shape]))
        .collect();
    let (created_later, migrations) = habit.migrations(&mut random, &shapes, tables);
    let length = random.between(length_range.0, length_range.1);
    let merge_equal_values = random.percent(15) || habit == Habit::EqualValues;
    let recursive_triggers = random.percent(15);
    let finish = random.weighted(&[
        (35, Finish::Pulls),
        (25, Finish::Ring),
        (40, Finish::Everything),
    ]);
    let generator = Generator {
        random,
        tables: migrations.tables,
        has_migrations: !migrations.list.is_empty(),
        habit,
        replicas: storages.len(),
        has_deliveries: false,
        pools,
    };
    let plan = Plan {
        seed,
        replicas: storages,
        shapes,
        created_later,
        migrations: migrations.list,
        merge_equal_values,
        recursive_triggers,
        steps: Vec::new(),
        finish,
    };
    (plan, generator, length)
}

fn pools(random: &mut Random, table: &Table) -> Vec<Vec<Value>> {
    table
        .key
        .iter()
        .map(|column| values::key_pool(random, table.columns[*column].rule))
        .collect()
}

impl Generator {
    fn step(&mut self) -> Step {
        let replica = self.random.below(self.replicas);
        let connection = usize::from(self.random.percent(20));
        match self.random.below(100) {
            0..55 => self.work(replica, connection),
            55..97 => Step::Deliver {
                replica,
                connection,
                delivery: self.delivery(replica),
            },
            _ => Step::Reopen { replica },
        }
    }

    /// What a replica does by itself, in one transaction or several.
    pub fn work(&mut self, replica: usize, connection: usize) -> Step {
        let transaction = self.random.percent(50).then(|| self.bounds());
        let count = self
            .random
            .between(1, if transaction.is_some() { 7 } else { 2 });
        let is_savepoint_allowed = transaction.is_some();
        let mut actions = Vec::new();
        if is_savepoint_allowed && self.has_migrations && self.random.percent(12) {
            actions = self.replay_twice();
        }
        actions.extend((0..count).map(|_| self.action(replica, is_savepoint_allowed)));
        Step::Work {
            replica,
            connection,
            transaction,
            actions,
        }
    }

    /// A replica does its next migration, and writes at the schema that it has then.
    pub fn migration(&mut self, replica: usize) -> Step {
        let migrating = Migrating {
            is_session: self.random.percent(50),
            before: Vec::new(),
            after: (0..4).map(|_| self.statement()).collect(),
            end: End::Alter { by_old_name: false },
        };
        Step::Work {
            replica,
            connection: 0,
            transaction: None,
            actions: vec![Action::Migrate(migrating)],
        }
    }

    /// What waits for a plain change of the schema is merged, which is undone, and merged again.
    fn replay_twice(&mut self) -> Vec<Action> {
        let migrating = Migrating {
            is_session: false,
            before: Vec::new(),
            after: Vec::new(),
            end: End::Alter { by_old_name: false },
        };
        let merge = || Action::Quiet(MERGE_OWN_CHANGES.to_owned());
        vec![
            Action::Migrate(migrating),
            Action::Savepoint,
            merge(),
            Action::RollbackTo(0),
            merge(),
        ]
    }

    fn bounds(&mut self) -> Bounds {
        let start = *self
            .random
            .pick(&["BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT outermost"]);
        Bounds {
            start,
            is_committed: self.random.percent(80),
        }
    }

    fn action(&mut self, replica: usize, is_in_transaction: bool) -> Action {
        if self.has_migrations && self.random.percent(self.habit.percent_migrating()) {
            return Action::Migrate(self.migrating());
        }
        match self.random.below(if is_in_transaction { 100 } else { 70 }) {
            0..55 => Action::Write(self.statement()),
            55..66 if !self.has_deliveries => Action::Write(self.statement()),
            55..63 => Action::Merge(self.delivery(replica)),
            63..66 => Action::MergeRefused {
                delivery: self.delivery(replica),
                flaw: self.flaw(),
            },
            66..69 => Action::Quiet(self.quiet(is_in_transaction)),
            69..70 => self.index(),
            70..80 => Action::Savepoint,
            80..84 => Action::Release(self.random.below(4)),
            84..92 => Action::RollbackTo(self.random.below(4)),
            92..93 => Action::RaiseVersion(self.random.between(1, 60) as i64),
            _ => Action::Read,
        }
    }

    fn quiet(&mut self, is_in_transaction: bool) -> String {
        let anywhere = [
            "SELECT crsql_finalize()",
            MERGE_OWN_CHANGES,
            "SELECT count(*) FROM crsql_changes WHERE site_id = crsql_site_id()",
            "SAVEPOINT empty; RELEASE empty",
            "CREATE TABLE IF NOT EXISTS plain(x); INSERT INTO plain VALUES (1)",
            "CREATE TABLE IF NOT EXISTS plain(x); CREATE INDEX IF NOT EXISTS plain_x ON plain(x)",
            "CREATE TABLE IF NOT EXISTS plain(x); CREATE TRIGGER IF NOT EXISTS plain_insert \
             AFTER INSERT ON plain BEGIN DELETE FROM plain WHERE x = 2; END",
            "DROP TABLE IF EXISTS plain",
            "CREATE VIEW plain_view AS SELECT 1; DROP VIEW plain_view",
            "CREATE TEMP TABLE IF NOT EXISTS scratch(x)",
        ];
        let alone = ["VACUUM", "ANALYZE", "PRAGMA wal_checkpoint", "REINDEX"];
        let is_alone = !is_in_transaction && self.random.percent(40);
        let choices = if is_alone { &alone[..] } else { &anywhere[..] };
        choices[self.random.below(choices.len())].to_owned()
    }

    /// An index of the application on a replicated table, made or dropped. Only where NOT INDEXED keeps SQLite from
    /// scanning it, so that the order of a scan stays known.
    fn index(&mut self) -> Action {
        let table = self.random.below(self.tables.len());
        let is_made = self.random.percent(60) && self.tables[table].has_rowid();
        Action::Index { table, is_made }
    }

    fn migrating(&mut self) -> Migrating {
        let mut writes = || {
            let count = self.random.weighted(&[(50, 0), (30, 1), (20, 3)]);
            (0..count).map(|_| self.statement()).collect()
        };
        let (before, after) = (writes(), writes());
        let by_old_name = self.random.percent(30);
        Migrating {
            is_session: self.random.percent(50),
            before,
            after,
            end: self.random.weighted(&[
                (60, End::Alter { by_old_name }),
                (15, End::Transaction),
                (8, End::Rollback),
                (10, End::UndoneBySavepoint),
                (7, End::Refused),
            ]),
        }
    }

    fn flaw(&mut self) -> Flaw {
        let flaws = [
            Flaw::UnknownTable,
            Flaw::UnknownColumn,
            Flaw::KeyAsColumn,
            Flaw::BrokenKey,
            Flaw::ShortKey,
            Flaw::NegativeSeq,
            Flaw::ZeroCausalLength,
            Flaw::Constraint,
            Flaw::Constraint,
            Flaw::Constraint,
        ];
        *self.random.pick(&flaws)
    }

    fn delivery(&mut self, receiver: usize) -> Delivery {
        let from = (receiver + self.random.between(1, self.replicas - 1)) % self.replicas;
        let part = Selection::Part(self.random.between(5, 70));
        Delivery {
            from,
            selection: self.random.weighted(&[
                (42, Selection::SinceCursor),
                (13, Selection::Everything),
                (45, part),
            ]),
            order: self.random.weighted(&[
                (60, Order::AsSent),
                (10, Order::Reversed),
                (30, Order::Shuffled),
            ]),
            form: self.random.weighted(&[
                (20, Form::Select),
                (15, Form::Changeset),
                (10, Form::Slices),
                (25, Form::CellByCell),
                (15, Form::Rows(3)),
                (15, Form::Rows(20)),
            ]),
            is_twice: self.random.percent(10),
            seed: self.random.next(),
        }
    }

    pub fn statement(&mut self) -> Statement {
        let chosen = self.random.below(self.tables.len());
        match self.random.below(100) {
            0..40 => self.insert(chosen),
            40..48 => self.upsert(chosen),
            48..68 => self.update_cells(chosen),
            68..82 => self.update_key(chosen),
            _ => Statement::Delete {
                table: chosen,
                targets: self.targets(chosen, 10),
            },
        }
    }

    fn table(&self, chosen: usize) -> &Table {
        &self.tables[chosen]
    }

    fn insert(&mut self, chosen: usize) -> Statement {
        let conflict = self.random.weighted(&[
            (35, OnConflict::Abort),
            (30, OnConflict::Replace),
            (15, OnConflict::Ignore),
            (10, OnConflict::Fail),
            (10, OnConflict::Rollback),
        ]);
        let columns = self.insert_columns(chosen);
        let rows = if self.random.percent(7) {
            self.bulk_rows(chosen, &columns)
        } else {
            let count = self.random.weighted(&[(60, 1), (20, 2), (20, 4)]);
            (0..count).map(|_| self.row(chosen, &columns)).collect()
        };
        Statement::Insert {
            table: chosen,
            columns,
            rows,
            conflict,
        }
    }

    /// Many rows whose keys follow one another, mostly.
    fn bulk_rows(&mut self, chosen: usize, columns: &[usize]) -> Vec<Vec<Value>> {
        let first = self.table(chosen).key[0];
        let is_numbered_by_sqlite = self.random.percent(40) && self.table(chosen).has_rowid_alias();
        let count_max = if self.table(chosen).cells.len() > 10 {
            8
        } else {
            45
        };
        let count = self.random.between(5, count_max);
        let step = self.random.weighted(&[(80, 1), (10, 2), (10, -1)]);
        let row = |number: usize| {
            let mut row = self.row(chosen, columns);
            let place = columns
                .iter()
                .position(|column| *column == first)
                .expect("the key is written");
            row[place] = if is_numbered_by_sqlite {
                Value::Null
            } else {
                self.bulk_key(chosen, 100 + step * number as i64)
            };
            row
        };
        (0..count).map(row).collect()
    }

    /// A value for the first column of the key, outside the pool.
    fn bulk_key(&self, chosen: usize, number: i64) -> Value {
        let table = self.table(chosen);
        match table.columns[table.key[0]].rule {
            Rule::Text | Rule::StrictText => Value::Text(format!("{number}{}", "k".repeat(50))),
            _ => Value::Integer(number),
        }
    }

    fn upsert(&mut self, chosen: usize) -> Statement {
        let columns = self.insert_columns(chosen);
        let row = self.row(chosen, &columns);
        let set = if self.random.percent(25) {
            Vec::new()
        } else {
            self.assigned_cells(chosen)
        };
        Statement::Upsert {
            table: chosen,
            columns,
            row,
            set,
        }
    }

    /// The key and all cells, or some of them.
    fn insert_columns(&mut self, chosen: usize) -> Vec<usize> {
        let table = self.table(chosen);
        let (mut columns, cells) = (table.key.clone(), table.cells.clone());
        let is_whole = self.random.percent(70);
        columns.extend(
            cells
                .into_iter()
                .filter(|_| is_whole || self.random.percent(50)),
        );
        columns
    }

    fn row(&mut self, chosen: usize, columns: &[usize]) -> Vec<Value> {
        columns
            .iter()
            .map(|column| self.value(chosen, *column))
            .collect()
    }

    fn value(&mut self, chosen: usize, column: usize) -> Value {
        let table = &self.tables[chosen];
        match table.key.iter().position(|key| *key == column) {
            Some(position) => self.key_value(chosen, position),
            None if self.habit == Habit::EqualValues => {
                values::one_of_few(&mut self.random, &table.columns[column])
            }
            None => values::cell(&mut self.random, &table.columns[column]),
        }
    }

    /// Mostly from the pool, sometimes NULL: an automatic rowid, or a violation. Sometimes no rowid at all.
    fn key_value(&mut self, chosen: usize, position: usize) -> Value {
        let table = self.table(chosen);
        let is_alias = table.columns[table.key[position]].rule == Rule::RowidAlias;
        let is_strict = table.create.contains("STRICT");
        match self.random.below(100) {
            0..8 if is_alias => Value::Null,
            8..10 if is_alias => Value::Text("no number".to_owned()),
            0..3 if !is_strict => Value::Real(f64::NAN),
            10..15 if position == 0 => self.some_bulk_key(chosen),
            _ => {
                let pool = &self.pools[chosen][position];
                pool[self.random.below(pool.len())].clone()
            }
        }
    }

    fn some_bulk_key(&mut self, chosen: usize) -> Value {
        let number = self.random.between(95, 150) as i64;
        self.bulk_key(chosen, number)
    }

    fn key(&mut self, chosen: usize) -> Vec<Value> {
        let pools = &self.pools[chosen];
        let mut key: Vec<Value> = pools
            .iter()
            .map(|pool| pool[self.random.below(pool.len())].clone())
            .collect();
        if self.random.percent(8) {
            key[0] = self.some_bulk_key(chosen);
        }
        key
    }

    /// Mostly one row; several, or with the given chance all.
    fn targets(&mut self, chosen: usize, percent_all: usize) -> Targets {
        if self.random.percent(percent_all) {
            return Targets::All;
        }
        let count = self.random.weighted(&[(70, 1), (20, 2), (10, 4)]);
        Targets::Keys((0..count).map(|_| self.key(chosen)).collect())
    }

    fn assigned_cells(&mut self, chosen: usize) -> Vec<(usize, Value)> {
        let cells = self.table(chosen).cells.clone();
        let keep = *self.random.pick(&[30, 60, 100]);
        let assigned: Vec<usize> = cells
            .into_iter()
            .filter(|_| self.random.percent(keep))
            .collect();
        assigned
            .into_iter()
            .map(|column| (column, self.value(chosen, column)))
            .collect()
    }

    fn update_cells(&mut self, chosen: usize) -> Statement {
        let set: Vec<_> = self
            .assigned_cells(chosen)
            .into_iter()
            .map(|(column, value)| (column, Assign::To(value)))
            .collect();
        if set.is_empty() {
            return self.update_key(chosen);
        }
        let conflict = self.random.weighted(&[
            (80, OnConflict::Abort),
            (10, OnConflict::Ignore),
            (10, OnConflict::Replace),
        ]);
        Statement::Update {
            table: chosen,
            targets: self.targets(chosen, 20),
            set,
            conflict,
        }
    }

    /// One row to a key of the pool, or several rows by an offset; some cells may change as well.
    fn update_key(&mut self, chosen: usize) -> Statement {
        let key = self.table(chosen).key.clone();
        let position = self.random.below(key.len());
        let column = key[position];
        let is_integer = self.table(chosen).columns[column].rule == Rule::RowidAlias;
        let mut set = Vec::new();
        if self.random.percent(30) {
            set.extend(
                self.assigned_cells(chosen)
                    .into_iter()
                    .map(|(column, value)| (column, Assign::To(value))),
            );
        }
        if is_integer && self.random.percent(25) {
            let offset = *self.random.pick(&[1, 10, -1]);
            set.push((column, Assign::Add(offset)));
            let conflict = self.random.weighted(&[
                (50, OnConflict::Abort),
                (30, OnConflict::Ignore),
                (20, OnConflict::Replace),
            ]);
            return Statement::Update {
                table: chosen,
                targets: self.targets(chosen, 50),
                set,
                conflict,
            };
        }
        set.push((column, Assign::To(self.key_value(chosen, position))));
        let conflict = self.random.weighted(&[
            (40, OnConflict::Abort),
            (40, OnConflict::Replace),
            (10, OnConflict::Ignore),
            (5, OnConflict::Fail),
            (5, OnConflict::Rollback),
        ]);
        let targets = self.targets(chosen, 10);
        Statement::Update {
            table: chosen,
            targets,
            set,
            conflict,
        }
    }
}
