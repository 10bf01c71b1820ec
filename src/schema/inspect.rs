//! What SQLite's catalogue says about a table, and whether it can be replicated.

use super::triggers::ROWID_NAMES;
use crate::crdt::change::SENTINEL;
use crate::crdt::key::KEY_VALUES_MAX;
use crate::crdt::value::{Affinity, ValueRef};
use crate::error::{Error, Result};
use crate::sql;
use crate::sqlite::{Connection, Statement};

/// One column as it is declared.
#[derive(Debug, Clone)]
pub struct DeclaredColumn {
    /// Its name
    pub name: String,
    /// What SQLite does to values stored in it
    pub affinity: Affinity,
    /// Whether it is NOT NULL
    pub is_not_null: bool,
    /// The expression of its DEFAULT, if it has one
    pub default: Option<String>,
    /// Its place among the replicated columns, if it is one
    pub place: i64,
    /// Its place in the primary key, from 1; 0 if it is no part of it
    pub key_place: i64,
    /// Whether it is computed
    pub is_generated: bool,
}

impl DeclaredColumn {
    /// Whether its values are replicated beside the key.
    pub fn is_replicated(&self) -> bool {
        self.key_place == 0 && !self.is_generated
    }
}

/// A table of `main` as it is declared.
#[derive(Debug, Clone)]
pub struct DeclaredTable {
    /// Its name as it was spelled when it was made
    pub name: String,
    /// All its columns, in order
    pub columns: Vec<DeclaredColumn>,
    /// Whether its primary key is the rowid
    pub is_rowid_keyed: bool,
    /// Whether it is STRICT
    pub is_strict: bool,
    /// The names for the rowid of a table that has one beside its key
    pub rowid_names: Vec<&'static str>,
    /// The key's index, if it has one
    key_index: Option<String>,
}

fn text(value: &str) -> ValueRef<'_> {
    ValueRef::Text(value.as_bytes())
}

/// Runs a query and reads all its rows.
fn rows<T>(
    connection: Connection,
    query: &str,
    argument: &str,
    read: impl Fn(&Statement) -> T,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare(query)?;
    statement.bind(1, text(argument))?;
    let mut all = Vec::new();
    while statement.step()? {
        all.push(read(&statement));
    }
    Ok(all)
}

impl DeclaredTable {
    /// Reads a table of `main`; none if there is no table of this name.
    pub fn read(connection: Connection, name: &str) -> Result<Option<DeclaredTable>> {
        let described = connection
            .prepare(sql::DESCRIBE)?
            .first([text(name)], |row| {
                (
                    row.text(0),
                    row.text(1),
                    row.integer(2) != 0,
                    row.integer(3) != 0,
                )
            })?;
        let Some((name, kind, is_without_rowid, is_strict)) = described else {
            return Ok(None);
        };
        if kind != "table" {
            return Ok(None);
        }
        let mut columns = rows(connection, sql::DESCRIBE_COLUMNS, &name, |row| {
            DeclaredColumn {
                name: row.text(0),
                affinity: Affinity::of_declared_type(&row.text(1), is_strict),
                is_not_null: row.integer(2) != 0,
                default: (row.value(3) != ValueRef::Null).then(|| row.text(3)),
                place: -1,
                key_place: row.integer(4),
                is_generated: row.integer(5) >= 2,
            }
        })?;
        let replicated = columns.iter_mut().filter(|column| column.is_replicated());
        (0..)
            .zip(replicated)
            .for_each(|(place, column)| column.place = place);
        let indexes = rows(connection, sql::INDEXES, &name, |row| {
            (row.text(0), row.text(2))
        })?;
        let key_index = indexes
            .into_iter()
            .find_map(|(index, origin)| (origin == "pk").then_some(index));
        let has_key = columns.iter().any(|column| column.key_place > 0);
        let is_rowid_keyed = has_key && !is_without_rowid && key_index.is_none();
        let is_free = |name: &&str| {
            !columns
                .iter()
                .any(|column| column.name.eq_ignore_ascii_case(name))
        };
        let rowid_names = match is_without_rowid || is_rowid_keyed {
            true => Vec::new(),
            false => ROWID_NAMES.into_iter().filter(is_free).collect(),
        };
        Ok(Some(DeclaredTable {
            rowid_names,
            name,
            columns,
            is_rowid_keyed,
            is_strict,
            key_index,
        }))
    }

