//! How one replica goes through a migration: by plain statements or in an alter session, to the end or back.

use crate::model::key::Key;
use crate::model::reach::Situation;
use crate::model::schema::{Ddl, Migration};
use crate::model::statement::{OnConflict, Statement};
use crate::model::value::Value;

use super::avoid;
use super::ddl;
use super::plan::{End, Migrating};
use super::random::Random;
use super::run::{Outcome, World};
use super::sql;
use super::values;

/// How what a migration did is taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undo {
    No,
    Rollback,
    Savepoint,
}

impl World {
    /// The next migration of this replica, if there is one.
    pub fn migrate(&mut self, node: usize, migrating: &Migrating) -> Outcome {
        let level = self.nodes[node].model.schema.level;
        let Some(migration) = self.migrations.get(level).cloned() else {
            return Ok(());
        };
        let place = migration.table;
        let table = self.nodes[node].model.table(place).clone();
        let is_create = matches!(migration.ddl.first(), Some(Ddl::CreateTable));
        if migration.is_skipped || table.is_here == is_create {
            self.nodes[node].model.skip_migration(&migration);
            return Ok(());
        }
        if avoid::is_ambiguous(&table, &migration) {
            return Ok(());
        }
        if avoid::loses_name(&table, &migration) {
            self.register(node, place)?;
        }
        self.note_migration(node);
        let is_own = !self.nodes[node].model.is_in_transaction();
        let undo = match migrating.end {
            End::Rollback if is_own => Undo::Rollback,
            End::Rollback | End::UndoneBySavepoint => Undo::Savepoint,
            _ => Undo::No,
        };
        let is_plain = migration.ddl.iter().all(Ddl::is_plain);
        let is_whole = migration.ddl.iter().any(Ddl::is_of_whole_table);
        let is_session = !is_whole && (migrating.is_session || !is_plain);
        if undo == Undo::Savepoint {
            self.run(node, "SAVEPOINT undone")?;
        } else if undo == Undo::Rollback && !is_session {
            self.run(node, "BEGIN")?;
        }
        let model = &mut self.nodes[node].model;
        if is_own && (is_session || undo != Undo::No) {
            model.begin();
        }
        let mark = model.is_in_transaction().then(|| model.mark());
        if is_session {
            self.session(node, &migration, migrating, is_own)?;
        } else {
            self.plain(node, &migration)?;
        }
        let model = &mut self.nodes[node].model;
        if !model.is_in_transaction() {
            // A write inside ended the transaction, or the session did.
            return Ok(());
        }
        match (undo, mark) {
            (Undo::No, _) => (),
            (Undo::Rollback, _) => {
                model.rollback();
                self.reach.met(Situation::SessionRolledBack);
                self.run(node, "ROLLBACK")?;
            }
            (Undo::Savepoint, mark) => {
                model.restore(mark.expect("a transaction is open"));
                if is_own {
                    model.commit();
                }
                self.reach.met(Situation::AlterUndoneBySavepoint);
                self.run(node, "ROLLBACK TO undone; RELEASE undone")?;
            }
        }
        self.pin_next_version(node)?;
        self.check_impacted(node)
    }

    fn note_migration(&mut self, node: usize) {
        let model = &self.nodes[node].model;
        let is_open = model.is_in_transaction();
        let has_written = is_open && model.state.db_version > model.db_version();
        let database = self.nodes[node].database.as_ref();
        let is_other = database.is_some_and(|database| database.is_second());
        for (is_met, situation) in [
            (is_open, Situation::AlteredInTransaction),
            (has_written, Situation::AlteredBesideLocalWrite),
            (is_other, Situation::AlteredByOtherConnection),
        ] {
            if is_met {
                self.reach.met(situation);
            }
        }
    }

    /// Calls `crsql_as_crr` for a table that is replicated: what was done to it is noticed, and parked changes are merged.
    pub fn register(&mut self, node: usize, place: usize) -> Outcome {
        let model = &mut self.nodes[node].model;
        let name = model.table(place).name.clone();
        let is_own = !model.is_in_transaction();
        if is_own {
            model.begin();
        }
        model.capture_all(place);
        model.replay(Situation::ReplayedByAsCrr);
        if is_own {
            model.commit();
        }
        self.run(node, &ddl::as_crr(&name))
    }

    fn plain(&mut self, node: usize, migration: &Migration) -> Outcome {
        let place = migration.table;
        let is_own = !self.nodes[node].model.is_in_transaction();
        self.reach.met(Situation::AlteredPlainly);
        for ddl in &migration.ddl {
            if matches!(ddl, Ddl::CreateTable) {
                self.create_table(node, place)?;
            } else {
                self.change(node, place, ddl)?;
            }
        }
        self.nodes[node].model.finish_migration();
        // What is done between transactions is seen at once.
        if is_own { self.check(node) } else { Ok(()) }
    }

