//! Transactions that touch more rows than the library keeps clock records of in memory, with savepoints around.

use std::path::Path;
use std::rc::Rc;

use crate::model::key::Key;
use crate::model::replica::Replica;
use crate::model::statement::{Assign, OnConflict, Statement, Targets};
use crate::model::table::{Column, Table};
use crate::model::value::{Rule, Value};

use super::compare::{compare_changes, compare_contents};
use super::database::Database;
use super::plan::Storage;
use super::random::Random;
use super::run::Outcome;

/// More than the 65,536 records that are held back before they are written.
const ROWS: i64 = 70_000;

const RANDOM_WRITES: usize = 6;

struct Large {
    random: Random,
    model: Replica,
    database: Database,
    /// What was done, for the report.
    trace: Vec<String>,
}

/// Keys from the first to the last, both included.
#[derive(Clone, Copy)]
struct Range {
    first: i64,
    last: i64,
}

/// A table that finds its rows by rowid, and one that finds them by packed key.
pub fn tables() -> [Table; 2] {
    let columns = |rule| {
        let key = Column::new("k", rule);
        let key = if rule == Rule::RowidAlias {
            key
        } else {
            key.not_null()
        };
        vec![
            key,
            Column::new("a", Rule::Any),
            Column::new("b", Rule::Any),
        ]
    };
    let by_rowid = "CREATE TABLE big(k INTEGER PRIMARY KEY, a, b)";
    let by_key = "CREATE TABLE big(k INT PRIMARY KEY, a, b) WITHOUT ROWID";
    [
        Table::new("big", by_rowid, columns(Rule::RowidAlias), &[0]),
        Table::new("big", by_key, columns(Rule::Integer), &[0]),
    ]
}

/// Writes to a large part of the rows in one transaction, compared with the model.
pub fn run(seed: u64, table: Table, directory: &Path) -> Outcome {
    let tables = Rc::new(vec![table]);
    let database = Database::create(directory.join("large"), Storage::Memory, &tables, "")?;
    let model = Replica::new(database.site()?, Rc::clone(&tables));
    let mut large = Large {
        random: Random::new(seed),
        model,
        database,
        trace: Vec::new(),
    };
    let outcome = large.write_all();
    outcome.map_err(|error| format!("seed {seed}:\n{}\n{error}", large.trace.join(";\n")))
}

impl Large {
    fn write_all(&mut self) -> Outcome {
        self.begin()?;
        self.insert(Range {
            first: 1,
            last: ROWS,
        })?;
        self.commit()?;
        self.begin()?;
        self.overflow_inside_savepoint()?;
        for _ in 0..RANDOM_WRITES {
            self.write_or_go_back()?;
        }
        self.commit()?;
        self.check()
    }

    /// Records from before the savepoint are written inside it, and have to come back when that is undone.
    fn overflow_inside_savepoint(&mut self) -> Outcome {
        self.update(Range {
            first: 1,
            last: 30_000,
        })?;
        self.savepoint()?;
        self.update(Range {
            first: 20_001,
            last: ROWS,
        })?;
        self.rollback_to(0)?;
        self.update(Range {
            first: 29_991,
            last: 30_010,
        })
    }

    fn begin(&mut self) -> Outcome {
        self.model.begin();
        self.run("BEGIN")
    }

    fn commit(&mut self) -> Outcome {
        self.model.commit();
        self.run("COMMIT")
    }

    fn savepoint(&mut self) -> Outcome {
        let depth = self.model.savepoints();
        self.model.savepoint();
        self.run(&format!("SAVEPOINT s{depth}"))
    }

    fn rollback_to(&mut self, depth: usize) -> Outcome {
        self.model.rollback_to(depth);
        self.run(&format!("ROLLBACK TO s{depth}"))
    }

