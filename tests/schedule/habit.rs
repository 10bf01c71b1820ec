//! What a schedule does more often than others, so that it reaches what all of them seldom do.

use crate::model::table::Table;
use crate::model::value::Rule;

use super::migrations::{self, Migrations};
use super::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    None,
    /// Cells take few values, and replicas merge equal ones.
    EqualValues,
    /// The name of a column that is dropped is given to another one, and replicas are long at different schemas.
    NamesGivenAgain,
}

impl Habit {
    /// Is a table of use to it? Wide ones cost much and show nothing more.
    pub fn fits(self, table: &Table) -> bool {
        let is_narrow = (2..10).contains(&table.cells.len());
        let is_free = |column: &&usize| table.columns[**column].rule == Rule::Any;
        match self {
            Habit::None => true,
            Habit::EqualValues => is_narrow,
            Habit::NamesGivenAgain => is_narrow && table.cells.iter().filter(is_free).count() > 1,
        }
    }

    /// How many of a hundred actions are migrations.
    pub fn percent_migrating(self) -> usize {
        match self {
            Habit::None => 20,
            Habit::EqualValues => 4,
            Habit::NamesGivenAgain => 1,
        }
    }

    /// Which of the tables are created later, and what happens to them all.
    pub fn migrations(
        self,
        random: &mut Random,
        shapes: &[usize],
        all: &[Table],
    ) -> (Vec<usize>, Migrations) {
        let mut tables: Vec<Table> = shapes.iter().map(|shape| all[*shape].clone()).collect();
        if self != Habit::None {
            let count = random.between(4, 10);
            let give_again = self == Habit::NamesGivenAgain;
            let migrations = migrations::few(random, tables, count, give_again);
            return (Vec::new(), migrations);
        }
        // Two schedules of five leave the schema alone.
        if random.percent(40) {
            let list = Vec::new();
            return (Vec::new(), Migrations { list, tables });
        }
        let later = (0..tables.len())
            .filter(|_| random.percent(30))
            .collect::<Vec<_>>();
        for place in &later {
            tables[*place].is_here = false;
        }
        let count = random.between(1, 8);
        (later, migrations::list(random, tables, count))
    }
}
