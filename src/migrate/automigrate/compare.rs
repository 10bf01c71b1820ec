//! What separates the schema that is here from the one that is wanted. Pure: it knows both as texts.

use super::definition::Definition;
use super::token::{same, tokens};
use crate::error::{Error, Result};
use crate::sql::quoted;
use std::fmt::Display;

/// What SQLite, cr-sqlite and this extension call their own; none of it is ever dropped.
const INTERNAL_BEGINNINGS: [&str; 3] = ["sqlite_", "crsql_", "__crsql_"];
const INTERNAL_PART: &str = "__crsql_";

/// The kinds of things that DDL makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Trigger,
    View,
    Index,
    Table,
    VirtualTable,
}

impl Kind {
    /// As it stands in `DROP`.
    pub fn sql(self) -> &'static str {
        match self {
            Kind::Trigger => "TRIGGER",
            Kind::View => "VIEW",
            Kind::Index => "INDEX",
            Kind::Table | Kind::VirtualTable => "TABLE",
        }
    }
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it is
    pub kind: Kind,
    /// Its name
    pub name: String,
    /// The table it belongs to
    pub table: String,
    /// The statement that made it, as SQLite keeps it
    pub sql: String,
}

/// A schema.
#[derive(Debug, Default)]
pub struct Schema {
    /// What it consists of
    pub objects: Vec<Object>,
    /// The tables `x_schema` that a text declares by `clset`; their `x` are among the objects
    pub clset: Vec<String>,
}

/// A table whose columns differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    /// Its name here
    pub table: String,
    /// The names of columns to drop
    pub drop: Vec<String>,
    /// The definitions of columns to add
    pub add: Vec<String>,
}

/// What brings the schema that is here to where running the text does the rest.
#[derive(Debug, Default)]
pub struct Plan {
    /// To be dropped, in this order
    pub drop: Vec<(Kind, String)>,
    /// To be altered
    pub alter: Vec<Alteration>,
}

impl Object {
    fn is_internal(&self) -> bool {
        let is_internal = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.contains(INTERNAL_PART)
                || INTERNAL_BEGINNINGS
                    .iter()
                    .any(|beginning| name.starts_with(beginning))
        };
        is_internal(&self.name) || is_internal(&self.table)
    }

    /// Whether it is a table made by `clset`.
    fn is_clset(&self) -> bool {
        let tokens = tokens(&self.sql);
        let mut module = tokens.iter().skip_while(|token| !token.is("USING")).skip(1);
        let is_clset = |name: String| name.eq_ignore_ascii_case("clset");
        self.kind == Kind::VirtualTable && module.next().is_some_and(|token| is_clset(token.name()))
    }

    fn is_defined_like(&self, other: &Object) -> bool {
        self.kind == other.kind
            && self.table.eq_ignore_ascii_case(&other.table)
            && same(&tokens(&self.sql), &tokens(&other.sql))
    }
}

impl Schema {
    fn is_table(&self, name: &str) -> bool {
        self.find(name)
            .is_some_and(|object| object.kind == Kind::Table)
    }

    /// Tables, views and indexes share their names; triggers have their own.
    fn find(&self, name: &str) -> Option<&Object> {
        self.objects
            .iter()
            .find(|object| object.kind != Kind::Trigger && object.name.eq_ignore_ascii_case(name))
    }

    fn find_like(&self, object: &Object) -> Option<&Object> {
        match object.kind {
            Kind::Trigger => self.objects.iter().find(|other| {
                other.kind == Kind::Trigger && other.name.eq_ignore_ascii_case(&object.name)
            }),
            _ => self.find(&object.name),
        }
    }

    fn declares_clset(&self, name: &str) -> bool {
        self.clset
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name))
    }

    /// Whether there is a table of the application.
    pub fn has_tables(&self) -> bool {
        let is_table = |object: &&Object| {
            matches!(object.kind, Kind::Table | Kind::VirtualTable) && !object.is_internal()
        };
        self.objects.iter().any(|object| is_table(&object))
    }
}

fn refusal(table: &str, reason: impl Display) -> Error {
    Error::Table(format!(
        "table {} can't be migrated: {reason}",
        quoted(table)
    ))
}

/// Says what has to be dropped and altered here, or what cannot be.
pub fn plan(here: &Schema, wanted: &Schema) -> Result<Plan> {
    let mut plan = Plan::default();
    for object in here.objects.iter().filter(|object| !object.is_internal()) {
        let counterpart = wanted.find_like(object);
        let is_dropped = match (object.kind, counterpart) {
            (Kind::Table, Some(other)) if other.kind == Kind::Table => {
                plan.alter.extend(alteration(object, other)?);
                false
            }
            (Kind::VirtualTable, _) if object.is_clset() => clset_is_dropped(object, here, wanted)?,
            (Kind::VirtualTable, Some(other)) if other.kind == Kind::VirtualTable => {
                if !object.is_defined_like(other) {
                    return Err(refusal(
                        &object.name,
                        "it is a virtual table, and its declaration differs from the schema text; drop it first, \
                         and fill the new one again",
                    ));
                }
                false
            }
            (Kind::Table | Kind::VirtualTable | Kind::Index, None) => true,
            (Kind::Table | Kind::VirtualTable, Some(_)) => {
                return Err(refusal(
                    &object.name,
                    "the schema text makes something of another kind under its name; drop or rename it first",
                ));
            }
            (_, Some(other)) => !object.is_defined_like(other),
            (Kind::Trigger | Kind::View, None) => false,
        };
        if is_dropped {
            plan.drop.push((object.kind, object.name.clone()));
        }
    }
    // What was made later may refer to what was made earlier, as a foreign key does.
    plan.drop.reverse();
    Ok(plan)
}