    fn write_or_go_back(&mut self) -> Outcome {
        let range = self.range();
        let savepoints = self.model.savepoints();
        match self.random.below(100) {
            0..30 => self.update(range),
            30..40 => self.delete(range),
            40..50 => self.insert(range),
            50..57 => self.move_away(range),
            57..75 => self.savepoint(),
            75..90 if savepoints > 0 => {
                let depth = self.random.below(savepoints);
                self.rollback_to(depth)
            }
            90..94 if savepoints > 0 => {
                let depth = self.random.below(savepoints);
                self.model.release(depth);
                self.run(&format!("RELEASE s{depth}"))
            }
            94..100 => self.check(),
            _ => self.update(range),
        }
    }

    /// A few rows, or most of them.
    fn range(&mut self) -> Range {
        let length = *self.random.pick(&[10, 5_000, 30_000, 66_000, 70_000]);
        let first = 1 + self.random.below((ROWS - length + 1) as usize) as i64;
        Range {
            first,
            last: first + length - 1,
        }
    }

    fn run(&mut self, text: &str) -> Outcome {
        self.trace.push(text.to_owned());
        self.database.run(text)
    }

    fn check(&mut self) -> Outcome {
        self.trace.push("SELECT * FROM crsql_changes".to_owned());
        compare_contents(&self.model, &self.database)?;
        compare_changes(&self.model, &self.database.changes(0, None)?)
    }

    fn insert(&mut self, range: Range) -> Outcome {
        let row = |key| vec![Value::Integer(key), Value::Integer(1), Value::Null];
        let statement = Statement::Insert {
            table: 0,
            columns: vec![0, 1, 2],
            rows: (range.first..=range.last).map(row).collect(),
            conflict: OnConflict::Ignore,
        };
        let Range { first, last } = range;
        let text = format!(
            "WITH RECURSIVE n(k) AS (SELECT {first} UNION ALL SELECT k + 1 FROM n WHERE k < {last}) \
             INSERT OR IGNORE INTO big SELECT k, 1, NULL FROM n"
        );
        self.execute(&statement, &[], &text)
    }

    fn update(&mut self, range: Range) -> Outcome {
        let column = 1 + self.random.below(2);
        let value = self.random.below(3) as i64;
        let set = vec![(column, Assign::To(Value::Integer(value)))];
        let statement = Statement::Update {
            table: 0,
            targets: Targets::All,
            set,
            conflict: OnConflict::Abort,
        };
        let name = ["a", "b"][column - 1];
        let text = format!("UPDATE big SET {name} = {value} WHERE {}", condition(range));
        self.execute(&statement, &self.live(range), &text)
    }

    fn delete(&mut self, range: Range) -> Outcome {
        let statement = Statement::Delete {
            table: 0,
            targets: Targets::All,
        };
        let text = format!("DELETE FROM big WHERE {}", condition(range));
        self.execute(&statement, &self.live(range), &text)
    }

    /// Gives the rows keys beyond all others, or does nothing where one of them is taken.
    fn move_away(&mut self, range: Range) -> Outcome {
        let set = vec![(0, Assign::Add(ROWS))];
        let statement = Statement::Update {
            table: 0,
            targets: Targets::All,
            set,
            conflict: OnConflict::Ignore,
        };
        let text = format!(
            "UPDATE OR IGNORE big SET k = k + {ROWS} WHERE {}",
            condition(range)
        );
        self.execute(&statement, &self.live(range), &text)
    }

    fn live(&self, range: Range) -> Vec<Key> {
        let table = self.model.table(0);
        let keys =
            (range.first..=range.last).filter_map(|key| table.key_of(&[Value::Integer(key)]));
        keys.filter(|key| self.model.is_live(0, key)).collect()
    }

    fn execute(&mut self, statement: &Statement, order: &[Key], text: &str) -> Outcome {
        self.model
            .execute(statement, order)
            .map_err(|failure| format!("{text}: {failure:?}"))?;
        self.run(text)
    }
}

fn condition(range: Range) -> String {
    format!("k BETWEEN {} AND {}", range.first, range.last)
}