    /// The columns of the key, in the order of the PRIMARY KEY clause.
    pub fn key_columns(&self) -> Vec<&DeclaredColumn> {
        let mut key: Vec<_> = self.columns.iter().filter(|c| c.key_place > 0).collect();
        key.sort_by_key(|column| column.key_place);
        key
    }

    /// The columns that are replicated, in order.
    pub fn value_columns(&self) -> impl Iterator<Item = &DeclaredColumn> {
        self.columns.iter().filter(|column| column.is_replicated())
    }

    /// The names of the generated columns.
    pub fn generated_names(&self) -> Vec<String> {
        let generated = self.columns.iter().filter(|column| column.is_generated);
        generated.map(|column| column.name.clone()).collect()
    }

    /// Refuses a table whose replicas could not be kept equal, with the reason and the remedy.
    pub fn check(&self, connection: Connection) -> Result<()> {
        self.check_unique_indexes(connection)?;
        self.check_key(connection)?;
        if self.is_rowid_keyed && self.is_autoincrement(connection)? {
            return Err(self.refusal(
                "is AUTOINCREMENT, and replicas would hand out the same ids; declare the key without it, \
                 and prefer ids that are unique everywhere, such as UUIDs",
            ));
        }
        let foreign_keys = rows(connection, sql::FOREIGN_KEYS, &self.name, |row| {
            (row.text(0), row.text(1))
        })?;
        if let Some((column, parent)) = foreign_keys.first() {
            return Err(self.refusal(format_args!(
                "has a foreign key from {} to {}, which changes that arrive in another order would violate; \
                 declare the table without REFERENCES",
                sql::quoted(column),
                sql::quoted(parent)
            )));
        }
        self.check_columns()
    }

    fn refusal(&self, reason: impl std::fmt::Display) -> Error {
        Error::Table(format!(
            "table {} can't be replicated: it {reason}",
            sql::quoted(&self.name)
        ))
    }

