//! The SQL texts of `sql/`, and the only place where names are quoted into them.

use crate::crdt::value::ValueRef;
use std::fmt::Write;

mod digests;
mod texts;

pub use digests::*;
pub use texts::*;

/// What a placeholder of a text stands for; its type says how it is quoted.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// A name, to be quoted
    Name(&'a str),
    /// SQL made by this module's functions
    Sql(&'a str),
}

/// Fills the placeholders `{name}` of a text.
pub fn fill(text: &str, parts: &[(&str, Part<'_>)]) -> String {
    let mut filled = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, placeholder, after)) = next_placeholder(rest) {
        filled.push_str(before);
        match parts.iter().find(|(name, _)| *name == placeholder) {
            Some((_, Part::Name(name))) => filled.push_str(&quoted(name)),
            Some((_, Part::Sql(sql))) => filled.push_str(sql),
            None => unreachable!("no part for {{{placeholder}}}"),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (placeholder, after) = rest.split_once('}')?;
    Some((before, placeholder, after))
}

/// A name as an SQL identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The names at the beginning of a text, quoted and separated by commas.
pub fn quoted_list(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.trim_start();
    while let Some(quoted) = rest.strip_prefix('"') {
        let mut name = String::new();
        rest = quoted;
        while let Some((part, after)) = rest.split_once('"') {
            name.push_str(part);
            rest = after;
            match rest.strip_prefix('"') {
                Some(after) => {
                    name.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        names.push(name);
        rest = match rest.trim_start().strip_prefix(',') {
            Some(after) => after.trim_start(),
            None => break,
        };
    }
    names
}

/// A text as an SQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A value as an SQL literal.
pub fn value_literal(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(integer) => integer.to_string(),
        ValueRef::Real(real) if real.is_infinite() => {
            if real > 0.0 { "9e999" } else { "-9e999" }.to_owned()
        }
        ValueRef::Real(real) => format!("{real:?}"),
        ValueRef::Text(text) => literal(&String::from_utf8_lossy(text)),
        ValueRef::Blob(blob) => {
            let digits = blob.iter().fold(String::new(), |mut digits, byte| {
                let _ = write!(digits, "{byte:02x}");
                digits
            });
            format!("x'{digits}'")
        }
    }
}

/// `item(0), item(1), ...` with a separator.
pub fn join(separator: &str, items: impl IntoIterator<Item = String>) -> String {
    let mut joined = String::new();
    for item in items {
        if !joined.is_empty() {
            joined.push_str(separator);
        }
        joined.push_str(&item);
    }
    joined
}

/// `row."name"`.
pub fn column_of(row: &str, name: &str) -> String {
    format!("{row}.{}", quoted(name))
}

/// A column to be sorted by, BINARY like the key's index.
pub fn ordered(row: &str, name: &str) -> String {
    format!("{} COLLATE BINARY", column_of(row, name))
}

/// A column compared with a parameter, BINARY like the key's index.
pub fn compared(row: &str, name: &str, comparison: &str, parameter: usize) -> String {
    format!("{} {comparison} ?{parameter}", ordered(row, name))
}

/// The condition that row `t` has the key in the parameters from `first` on. BINARY, like the key's index,
/// whatever the column's own collation.
pub fn key_matches<'a>(names: impl Iterator<Item = &'a str>, first: usize) -> String {
    let terms = names
        .zip(first..)
        .map(|(name, parameter)| format!("{} = ?{parameter} COLLATE BINARY", column_of("t", name)));
    join(" AND ", terms)
}

/// The parameters `?first, ...`.
pub fn parameters(first: usize, count: usize) -> String {
    let mut list = String::new();
    for parameter in first..first + count {
        let comma = if parameter == first { "" } else { ", " };
        let _ = write!(list, "{comma}?{parameter}");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_sql_is_not() {
        let text = fill(
            "SELECT {c} FROM {t}",
            &[("t", Part::Name("a\"{c}")), ("c", Part::Sql("1"))],
        );
        assert_eq!(text, "SELECT 1 FROM \"a\"\"{c}\"");
    }

    #[test]
    fn quoted_names_come_out_of_a_list() {
        let names = ["a", "b \"c\", \"", "", "d"];
        let list = join(",", names.iter().map(|name| quoted(name)));
        assert_eq!(quoted_list(&format!("{list} ON \"t\"")), names);
    }

    #[test]
    fn key_conditions_number_their_parameters() {
        let condition = key_matches(["a", "b c"].into_iter(), 2);
        assert_eq!(
            condition,
            "t.\"a\" = ?2 COLLATE BINARY AND t.\"b c\" = ?3 COLLATE BINARY"
        );
    }
}