    /// One schema change, in the model and in the database.
    fn change(&mut self, node: usize, place: usize, ddl: &Ddl) -> Outcome {
        let table = self.nodes[node].model.table(place).clone();
        let order = self.rows_by_key(node, place)?;
        for text in ddl::statements(ddl, &table, place) {
            self.run(node, &text)?;
        }
        let model = &mut self.nodes[node].model;
        let is_own = !model.is_in_transaction();
        if is_own {
            model.begin();
        }
        model.change_schema(place, ddl, &order);
        if is_own {
            model.commit();
        }
        Ok(())
    }

    /// Creates a table with a row in it, and makes it a replicated one.
    fn create_table(&mut self, node: usize, place: usize) -> Outcome {
        let table = self.nodes[node].model.table(place).clone();
        for text in ddl::statements(&Ddl::CreateTable, &table, place) {
            self.run(node, &text)?;
        }
        let mut random = Random::new(place as u64);
        let key =
            |column: &usize| values::key_pool(&mut random, table.columns[*column].rule)[0].clone();
        let seed = Statement::Insert {
            table: place,
            columns: table.key.clone(),
            rows: vec![table.key.iter().map(key).collect::<Vec<Value>>()],
            conflict: OnConflict::Abort,
        };
        let is_seeded = place.is_multiple_of(2) && self.nodes[node].seeds_tables;
        if is_seeded {
            let tables = self.nodes[node].model.tables();
            self.run(node, &sql::statement(&seed, &tables).inlined())?;
        }
        self.run(node, &ddl::as_crr(&table.name))?;
        let model = &mut self.nodes[node].model;
        let is_own = !model.is_in_transaction();
        if is_own {
            model.begin();
        }
        model.change_schema(place, &Ddl::CreateTable, &[]);
        if is_seeded && model.execute(&seed, &[]).is_err() {
            return Err(format!("{}: no row for a new table", table.name));
        }
        model.replay(Situation::ReplayedByAsCrr);
        if is_own {
            model.commit();
        }
        Ok(())
    }

    fn session(
        &mut self,
        node: usize,
        migration: &Migration,
        migrating: &Migrating,
        is_own: bool,
    ) -> Outcome {
        let place = migration.table;
        let old_name = self.nodes[node].model.table(place).name.clone();
        self.run(node, &ddl::begin_alter(&old_name))?;
        self.reach.met(Situation::AlteredInSession);
        let model = &mut self.nodes[node].model;
        let mark = model.mark();
        model.begin_alter(place);
        if !self.write_in_session(node, &migrating.before)? {
            return Ok(());
        }
        for ddl in &migration.ddl {
            self.change(node, place, ddl)?;
        }
        self.nodes[node].model.finish_migration();
        let is_rebuilt = migration
            .ddl
            .iter()
            .any(|ddl| matches!(ddl, Ddl::Rebuild { .. }));
        // The triggers went with the old table; they come back when the session ends.
        if !is_rebuilt && !self.write_in_session(node, &migrating.after)? {
            return Ok(());
        }
        let new_name = self.nodes[node].model.table(place).name.clone();
        let model = &mut self.nodes[node].model;
        let end = match migrating.end {
            // Nothing may be written to a table without triggers.
            End::Transaction if is_rebuilt && !is_own => End::Alter { by_old_name: false },
            // A UNIQUE index on the key alone is allowed, and the end of an inner session checks nothing.
            End::Refused
                if model.table(place).cells.is_empty() || model.table(place).sessions > 1 =>
            {
                End::Alter { by_old_name: false }
            }
            end => end,
        };
        match end {
            End::Transaction => {
                self.reach.met(Situation::SessionEndedByCommit);
                if is_own {
                    model.commit();
                    self.run(node, "COMMIT")?;
                }
                Ok(())
            }
            End::Refused => {
                self.reach.met(Situation::SessionRefused);
                let spoil = ddl::spoil(model.table(place));
                model.restore(mark);
                if is_own {
                    model.commit();
                }
                self.run(node, &spoil)?;
                self.run_refused(node, &ddl::commit_alter(&new_name))
            }
            End::Alter { by_old_name } => {
                let name = if by_old_name { old_name } else { new_name };
                model.commit_alter(place);
                if is_own {
                    model.commit();
                }
                self.run(node, &ddl::commit_alter(&name))
            }
            End::UndoneBySavepoint => {
                model.commit_alter(place);
                self.run(node, &ddl::commit_alter(&new_name))
            }
            End::Rollback => Ok(()),
        }
    }

    /// False if a write ended the transaction, and the session with it.
    fn write_in_session(&mut self, node: usize, statements: &[Statement]) -> Outcome<bool> {
        for statement in statements {
            self.write(node, statement)?;
            if !self.nodes[node].model.is_in_transaction() {
                return Ok(false);
            }
            self.reach.met(Situation::WrittenInSession);
        }
        Ok(true)
    }

    /// The rows of a table in the order of their keys.
    fn rows_by_key(&self, node: usize, place: usize) -> Outcome<Vec<Key>> {
        let model = &self.nodes[node].model;
        let table = model.table(place);
        match &self.nodes[node].database {
            Some(database) if table.is_here => database.keys_in_order(table),
            _ => {
                let mut keys = model.keys(place);
                keys.retain(|key| model.is_live(place, key));
                Ok(keys)
            }
        }
    }
}
