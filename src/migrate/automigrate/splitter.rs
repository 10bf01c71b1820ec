//! A schema text as statements: where each ends, and what it is about.

use super::token::{Kind, Token, tokens};
use crate::sql::quoted;

/// What the names of the extension's functions and tables begin with.
const PREFIX: &str = "crsql_";

/// What would end the migration's own transaction.
const TRANSACTION_WORDS: [&str; 6] = ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"];

/// Characters of a statement that an error shows.
const EXCERPT_CHARACTERS: usize = 60;

/// What the name of a `clset` table ends with.
const CLSET_ENDING: &str = "_schema";

/// One statement, without the semicolon.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// Its text
    pub text: &'a str,
    /// The byte of the whole text it starts at
    start: usize,
    tokens: Vec<Token<'a>>,
}

/// `CREATE VIRTUAL TABLE x_schema USING clset (...)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClsetTable {
    /// `x_schema`
    pub name: String,
    /// The statement that makes `x` as an ordinary table
    pub create: String,
}

/// The statements of a text. Empty ones are left out.
pub fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    let mut current = Vec::new();
    for token in tokens(text) {
        if token.is_symbol(";") && !is_inside_trigger(&current) {
            statements.extend(Statement::new(text, std::mem::take(&mut current)));
        } else {
            current.push(token);
        }
    }
    statements.extend(Statement::new(text, current));
    statements
}

