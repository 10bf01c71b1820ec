//! How changes travel between replicas, and what must hold when everything has arrived everywhere.

use std::collections::BTreeSet;
use std::path::Path;

use crate::model::reach::Situation;
use crate::model::replica::{Change, Replica, SENTINEL};
use crate::model::schema::Ddl;
use crate::model::table::{Column, Table};
use crate::model::value::{Rule, Value};

use super::plan::{Delivery, End, Finish, Flaw, Form, Migrating, Order, Plan, Selection, Storage};
use super::random::Random;
use super::run::{Node, Outcome, World};
use super::sql;

/// Enough for every change to travel around, and for what it causes there to come back.
const ROUNDS_MAX: usize = 20;

impl World {
    /// Delivers in the receiver's open transaction, or else in one transaction per statement.
    pub fn deliver(&mut self, to: usize, delivery: &Delivery, flaw: Option<Flaw>) -> Outcome {
        let mut random = Random::new(delivery.seed);
        let is_in_transaction = self.nodes[to].model.is_in_transaction();
        let (mut changes, version) = self.pull(to, delivery)?;
        self.note(to, delivery, &changes);
        arrange(&mut changes, delivery, &mut random);
        // Whether a refused statement leaves what it merged of the parked changes is open.
        let flaw = flaw.filter(|_| !self.nodes[to].model.has_due());
        if let Some(flaw) = flaw {
            let model = &self.nodes[to].model;
            changes.push(flawed(flaw, changes.last(), &mut random, model));
        }
        let form = match delivery.form {
            Form::Changeset | Form::Slices if flaw.is_some() || !self.knows_all(to, &changes) => {
                Form::Select
            }
            Form::Slices if is_in_transaction => Form::Changeset,
            form => form,
        };
        self.merge(to, &changes, form)?;
        if delivery.selection == Selection::SinceCursor && !is_in_transaction && flaw.is_none() {
            self.reach.met(Situation::PulledSinceCursor);
            self.nodes[to].cursors[delivery.from] = version;
        }
        self.check_impacted(to)
    }

    /// Is every change about a table and a column that the receiver has by this name? What is not waits, a row
    /// at a time or a change at a time, in another order.
    fn knows_all(&self, to: usize, changes: &[Change]) -> bool {
        let model = &self.nodes[to].model;
        changes.iter().all(|change| {
            let Some(place) = model.find_table(&change.table) else {
                return false;
            };
            let table = model.table(place);
            let mut names = table.columns.iter().map(|column| &*column.name);
            table.name == change.table
                && (change.cid == SENTINEL || names.any(|name| name == change.cid))
        })
    }

    /// The changes that the sender would send, and its version.
    fn pull(&mut self, to: usize, delivery: &Delivery) -> Outcome<(Vec<Change>, i64)> {
        let (since, not_of) = match delivery.selection {
            Selection::SinceCursor => (
                self.nodes[to].cursors[delivery.from],
                Some(self.nodes[to].model.site),
            ),
            Selection::Everything | Selection::Part(_) => (0, None),
        };
        let Node {
            model, database, ..
        } = &self.nodes[delivery.from];
        let changes = match database {
            Some(database) => database.changes(since, not_of.as_ref())?,
            None => {
                let mut changes = model.changes(since);
                changes.retain(|change| not_of.is_none_or(|site| change.site != site));
                changes
            }
        };
        let version = model.db_version();
        let name = self.nodes[delivery.from].name.clone();
        self.say(to, || {
            format!(
                "-- {:?} of {name} since {since}, {:?}, {:?}",
                delivery.selection, delivery.order, delivery.form
            )
        });
        Ok((changes, version))
    }

    fn note(&mut self, to: usize, delivery: &Delivery, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let sender = self.nodes[delivery.from].model.site;
        let level = |node: usize| self.nodes[node].model.schema.level;
        let is_across_schemas = level(delivery.from) != level(to);
        let is_local_work_open = {
            let model = &self.nodes[to].model;
            model.is_in_transaction() && model.state.db_version > model.db_version()
        };
        for (is_met, situation) in [
            (
                matches!(delivery.selection, Selection::Part(_)),
                Situation::DeliveredInPart,
            ),
            (delivery.is_twice, Situation::DeliveredTwice),
            (
                delivery.form == Form::CellByCell,
                Situation::DeliveredCellByCell,
            ),
            (delivery.form == Form::Select, Situation::DeliveredWhole),
            (
                delivery.form == Form::Changeset,
                Situation::DeliveredAsChangeset,
            ),
            (delivery.form == Form::Slices, Situation::DeliveredInSlices),
            (
                delivery.order != Order::AsSent,
                Situation::DeliveredOutOfOrder,
            ),
            (
                changes.iter().any(|change| change.site != sender),
                Situation::Relayed,
            ),
            (is_local_work_open, Situation::MergeBesideLocalWrite),
            (is_across_schemas, Situation::DeliveredAcrossSchemas),
        ] {
            if is_met {
                self.reach.met(situation);
            }
        }
    }

