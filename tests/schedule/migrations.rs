//! The list of migrations of a schedule: what happens to its tables, in an order that makes sense.

use crate::model::schema::{Ddl, Migration};
use crate::model::table::{Column, Table};
use crate::model::value::{Rule, Value};

use super::random::Random;

/// The tables as they will be, and how they get there.
pub struct Migrations {
    pub list: Vec<Migration>,
    /// Every column that there ever is, for writes that are decided on before it is known where they happen.
    pub tables: Vec<Table>,
}

struct Generator<'a> {
    random: &'a mut Random,
    tables: Vec<Table>,
    /// The names that the tables began with.
    first_names: Vec<String>,
    /// Counts new names.
    names: usize,
}

/// Columns are added; `give_again`: they are also dropped, and their names given to others.
pub fn few(random: &mut Random, tables: Vec<Table>, count: usize, give_again: bool) -> Migrations {
    let mut generator = Generator::new(random, tables);
    let mut list = Vec::new();
    for _ in 0..count {
        let place = generator.random.below(generator.tables.len());
        let steps = match generator.random.below(10) {
            0..7 if give_again => vec![generator.drop_rename_and_add(place)],
            7..9 if give_again => generator.drop_and_add_again(place),
            _ => vec![vec![generator.add(place)]],
        };
        for ddl in steps.into_iter().filter(|ddl| !ddl.is_empty()) {
            list.push(generator.migration(place, ddl));
        }
    }
    generator.end(list)
}

/// `tables` are those of the schedule; the ones that are not there yet get created on the way.
pub fn list(random: &mut Random, tables: Vec<Table>, count: usize) -> Migrations {
    let mut generator = Generator::new(random, tables);
    let mut list = Vec::new();
    // Some of them come to nothing.
    for _ in 0..count {
        list.extend(generator.migrations());
    }
    while let Some(place) = generator.tables.iter().position(|table| {
        // Every table is there for a while.
        !table.is_here && !table.was_dropped
    }) {
        list.push(generator.migration(place, vec![Ddl::CreateTable]));
    }
    generator.end(list)
}