/// Whether the statement goes on after a semicolon: the body of a trigger ends with one and then END.
fn is_inside_trigger(tokens: &[Token<'_>]) -> bool {
    let mut words = tokens.iter();
    let is_create = words.next().is_some_and(|word| word.is("CREATE"));
    let is_trigger = words
        .find(|word| !word.is("TEMP") && !word.is("TEMPORARY"))
        .is_some_and(|word| word.is("TRIGGER"));
    let has_ended = match tokens {
        [.., before, last] => last.is("END") && before.is_symbol(";"),
        _ => false,
    };
    is_create && is_trigger && !has_ended
}

impl<'a> Statement<'a> {
    fn new(text: &'a str, tokens: Vec<Token<'a>>) -> Option<Statement<'a>> {
        let (first, last) = (tokens.first()?, tokens.last()?);
        Some(Statement {
            text: &text[first.start..last.end()],
            start: first.start,
            tokens,
        })
    }

    fn starts_with(&self, word: &str) -> bool {
        self.tokens.first().is_some_and(|first| first.is(word))
    }

    /// Whether it changes the schema.
    pub fn is_schema(&self) -> bool {
        ["CREATE", "ALTER", "DROP"]
            .iter()
            .any(|word| self.starts_with(word))
    }

    /// Whether it makes an index.
    pub fn is_index(&self) -> bool {
        let mut words = self.tokens.iter().take(3);
        self.starts_with("CREATE") && words.any(|word| word.is("INDEX"))
    }

    /// Whether it can be run a second time.
    pub fn is_repeatable(&self) -> bool {
        !self.starts_with("CREATE") || self.tokens.iter().any(|token| token.is("EXISTS"))
    }

    /// Whether it begins or ends a transaction.
    pub fn is_transaction_control(&self) -> bool {
        TRANSACTION_WORDS.iter().any(|word| self.starts_with(word))
    }

    /// Whether it asks something of the extension, such as `SELECT crsql_finalize()`.
    pub fn is_for_the_extension(&self) -> bool {
        let names_it = |token: &Token<'_>| {
            let name = token.name();
            let prefix = name.get(..PREFIX.len());
            token.kind != Kind::Text
                && prefix.is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
        };
        self.tokens.iter().any(names_it)
    }

    /// The `clset` table that it makes.
    pub fn clset_table(&self) -> Option<ClsetTable> {
        let mut tokens = self.tokens.iter().peekable();
        for word in ["CREATE", "VIRTUAL", "TABLE"] {
            tokens.next().filter(|token| token.is(word))?;
        }
        let mut condition = "";
        if tokens.next_if(|token| token.is("IF")).is_some() {
            for word in ["NOT", "EXISTS"] {
                tokens.next().filter(|token| token.is(word))?;
            }
            condition = "IF NOT EXISTS ";
        }
        let mut name = tokens.next()?.name();
        if tokens.next_if(|token| token.is_symbol(".")).is_some() {
            name = tokens.next()?.name();
        }
        tokens.next().filter(|token| token.is("USING"))?;
        let module = tokens.next()?.name();
        let body = tokens.next().filter(|token| token.is_symbol("("))?;
        if !module.eq_ignore_ascii_case("clset") {
            return None;
        }
        let table = name.strip_suffix(CLSET_ENDING)?;
        let body = &self.text[body.start - self.start..];
        Some(ClsetTable {
            create: format!("CREATE TABLE {condition}{} {body}", quoted(table)),
            name,
        })
    }

    /// Its beginning, on one line.
    pub fn excerpt(&self) -> String {
        let line = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(EXCERPT_CHARACTERS) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        statements(sql)
            .iter()
            .map(|statement| statement.text)
            .collect()
    }

    #[test]
    fn statements_end_where_sqlite_ends_them() {
        assert_eq!(
            texts("CREATE TABLE a(b DEFAULT ';'); SELECT 1 -- ; no\n; /* ; */ ;; SELECT \";\";"),
            ["CREATE TABLE a(b DEFAULT ';')", "SELECT 1", "SELECT \";\""]
        );
        assert!(statements(" -- nothing\n; /* here").is_empty());
    }

    #[test]
    fn the_body_of_a_trigger_belongs_to_it() {
        let trigger = "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 3; END";
        assert_eq!(
            texts(&format!("{trigger}; SELECT 4")),
            [trigger, "SELECT 4"]
        );
        let quoted = "create trigger \"end\" after insert on \"trigger\" begin select ';end;'; end";
        assert_eq!(texts(&format!("{quoted};select 5;")), [quoted, "select 5"]);
        assert_eq!(texts("CREATE TABLE \"trigger\"(a); SELECT 1").len(), 2);
        assert_eq!(texts("CREATE TABLE trigger_end(a); SELECT 1").len(), 2);
    }

    #[test]
    fn calls_of_the_extension_are_known_by_their_names_only() {
        let is_for_it = |sql: &str| statements(sql)[0].is_for_the_extension();
        assert!(is_for_it("SELECT crsql_as_crr('t')"));
        assert!(is_for_it("select \"CRSQL_fract_as_ordered\" ('t', 'pos')"));
        assert!(is_for_it("INSERT INTO crsql_tracked_peers VALUES (1)"));
        assert!(!is_for_it(
            "INSERT INTO notes VALUES ('crsql_as_crr(x)') -- crsql_as_crr"
        ));
    }

    #[test]
    fn clset_tables_are_known_by_their_module() {
        let clset = |sql: &str| statements(sql)[0].clset_table();
        let table = clset("SELECT 1").or(clset(
            "CREATE VIRTUAL TABLE IF NOT EXISTS main.\"a\"\"b_schema\" USING CLSet (id PRIMARY KEY NOT NULL, q)",
        ));
        assert_eq!(
            table,
            Some(ClsetTable {
                name: "a\"b_schema".to_owned(),
                create: "CREATE TABLE IF NOT EXISTS \"a\"\"b\" (id PRIMARY KEY NOT NULL, q)"
                    .to_owned(),
            })
        );
        let second = "SELECT 1; CREATE VIRTUAL TABLE c_schema USING clset(a, b);";
        let create = statements(second)[1]
            .clset_table()
            .map(|table| table.create);
        assert_eq!(create.as_deref(), Some("CREATE TABLE \"c\" (a, b)"));
        assert_eq!(clset("CREATE VIRTUAL TABLE f USING fts5(a)"), None);
        assert_eq!(clset("CREATE TABLE clset(a)"), None);
    }

    #[test]
    fn excerpts_are_short_and_cut_between_characters() {
        let sql = format!("SELECT\n  '{}'", "é".repeat(100));
        let excerpt = statements(&sql)[0].excerpt();
        assert_eq!(excerpt.chars().count(), EXCERPT_CHARACTERS + 3);
        assert!(excerpt.starts_with("SELECT 'é"));
    }
}