    /// Merges changes, in the receiver's open transaction or else in one for each statement.
    pub fn merge(&mut self, to: usize, changes: &[Change], form: Form) -> Outcome {
        if changes.is_empty() {
            return Ok(());
        }
        let statement_length = match form {
            Form::CellByCell => 1,
            Form::Rows(count) => count,
            Form::Select | Form::Changeset | Form::Slices => changes.len(),
        };
        let mut expected_effects = Vec::new();
        let mut is_refused = false;
        for statement in changes.chunks(statement_length) {
            self.say(to, || {
                let rows: Vec<String> = statement.iter().map(sql::change).collect();
                format!(
                    "INSERT INTO crsql_changes VALUES {};",
                    rows.join(",\n     ")
                )
            });
            let model = &mut self.nodes[to].model;
            let is_own_transaction = !model.is_in_transaction();
            if is_own_transaction {
                model.begin();
            }
            let outcome = model.merge(statement);
            match (&outcome, is_own_transaction) {
                (Ok(_), true) => model.commit(),
                (Err(_), true) => model.rollback(),
                (_, false) => (),
            }
            match outcome {
                Ok(effects) => expected_effects.push(effects > 0),
                Err(_) => {
                    is_refused = true;
                    break;
                }
            }
        }
        let Node { name, database, .. } = &self.nodes[to];
        if let Some(database) = database {
            let got = database.merge(changes, form);
            match got {
                Err(error) if !is_refused => return Err(format!("{name}: merge refused: {error}")),
                Ok(_) if is_refused => {
                    return Err(format!("{name}: a merge was accepted that must be refused"));
                }
                Ok(merged) if form == Form::CellByCell && merged.effects != expected_effects => {
                    let got = merged.effects;
                    return Err(format!(
                        "{name}: effects of merges: expected {expected_effects:?}, got {got:?}"
                    ));
                }
                _ => (),
            }
        }
        self.pin_next_version(to)
    }

    /// Exchanges everything until nothing is left to say, and checks that all replicas are equal.
    pub fn finish(&mut self, plan: &Plan, directory: Option<&Path>) -> Outcome {
        let mut random = Random::new(plan.seed ^ 0x5c4e_3a00);
        for node in 0..self.nodes.len() {
            self.migrate_all(node, &mut random)?;
            if random.percent(50) {
                self.merge_own_changes(node)?;
            }
            self.merge_parked(node)?;
            self.check(node)?;
        }
        self.settle(plan)?;
        for node in &self.nodes {
            if node.model.has_due() {
                return Err(format!("{}: changes are still parked", node.name));
            }
        }
        for other in 1..self.nodes.len() {
            same_end(&self.nodes[0], &self.nodes[other])?;
        }
        for node in 0..self.nodes.len() {
            self.reopen(node)?;
            self.check(node)?;
        }
        self.rebuild(plan, directory)
    }

    /// Brings a replica to the last schema.
    fn migrate_all(&mut self, node: usize, random: &mut Random) -> Outcome {
        while self.nodes[node].model.schema.level < self.migrations.len() {
            let migrating = Migrating {
                is_session: random.percent(50),
                before: Vec::new(),
                after: Vec::new(),
                end: *random.pick(&[End::Alter { by_old_name: false }, End::Transaction]),
            };
            self.migrate(node, &migrating)?;
        }
        Ok(())
    }