impl<'a> Generator<'a> {
    fn new(random: &'a mut Random, tables: Vec<Table>) -> Generator<'a> {
        Generator {
            random,
            first_names: tables.iter().map(|table| table.name.clone()).collect(),
            tables,
            names: 0,
        }
    }

    fn end(self, list: Vec<Migration>) -> Migrations {
        let mut tables = self.tables;
        for table in &mut tables {
            let columns = 0..table.columns.len();
            table.cells = columns
                .filter(|column| !table.key.contains(column) && !table.columns[*column].generated)
                .collect();
        }
        Migrations { list, tables }
    }

    fn migration(&mut self, place: usize, ddl: Vec<Ddl>) -> Migration {
        for ddl in &ddl {
            self.tables[place].change(ddl);
        }
        Migration {
            table: place,
            ddl,
            is_skipped: false,
        }
    }

    fn migrations(&mut self) -> Vec<Migration> {
        let place = self.random.below(self.tables.len());
        let table = &self.tables[place];
        if !table.is_here {
            if table.was_dropped && has_generated(table) {
                return Vec::new();
            }
            return vec![self.migration(place, vec![Ddl::CreateTable])];
        }
        let steps = match self.random.below(100) {
            0..32 => vec![vec![self.add(place)]],
            32..44 => vec![self.rename_column(place)],
            44..51 => vec![vec![self.rename_table(place)]],
            51..61 => vec![self.drop_column(place)],
            61..69 => self.drop_and_add_again(place),
            69..74 => vec![self.drop_and_rename(place)],
            74..86 => vec![self.rebuild(place)],
            86..91 => vec![vec![Ddl::DropTable]],
            91..94 => vec![self.add_generated()],
            _ => vec![self.several(place)],
        };
        let steps = steps.into_iter().filter(|ddl| !ddl.is_empty());
        steps.map(|ddl| self.migration(place, ddl)).collect()
    }

    fn new_name(&mut self) -> String {
        self.names += 1;
        format!("new {}", self.names)
    }

    fn add(&mut self, place: usize) -> Ddl {
        Ddl::AddColumn(self.added_column(place))
    }

    /// A column as `ADD COLUMN` allows it: with a constant default, or NULL.
    fn added_column(&mut self, place: usize) -> Column {
        let name = self.new_name();
        let text = |value: &str| Value::Text(value.to_owned());
        let kinds = if self.tables[place].is_strict() {
            vec![
                (Rule::Any, Value::Null),
                (Rule::Any, Value::Real(-0.0)),
                (Rule::StrictInteger, Value::Integer(7)),
                (Rule::StrictReal, Value::Integer(1)),
                (Rule::StrictText, text("")),
                (Rule::StrictBlob, Value::Blob(vec![0, 255])),
            ]
        } else {
            vec![
                (Rule::Any, Value::Null),
                (Rule::Any, self.any_default()),
                (Rule::Integer, Value::Null),
                (Rule::Integer, text("7")),
                (Rule::Numeric, Value::Real(2.0)),
                (Rule::Real, Value::Real(-0.0)),
                (Rule::Real, Value::Integer(1)),
                (Rule::Text, Value::Integer(7)),
                (Rule::Text, text("")),
            ]
        };
        let (rule, default) = self.random.pick(&kinds).clone();
        let is_not_null = !default.is_null() && self.random.percent(30);
        let column = Column::new(&name, rule).default(default);
        if is_not_null {
            column.not_null()
        } else {
            column
        }
    }

    fn any_default(&mut self) -> Value {
        let defaults = [
            Value::Null,
            Value::Integer(1),
            Value::Integer(-3),
            Value::Real(-0.0),
            Value::Real(1.5),
            Value::Text(String::new()),
            Value::Text("it's".to_owned()),
            Value::Blob(Vec::new()),
            Value::Blob(vec![0, 255]),
        ];
        self.random.pick(&defaults).clone()
    }

    fn rename_column(&mut self, place: usize) -> Vec<Ddl> {
        let name = self.new_name();
        let rename = |column| Ddl::RenameColumn { column, name };
        self.some_cell(place).map(rename).into_iter().collect()
    }

    fn rename_table(&mut self, place: usize) -> Ddl {
        let first = self.first_names[place].clone();
        let is_back = self.random.percent(30) && first != self.tables[place].name;
        let name = if is_back { first } else { self.new_name() };
        Ddl::RenameTable { name }
    }

    fn drop_column(&mut self, place: usize) -> Vec<Ddl> {
        let drop = |column| Ddl::DropColumn { column };
        self.droppable(place).map(drop).into_iter().collect()
    }

    /// In two sessions.
    fn drop_and_add_again(&mut self, place: usize) -> Vec<Vec<Ddl>> {
        let Some(column) = self.free_cell(place) else {
            return Vec::new();
        };
        let name = self.tables[place].columns[column].name.clone();
        let mut again = Column::new(&name, Rule::Any);
        again.default = self.any_default();
        let (drop, add) = (Ddl::DropColumn { column }, Ddl::AddColumn(again));
        vec![vec![drop], vec![add]]
    }

    fn drop_and_rename(&mut self, place: usize) -> Vec<Ddl> {
        let (Some(column), Some(renamed)) = (self.free_cell(place), self.free_cell(place)) else {
            return Vec::new();
        };
        if column == renamed {
            return Vec::new();
        }
        let name = self.tables[place].columns[column].name.clone();
        let rename = Ddl::RenameColumn {
            column: renamed,
            name,
        };
        vec![Ddl::DropColumn { column }, rename]
    }

    /// As `drop_and_rename`, and as many columns are left as there were.
    fn drop_rename_and_add(&mut self, place: usize) -> Vec<Ddl> {
        let mut all = self.drop_and_rename(place);
        if !all.is_empty() {
            let name = self.new_name();
            all.push(Ddl::AddColumn(Column::new(&name, Rule::Any)));
        }
        all
    }

    fn rebuild(&mut self, place: usize) -> Vec<Ddl> {
        if has_generated(&self.tables[place]) {
            return Vec::new();
        }
        let mut order = self.tables[place].cells.clone();
        self.random.shuffle(&mut order);
        if self.random.percent(30) {
            order.pop();
        }
        let added = self.random.percent(50).then(|| {
            let column = self.added_column(place);
            let fill = match self.random.below(3) {
                0 => column.default.clone(),
                _ => fill(column.rule),
            };
            (column, fill)
        });
        vec![Ddl::Rebuild { order, added }]
    }

    fn add_generated(&mut self) -> Vec<Ddl> {
        let name = self.new_name();
        vec![Ddl::AddGenerated(Column::new(&name, Rule::Any).generated())]
    }

    /// Several changes at once. They are chosen one after the other, each for the table that the ones before leave.
    fn several(&mut self, place: usize) -> Vec<Ddl> {
        let before = self.tables[place].clone();
        let mut all = Vec::new();
        for _ in 0..3 {
            let next = match self.random.below(5) {
                0 | 1 => vec![Ddl::AddColumn(self.added_column(place))],
                2 => self.rename_column(place),
                3 if all.len() < 2 => vec![self.rename_table(place)],
                _ => self.drop_column(place),
            };
            for ddl in &next {
                self.tables[place].change(ddl);
            }
            all.extend(next);
        }
        self.tables[place] = before;
        all
    }

    fn some_cell(&mut self, place: usize) -> Option<usize> {
        let cells = &self.tables[place].cells;
        (!cells.is_empty()).then(|| *self.random.pick(cells))
    }

    /// A column that nothing else in the table is made of.
    fn droppable(&mut self, place: usize) -> Option<usize> {
        let column = self.some_cell(place)?;
        let is_used = self.tables[place].create.contains(" AS (") && column < 5;
        (!is_used).then_some(column)
    }

    /// A column that takes every value, so that another one of its name may get what was written to it.
    fn free_cell(&mut self, place: usize) -> Option<usize> {
        let column = self.droppable(place)?;
        let definition = &self.tables[place].columns[column];
        let is_free = definition.rule == Rule::Any && !definition.not_null;
        (is_free && definition.refused.is_none()).then_some(column)
    }
}

fn has_generated(table: &Table) -> bool {
    table.columns.iter().any(|column| column.generated)
}

/// What the cells of a column hold that a rebuilt table has more.
fn fill(rule: Rule) -> Value {
    match rule {
        Rule::Real | Rule::StrictReal => Value::Real(7.5),
        Rule::Text | Rule::StrictText => Value::Text("filled".to_owned()),
        Rule::StrictBlob => Value::Blob(vec![7]),
        _ => Value::Integer(77),
    }
}
