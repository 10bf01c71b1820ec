//! A `CREATE TABLE` statement as columns, constraints and options, each in the words it was written in.

use super::token::{Kind, Token, same, tokens};

/// What begins a constraint of the table. A column of such a name is in quotes.
const CONSTRAINT_WORDS: [&str; 5] = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];

/// What begins a clause of a column.
const CLAUSE_WORDS: [&str; 9] = [
    "CONSTRAINT",
    "PRIMARY",
    "NOT",
    "UNIQUE",
    "CHECK",
    "DEFAULT",
    "COLLATE",
    "REFERENCES",
    "GENERATED",
];

/// One column.
#[derive(Debug)]
pub struct Column<'a> {
    /// Its name
    pub name: String,
    /// Its whole definition
    pub text: &'a str,
    /// Its type
    kind: Vec<Token<'a>>,
    /// Its other clauses, in any order
    clauses: Vec<Vec<Token<'a>>>,
    /// What stands behind its name
    pub declaration: &'a str,
}

/// A table.
#[derive(Debug)]
pub struct Definition<'a> {
    /// Its columns, in order
    pub columns: Vec<Column<'a>>,
    constraints: Vec<Item<'a>>,
    options: Vec<Item<'a>>,
}

/// A part between two commas.
#[derive(Debug)]
struct Item<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
}

impl<'a> Item<'a> {
    fn new(sql: &'a str, tokens: &[Token<'a>]) -> Item<'a> {
        Item {
            text: span(sql, tokens),
            tokens: tokens.to_vec(),
        }
    }
}

/// The text from the first token to the last.
fn span<'a>(sql: &'a str, tokens: &[Token<'a>]) -> &'a str {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => &sql[first.start..last.end()],
        _ => "",
    }
}

impl<'a> Column<'a> {
    fn new(sql: &'a str, tokens: &[Token<'a>]) -> Option<Column<'a>> {
        let (name, rest) = tokens.split_first()?;
        let mut parts = clauses(rest).into_iter();
        Some(Column {
            name: name.name(),
            text: span(sql, tokens),
            kind: parts.next().unwrap_or_default(),
            clauses: parts.map(without_needless_parentheses).collect(),
            declaration: span(sql, rest),
        })
    }

    /// Whether both are declared alike, whatever the order of the clauses.
    pub fn is_declared_like(&self, other: &Column<'_>) -> bool {
        same(&self.kind, &other.kind) && same_in_any_order(&self.clauses, &other.clauses)
    }
}

/// The type, which may be empty, and the clauses behind it.
fn clauses<'a>(tokens: &[Token<'a>]) -> Vec<Vec<Token<'a>>> {
    let mut clauses = vec![Vec::new()];
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| tokens.get(index));
        depth += depth_change(token);
        // NOT NULL stays together, NULL alone begins a clause; so does AS without GENERATED ALWAYS before it.
        let begins = CLAUSE_WORDS.iter().any(|word| token.is(word))
            || token.is("NULL")
                && !before.is_some_and(|before| before.is("NOT") || before.is("DEFAULT"))
            || token.is("AS") && !before.is_some_and(|before| before.is("ALWAYS"));
        // ON DELETE SET NULL, SET DEFAULT and NOT DEFERRABLE belong to REFERENCES.
        let is_reference_part = before.is_some_and(|before| before.is("SET"))
            || token.is("NOT")
                && tokens
                    .get(index + 1)
                    .is_some_and(|next| next.is("DEFERRABLE"));
        if depth == 0 && begins && !is_reference_part {
            clauses.push(Vec::new());
        }
        if let Some(clause) = clauses.last_mut() {
            clause.push(*token);
        }
    }
    clauses
}