    /// Merges what still waits for what is here after plain statements.
    pub fn merge_parked(&mut self, node: usize) -> Outcome {
        for place in 0..self.tables.len() {
            if !self.migrations.is_empty() && self.nodes[node].model.table(place).is_here {
                self.register(node, place)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, plan: &Plan) -> Outcome {
        let mut random = Random::new(plan.seed ^ 0x5e77_1e00);
        let count = self.nodes.len();
        for _ in 0..ROUNDS_MAX {
            let mut has_news = false;
            for (to, from) in (0..count).flat_map(|to| (0..count).map(move |from| (to, from))) {
                let is_next = to == (from + 1) % count;
                if to == from || plan.finish == Finish::Ring && !is_next {
                    continue;
                }
                let delivery = last_delivery(plan, &self.tables, from, &mut random);
                let before = self.nodes[to].model.reach.count(Situation::MergeApplied);
                self.deliver(to, &delivery, None)?;
                if self.nodes[to].model.reach.count(Situation::MergeApplied) > before {
                    has_news = true;
                    self.check(to)?;
                }
            }
            if !has_news {
                return Ok(());
            }
        }
        Err(format!("still exchanging news after {ROUNDS_MAX} rounds"))
    }

    /// New replicas that know nothing but what one replica tells become equal to it, whatever the order.
    fn rebuild(&mut self, plan: &Plan, directory: Option<&Path>) -> Outcome {
        let mut random = Random::new(plan.seed ^ 0x4eb0_11d0);
        let from = random.below(self.nodes.len());
        for order in [Order::AsSent, Order::Shuffled] {
            let index = self.nodes.len();
            let mut node = self.node(plan, index, Storage::Memory, directory)?;
            node.name = format!("rebuilt {order:?}");
            node.cursors.resize(index + 1, 0);
            node.seeds_tables = false;
            self.nodes.push(node);
            let gives_names_once = gives_names_once(plan, &self.tables);
            let is_schema_last =
                order == Order::Shuffled && gives_names_once && !fills_tables(plan);
            if !is_schema_last {
                self.migrate_all(index, &mut random)?;
            }
            let form = *random.pick(&[
                Form::Select,
                Form::Changeset,
                Form::Slices,
                Form::Rows(7),
                Form::CellByCell,
            ]);
            let delivery = Delivery {
                from,
                selection: Selection::Everything,
                order,
                form,
                is_twice: false,
                seed: random.next(),
            };
            self.deliver(index, &delivery, None)?;
            if is_schema_last {
                self.reach.met(Situation::RebuiltBeforeSchema);
                self.migrate_all(index, &mut random)?;
                self.merge_parked(index)?;
            }
            self.check(index)?;
            same_end(&self.nodes[from], &self.nodes[index])?;
            self.reach.met(Situation::RebuiltFromChanges);
        }
        Ok(())
    }
}

/// Does a name always mean the same column and the same table? Only then those who pull only news come to the same end, and
/// changes of the last schema can come before it.
pub fn gives_names_once(plan: &Plan, tables: &[Table]) -> bool {
    let mut names: BTreeSet<(usize, &str)> = BTreeSet::new();
    for (place, table) in tables.iter().enumerate() {
        names.extend(table.columns.iter().map(|column| (place, &*column.name)));
    }
    let applied = plan.migrations.iter().filter(|one| !one.is_skipped);
    let mut ddl = applied.flat_map(|one| one.ddl.iter().map(|ddl| (one.table, ddl)));
    ddl.all(|(place, ddl)| match ddl {
        Ddl::AddColumn(column)
        | Ddl::Rebuild {
            added: Some((column, _)),
            ..
        } => names.insert((place, &column.name)),
        Ddl::RenameColumn { name, .. } => names.insert((place, name)),
        Ddl::DropTable => false,
        _ => true,
    })
}

/// Is there a table that is filled anew? That is a write, also of one that knows nothing yet.
fn fills_tables(plan: &Plan) -> bool {
    let mut ddl = plan.migrations.iter().flat_map(|one| &one.ddl);
    ddl.any(|ddl| matches!(ddl, Ddl::Rebuild { added: Some(_), .. }))
}

fn last_delivery(plan: &Plan, tables: &[Table], from: usize, random: &mut Random) -> Delivery {
    let form = *random.pick(&[
        Form::Select,
        Form::Changeset,
        Form::Slices,
        Form::Rows(9),
        Form::CellByCell,
    ]);
    let (selection, order) = match plan.finish {
        // What was merged into a column or table that was given up later is not sent again by itself.
        Finish::Pulls | Finish::Ring if !gives_names_once(plan, tables) => {
            (Selection::Everything, Order::AsSent)
        }
        Finish::Pulls | Finish::Ring => (Selection::SinceCursor, Order::AsSent),
        Finish::Everything => (Selection::Everything, Order::Shuffled),
    };
    Delivery {
        from,
        selection,
        order,
        form,
        is_twice: false,
        seed: random.next(),
    }
}

fn arrange(changes: &mut Vec<Change>, delivery: &Delivery, random: &mut Random) {
    if let Selection::Part(percent) = delivery.selection {
        changes.retain(|_| random.percent(percent));
    }
    if delivery.is_twice {
        changes.extend_from_within(..);
    }
    match delivery.order {
        Order::AsSent => (),
        Order::Reversed => changes.reverse(),
        Order::Shuffled => random.shuffle(changes),
    }
}

/// A change with one thing wrong with it.
fn flawed(flaw: Flaw, like: Option<&Change>, random: &mut Random, receiver: &Replica) -> Change {
    let tables = receiver.tables();
    let mut change = like.cloned().unwrap_or_else(|| Change {
        table: tables[0].name.clone(),
        pk: vec![1, 9, 1],
        cid: SENTINEL.to_owned(),
        val: Value::Null,
        col_version: 1,
        db_version: 1,
        site: vec![200; 16],
        cl: 1,
        seq: 0,
    });
    let table = receiver.find_table(&change.table);
    let flaw = match flaw {
        // About a table that is not here, nobody can know more.
        Flaw::KeyAsColumn | Flaw::ShortKey if table.is_none() => Flaw::BrokenKey,
        other => other,
    };
    match flaw {
        Flaw::UnknownTable => change.table.push_str("_no"),
        Flaw::UnknownColumn => change.cid = "no such column".to_owned(),
        Flaw::KeyAsColumn => {
            let table = &tables[table.expect("a table that is here")];
            change.cid = table.columns[table.key[0]].name.clone();
        }
        Flaw::BrokenKey => change.pk.push(9),
        Flaw::ShortKey => change.pk = vec![0],
        Flaw::NegativeSeq => change.seq = -1,
        Flaw::ZeroCausalLength => change.cl = 0,
        Flaw::Constraint => violate(&mut change, &tables, random, receiver),
    }
    change
}

/// Makes it a change that wins against the cell that the receiver has, with a value that the column refuses. It is never
/// accepted: nobody wrote it.
fn violate(change: &mut Change, tables: &[Table], random: &mut Random, receiver: &Replica) {
    let known = receiver
        .state
        .rows
        .keys()
        .nth(random.below(receiver.state.rows.len().max(1)));
    let refusals: Vec<_> = known.map_or(Vec::new(), |(table, _)| {
        let columns = tables[*table]
            .cells
            .iter()
            .map(|column| &tables[*table].columns[*column]);
        columns
            .filter_map(|column| Some((column.name.clone(), refused_value(column)?)))
            .collect()
    });
    let Some((table, key)) = known.filter(|_| !refusals.is_empty()) else {
        change.cid = "no such column".to_owned();
        return;
    };
    let (cid, val) = random.pick(&refusals).clone();
    change.table = tables[*table].name.clone();
    change.pk = key.clone();
    (change.cid, change.val) = (cid, val);
    change.cl = receiver.causal_length(*table, key).max(1) | 1;
    change.col_version = 50;
}

fn refused_value(column: &Column) -> Option<Value> {
    match column.rule {
        _ if column.refused.is_some() => column.refused.map(Value::Integer),
        _ if column.not_null => Some(Value::Null),
        Rule::StrictInteger | Rule::StrictReal | Rule::StrictText => Some(Value::Blob(vec![1])),
        Rule::StrictBlob => Some(Value::Text("t".to_owned())),
        _ => None,
    }
}

/// Rows, and causal length and column version of every cell. Sentinels of first lives may differ, and so may the author of
/// a value that several wrote, unless equal values are merged.
pub fn same_end(one: &Node, other: &Node) -> Outcome {
    let (a, b) = (summary(&one.model), summary(&other.model));
    let missing = |from: &[String], of: &[String]| -> String {
        from.iter()
            .filter(|line| !of.contains(line))
            .map(|line| format!("\n    {line}"))
            .collect()
    };
    if a == b {
        return Ok(());
    }
    Err(format!(
        "not equal:\n  only {}:{}\n  only {}:{}",
        one.name,
        missing(&a, &b),
        other.name,
        missing(&b, &a)
    ))
}

pub fn summary(model: &Replica) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for change in model.changes(0) {
        let (pk, cl) = (sql::hex(&change.pk), change.cl);
        let value = match change.val {
            // 0.0 and -0.0 are one value.
            Value::Real(real) => Value::Real(real + 0.0),
            other => other,
        };
        if change.cid != SENTINEL || cl != 1 {
            let version = change.col_version;
            lines.push(format!(
                "{} {pk} {} {} v{version} cl{cl}",
                change.table,
                change.cid,
                sql::literal(&value)
            ));
        }
    }
    for ((table, key), row) in &model.state.rows {
        let is_live = row.values.is_some();
        lines.push(format!(
            "{} {} live {is_live}",
            model.table(*table).name,
            sql::hex(key)
        ));
    }
    lines.sort();
    lines
}