    /// Whether no constraint but that of the key can make SQLite replace a row.
    pub fn has_one_unique_index(&self, connection: Connection) -> Result<bool> {
        match self.check_unique_indexes(connection) {
            Ok(()) => Ok(true),
            Err(Error::Table(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn check_unique_indexes(&self, connection: Connection) -> Result<()> {
        let indexes = rows(connection, sql::INDEXES, &self.name, |row| {
            (row.text(0), row.integer(1) != 0, row.text(2))
        })?;
        let unique = indexes
            .into_iter()
            .filter(|(_, is_unique, origin)| *is_unique && origin != "pk");
        for (index, _, origin) in unique {
            self.check_unique_index(connection, &index, &origin)?;
        }
        Ok(())
    }

    fn check_unique_index(&self, connection: Connection, index: &str, origin: &str) -> Result<()> {
        let columns = rows(connection, sql::INDEX_COLUMNS, index, |row| {
            let is_binary = row.text(1).eq_ignore_ascii_case("BINARY");
            (row.text(0), row.value(0) == ValueRef::Null, is_binary)
        })?;
        let key = self.key_columns();
        let is_the_key = columns.len() == key.len()
            && columns.iter().all(|(name, _, is_binary)| {
                *is_binary && key.iter().any(|column| column.name == *name)
            });
        if is_the_key {
            return Ok(());
        }
        let name_of = |(name, is_expression, _): &(String, bool, bool)| {
            if *is_expression {
                "an expression".to_owned()
            } else {
                sql::quoted(name)
            }
        };
        let listed = sql::join(", ", columns.iter().map(name_of));
        let remedy = match origin {
            "c" => format!(
                "drop the index {} or make it an ordinary one",
                sql::quoted(index)
            ),
            _ => "declare the table without it".to_owned(),
        };
        Err(self.refusal(format_args!(
            "has a UNIQUE constraint on ({listed}) beside its primary key, which rows written apart on two \
             replicas may both break; {remedy}"
        )))
    }

    fn check_key(&self, connection: Connection) -> Result<()> {
        if let Some(column) = self.nullable_key_columns().next() {
            return Err(self.refusal(format_args!(
                "has the key column {}, which may be NULL, and a row needs an identity; declare it NOT NULL",
                sql::quoted(&column.name)
            )));
        }
        self.check_identity(connection)
    }

    /// The key columns that may be NULL.
    pub fn nullable_key_columns(&self) -> impl Iterator<Item = &DeclaredColumn> {
        let is_nullable = |column: &&DeclaredColumn| column.key_place > 0 && !column.is_not_null;
        self.columns
            .iter()
            .filter(is_nullable)
            .filter(|_| !self.is_rowid_keyed)
    }

    /// Refuses a table whose rows have no key that replicas could agree on.
    pub fn check_identity(&self, connection: Connection) -> Result<()> {
        let key = self.key_columns();
        if key.is_empty() {
            return Err(
                self.refusal("has no primary key; declare one whose columns are all NOT NULL")
            );
        }
        if key.len() > KEY_VALUES_MAX {
            return Err(self.refusal(format_args!(
                "has a primary key of {} columns, and at most {KEY_VALUES_MAX} are possible",
                key.len()
            )));
        }
        let Some(index) = &self.key_index else {
            return Ok(());
        };
        let collated = rows(connection, sql::INDEX_COLUMNS, index, |row| {
            (row.text(0), row.text(1))
        })?;
        match collated.iter().find(|(_, collation)| !collation.eq_ignore_ascii_case("BINARY")) {
            None => Ok(()),
            Some((column, collation)) => Err(self.refusal(format_args!(
                "compares the key column {} by {collation}, so that two replicas could spell one key in two \
                 ways; declare the key COLLATE BINARY and bring the spelling into one form before writing",
                sql::quoted(column)
            ))),
        }
    }

    /// AUTOINCREMENT is a keyword that can't be a name, so it is looked for outside quotes and comments.
    fn is_autoincrement(&self, connection: Connection) -> Result<bool> {
        let definition = rows(connection, sql::DEFINITION, &self.name, |row| row.text(0))?;
        Ok(definition
            .iter()
            .any(|text| bare_words(text).any(|word| word.eq_ignore_ascii_case("AUTOINCREMENT"))))
    }

    /// Refuses a column with the name of the sentinel.
    pub fn check_column_names(&self) -> Result<()> {
        match self.value_columns().find(|column| column.name == SENTINEL) {
            None => Ok(()),
            Some(column) => Err(self.refusal(format_args!(
                "has a column named {}, the name that stands for whole rows in crsql_changes; rename it",
                sql::quoted(&column.name)
            ))),
        }
    }

    fn check_columns(&self) -> Result<()> {
        self.check_column_names()?;
        for column in self.value_columns() {
            let name = sql::quoted(&column.name);
            if column.is_not_null && column.default.is_none() {
                return Err(self.refusal(format_args!(
                    "has the column {name}, which is NOT NULL without a DEFAULT, and a row may arrive one \
                     column at a time; give it a DEFAULT or let it be NULL"
                )));
            }
        }
        Ok(())
    }
}

/// The words of an SQL text that are neither quoted nor in a comment.
fn bare_words(text: &str) -> impl Iterator<Item = String> {
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' | '`' => skip_past(&mut rest, c),
            '[' => skip_past(&mut rest, ']'),
            '-' if rest.peek() == Some(&'-') => skip_past(&mut rest, '\n'),
            '/' if rest.peek() == Some(&'*') => {
                rest.next();
                while let Some(c) = rest.next() {
                    if c == '*' && rest.peek() == Some(&'/') {
                        rest.next();
                        break;
                    }
                }
            }
            c if is_word(c) => {
                let mut word = String::from(c);
                while let Some(c) = rest.next_if(|c| is_word(*c)) {
                    word.push(c);
                }
                words.push(word);
            }
            _ => {}
        }
    }
    words.into_iter()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// A doubled quote ends one text and starts the next, which skips the same characters.
fn skip_past(rest: &mut impl Iterator<Item = char>, end: char) {
    for c in rest {
        if c == end {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bare_words;

    #[test]
    fn quoted_and_commented_words_do_not_count() {
        let text = r#"CREATE TABLE "a ""b" (x INTEGER /* one * two */ PRIMARY KEY, 'it''s' [c d] `e f`, -- no
            autoincrement_x TEXT)"#;
        let words: Vec<String> = bare_words(text).collect();
        assert_eq!(
            words,
            [
                "CREATE",
                "TABLE",
                "x",
                "INTEGER",
                "PRIMARY",
                "KEY",
                "autoincrement_x",
                "TEXT"
            ]
        );
    }
}