/// `DEFAULT (1)` is `DEFAULT 1`: other tools write the one for the other when they copy a column.
fn without_needless_parentheses(mut clause: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let [default, open, value @ .., close] = clause.as_slice() else {
        return clause;
    };
    let is_number_part = |token: &Token<'_>| {
        token.is_symbol(".") || token.text.starts_with(|c: char| c.is_ascii_digit())
    };
    let is_literal = match value {
        [] => false,
        [text] if text.kind == Kind::Text => true,
        [sign, number @ ..] if sign.is_symbol("-") || sign.is_symbol("+") => {
            number.iter().all(is_number_part)
        }
        number => number.iter().all(is_number_part),
    };
    if default.is("DEFAULT") && open.is_symbol("(") && close.is_symbol(")") && is_literal {
        clause.pop();
        clause.remove(1);
    }
    clause
}

fn depth_change(token: &Token<'_>) -> i32 {
    i32::from(token.is_symbol("(")) - i32::from(token.is_symbol(")"))
}

fn same_in_any_order<'a, 'b>(
    left: &[impl AsRef<[Token<'a>]>],
    right: &[impl AsRef<[Token<'b>]>],
) -> bool {
    let mut unmatched: Vec<_> = right.iter().collect();
    left.len() == right.len()
        && left.iter().all(|one| {
            let found = unmatched
                .iter()
                .position(|other| same(one.as_ref(), other.as_ref()));
            found.map(|place| unmatched.swap_remove(place)).is_some()
        })
}

impl<'a> AsRef<[Token<'a>]> for Item<'a> {
    fn as_ref(&self) -> &[Token<'a>] {
        &self.tokens
    }
}

impl<'a> Definition<'a> {
    /// Reads the statement as SQLite keeps it; none if it is no `CREATE TABLE` with columns.
    pub fn read(sql: &'a str) -> Option<Definition<'a>> {
        let tokens = tokens(sql);
        let open = tokens.iter().position(|token| token.is_symbol("("))?;
        let mut depth = 0;
        let close = tokens.iter().position(|token| {
            depth += depth_change(token);
            depth == 0 && token.is_symbol(")")
        })?;
        let mut definition = Definition {
            columns: Vec::new(),
            constraints: Vec::new(),
            options: parts(tokens.get(close + 1..)?)
                .map(|part| Item::new(sql, part))
                .collect(),
        };
        for part in constraints_apart(tokens.get(open + 1..close)?) {
            let first = part.first()?;
            if is_constraint(first) {
                definition.constraints.push(Item::new(sql, part));
            } else {
                definition.columns.push(Column::new(sql, part)?);
            }
        }
        Some(definition)
    }

    /// The column of a name, in any case.
    pub fn column(&self, name: &str) -> Option<&Column<'a>> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// What differs beside the columns: here and there.
    pub fn other_difference(&self, other: &Definition<'_>) -> Option<(String, String)> {
        let shown = |items: &[Item<'_>]| {
            let texts: Vec<_> = items.iter().map(|item| item.text).collect();
            texts.join(", ")
        };
        let differ = |left: &[Item<'_>], right: &[Item<'_>]| {
            (!same_in_any_order(left, right)).then(|| (shown(left), shown(right)))
        };
        differ(&self.constraints, &other.constraints)
            .or_else(|| differ(&self.options, &other.options))
    }
}

/// The parts between commas outside of parentheses.
fn parts<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    let mut depth = 0;
    tokens
        .split(move |token| {
            depth += depth_change(token);
            depth == 0 && token.is_symbol(",")
        })
        .filter(|part| !part.is_empty())
}

/// As `parts`; constraints of the table may follow each other without a comma.
fn constraints_apart<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut all = Vec::new();
    for part in parts(tokens) {
        let mut start = 0;
        let mut depth = 0;
        for (index, token) in part.iter().enumerate() {
            depth += depth_change(token);
            let named = |back| {
                part.get(index.wrapping_sub(back))
                    .is_some_and(|word: &Token<'_>| word.is("CONSTRAINT"))
            };
            let begins = depth == 0 && is_constraint(token) && !named(1) && !named(2);
            if begins && index > start && part.get(start).is_some_and(is_constraint) {
                all.push(&part[start..index]);
                start = index;
            }
        }
        all.push(&part[start..]);
    }
    all
}

fn is_constraint(token: &Token<'_>) -> bool {
    CONSTRAINT_WORDS.iter().any(|word| token.is(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(definition: &Definition<'_>) -> Vec<String> {
        definition
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    #[test]
    fn columns_constraints_and_options_are_told_apart() {
        let sql = "CREATE TABLE \"t(\" (a INTEGER PRIMARY KEY, \"check\" NUMERIC(10, 2) DEFAULT (max(1, 2)), [c d], \
                   CONSTRAINT \"x\" CHECK (a > 1) UNIQUE (a, \"check\"), FOREIGN KEY (a) REFERENCES u(b)) STRICT, WITHOUT ROWID";
        let definition = Definition::read(sql).unwrap();
        assert_eq!(names(&definition), ["a", "check", "c d"]);
        assert_eq!(
            definition.columns[1].text,
            "\"check\" NUMERIC(10, 2) DEFAULT (max(1, 2))"
        );
        let constraints: Vec<_> = definition
            .constraints
            .iter()
            .map(|item| item.text)
            .collect();
        assert_eq!(
            constraints,
            [
                "CONSTRAINT \"x\" CHECK (a > 1)",
                "UNIQUE (a, \"check\")",
                "FOREIGN KEY (a) REFERENCES u(b)"
            ]
        );
        let options: Vec<_> = definition.options.iter().map(|item| item.text).collect();
        assert_eq!(options, ["STRICT", "WITHOUT ROWID"]);
    }

    #[test]
    fn the_order_of_clauses_does_not_matter() {
        let column = |declaration: &'static str| {
            let sql = declaration;
            Column::new(sql, &tokens(sql)).unwrap()
        };
        let same = |left, right| column(left).is_declared_like(&column(right));
        assert!(same(
            "a TEXT NOT NULL DEFAULT 'x'",
            "A text default 'x' NOT NULL"
        ));
        assert!(same("a DEFAULT NULL", "a DEFAULT NULL"));
        assert!(same("a DEFAULT (1)", "a DEFAULT 1"));
        assert!(same("a DEFAULT (-1) NOT NULL", "a NOT NULL DEFAULT -1"));
        assert!(same("a DEFAULT ('x')", "a DEFAULT 'x'"));
        assert!(same("a DEFAULT (+1.5)", "a DEFAULT +1.5"));
        assert!(!same("a DEFAULT (1-2)", "a DEFAULT 1"));
        assert!(!same("a DEFAULT (x 'x')", "a DEFAULT x 'x'"));
        assert!(!same("a DEFAULT ('x')", "a DEFAULT 'y'"));
        assert!(same(
            "a REFERENCES b ON DELETE SET NULL NOT NULL",
            "a NOT NULL REFERENCES b ON DELETE SET NULL"
        ));
        assert!(!same("a TEXT", "a INTEGER"));
        assert!(!same("a TEXT", "a"));
        assert!(!same("a TEXT NOT NULL", "a TEXT NULL"));
        assert!(!same("a DEFAULT 1", "a DEFAULT 2"));
        assert!(!same(
            "a CHECK (a > 1 AND NOT 2)",
            "a CHECK (a > 1 AND NOT 3)"
        ));
        assert!(!same("a INT AS (1)", "a INT AS (2)"));
    }

    #[test]
    fn anything_but_columns_is_compared_as_a_whole() {
        let difference = |left: &str, right: &str| {
            let (left, right) = (
                Definition::read(left).unwrap(),
                Definition::read(right).unwrap(),
            );
            left.other_difference(&right)
        };
        let table = "CREATE TABLE t(a, b, PRIMARY KEY (a), CHECK (b > 0))";
        assert_eq!(
            difference(table, "CREATE TABLE t(a, b, check(b>0), primary key(a))"),
            None
        );
        assert_eq!(
            difference(table, "CREATE TABLE t(a, b, PRIMARY KEY (a, b))"),
            Some((
                "PRIMARY KEY (a), CHECK (b > 0)".to_owned(),
                "PRIMARY KEY (a, b)".to_owned()
            ))
        );
        assert_eq!(
            difference("CREATE TABLE t(a)", "CREATE TABLE t(a) STRICT"),
            Some((String::new(), "STRICT".to_owned()))
        );
        assert!(Definition::read("CREATE TABLE t").is_none());
    }
}