/// A table made by `clset` stands for the table that it declares, which is compared by itself.
fn clset_is_dropped(object: &Object, here: &Schema, wanted: &Schema) -> Result<bool> {
    let declared = object.name.strip_suffix("_schema").unwrap_or_default();
    if wanted.declares_clset(&object.name) {
        // Without that table it is in the way: the text makes both.
        return Ok(!here.is_table(declared));
    }
    if wanted.is_table(declared) {
        return Err(refusal(
            declared,
            format_args!(
                "it was made by the clset table {}, which is not in the schema text, and dropping that one would drop \
                 its rows; keep CREATE VIRTUAL TABLE {} USING clset (...) in the text",
                quoted(&object.name),
                quoted(&object.name)
            ),
        ));
    }
    Ok(true)
}

fn definition(object: &Object) -> Result<Definition<'_>> {
    Definition::read(&object.sql).ok_or_else(|| {
        refusal(
            &object.name,
            format_args!("its declaration is not understood: {}", object.sql),
        )
    })
}

/// What makes a table's columns those that are wanted.
fn alteration(here: &Object, wanted: &Object) -> Result<Option<Alteration>> {
    const REMEDY: &str = "crsql_automigrate adds and drops columns only; rebuild the table by hand (make a new one, copy \
        the rows, drop the old one, rename the new one; for a replicated table between crsql_begin_alter and \
        crsql_commit_alter), then run it again";
    if same(&tokens(&here.sql), &tokens(&wanted.sql)) {
        return Ok(None);
    }
    let (old, new) = (definition(here)?, definition(wanted)?);
    if let Some((old, new)) = old.other_difference(&new) {
        return Err(refusal(
            &here.name,
            format_args!(
                "it is declared with ({old}) here and with ({new}) in the schema text, and {REMEDY}"
            ),
        ));
    }
    let mut alteration = Alteration {
        table: here.name.clone(),
        drop: Vec::new(),
        add: Vec::new(),
    };
    for column in &old.columns {
        match new.column(&column.name) {
            None => alteration.drop.push(column.name.clone()),
            Some(other) if !column.is_declared_like(other) => {
                return Err(refusal(
                    &here.name,
                    format_args!(
                        "its column {} is declared ({}) here and ({}) in the schema text, and {REMEDY}",
                        quoted(&column.name),
                        column.declaration,
                        other.declaration
                    ),
                ));
            }
            Some(_) => {}
        }
    }
    let added = new
        .columns
        .iter()
        .filter(|column| old.column(&column.name).is_none());
    alteration
        .add
        .extend(added.map(|column| column.text.to_owned()));
    let is_needed = !alteration.drop.is_empty() || !alteration.add.is_empty();
    Ok(is_needed.then_some(alteration))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: Kind, name: &str, table: &str, sql: &str) -> Object {
        Object {
            kind,
            name: name.to_owned(),
            table: table.to_owned(),
            sql: sql.to_owned(),
        }
    }

    fn schema(objects: &[Object]) -> Schema {
        Schema {
            objects: objects.to_vec(),
            clset: Vec::new(),
        }
    }

    #[test]
    fn what_belongs_to_extensions_is_never_dropped() {
        let internal = [
            object(
                Kind::Table,
                "t__crsql_clock",
                "t__crsql_clock",
                "CREATE TABLE t__crsql_clock (a)",
            ),
            object(
                Kind::Table,
                "sqlite_sequence",
                "sqlite_sequence",
                "CREATE TABLE sqlite_sequence (name, seq)",
            ),
            object(
                Kind::Table,
                "CRSQL_log",
                "CRSQL_log",
                "CREATE TABLE CRSQL_log (a)",
            ),
            object(
                Kind::Index,
                "mine",
                "crsql_log",
                "CREATE INDEX mine ON crsql_log (a)",
            ),
        ];
        let plan = plan(&schema(&internal), &schema(&[])).unwrap();
        assert!(plan.drop.is_empty(), "{:?}", plan.drop);
        assert!(!schema(&internal).has_tables());
    }

    #[test]
    fn a_table_gains_and_loses_columns() {
        let here = [object(Kind::Table, "t", "t", "CREATE TABLE t (a, b)")];
        let same = plan(&schema(&here), &schema(&here)).unwrap();
        assert!(same.drop.is_empty() && same.alter.is_empty());
        let wanted = [object(
            Kind::Table,
            "t",
            "t",
            "CREATE TABLE t (c DEFAULT 1, a)",
        )];
        let plan = plan(&schema(&here), &schema(&wanted)).unwrap();
        assert!(plan.drop.is_empty());
        let alteration = Alteration {
            table: "t".to_owned(),
            drop: vec!["b".to_owned()],
            add: vec!["c DEFAULT 1".to_owned()],
        };
        assert_eq!(plan.alter, [alteration]);
    }
}
