//! SQL as tokens: what is quoted, what is a comment, and nothing about grammar.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, a name, or a number
    Word,
    /// A name in quotes or brackets
    Name,
    /// A text in single quotes
    Text,
    /// One character of anything else
    Symbol,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    /// What it is
    pub kind: Kind,
    /// As it was written
    pub text: &'a str,
    /// The byte it starts at
    pub start: usize,
}

impl<'a> Token<'a> {
    /// The byte after it.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this keyword.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is this character.
    pub fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// The name it is, without quotes.
    pub fn name(&self) -> String {
        let inner = || {
            let mut characters = self.text.chars();
            characters.next();
            characters.next_back();
            characters.as_str()
        };
        match (self.kind, self.text.chars().next()) {
            (Kind::Name, Some('[')) => inner().to_owned(),
            (Kind::Name | Kind::Text, Some(quote)) => {
                inner().replace(&format!("{quote}{quote}"), &quote.to_string())
            }
            _ => self.text.to_owned(),
        }
    }

    /// Whether both say the same. A name in quotes may be a text, for which case counts.
    fn says_the_same(&self, other: &Token<'_>, is_default: bool) -> bool {
        match (self.kind, other.kind) {
            (Kind::Word, Kind::Word) if is_default && !self.is_literal() => self.text == other.text,
            (Kind::Word, Kind::Word) => self.text.eq_ignore_ascii_case(other.text),
            (Kind::Word, Kind::Name) | (Kind::Name, Kind::Word) => {
                self.name().eq_ignore_ascii_case(&other.name())
            }
            (Kind::Name, Kind::Name) => self.name() == other.name(),
            (left, right) => left == right && self.text == other.text,
        }
    }

    /// Whether it is a word that means a value, and not itself.
    fn is_literal(&self) -> bool {
        const LITERALS: [&str; 6] = [
            "NULL",
            "TRUE",
            "FALSE",
            "CURRENT_TIME",
            "CURRENT_DATE",
            "CURRENT_TIMESTAMP",
        ];
        LITERALS.iter().any(|literal| self.is(literal))
    }
}

/// Whether two definitions differ in nothing but space, comments, quotes and the case of names.
pub fn same(left: &[Token<'_>], right: &[Token<'_>]) -> bool {
    let is_default = |index: usize| index > 0 && left[index - 1].is("DEFAULT");
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .enumerate()
            .all(|(index, (one, other))| one.says_the_same(other, is_default(index)))
}

/// All tokens of a text, without comments. What is left open ends with the text.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = match first {
            '-' if rest.starts_with("--") => (None, until(rest, 2, "\n")),
            '/' if rest.starts_with("/*") => (None, until(rest, 2, "*/")),
            '\'' => (Some(Kind::Text), quoted_length(rest, '\'')),
            '"' | '`' => (Some(Kind::Name), quoted_length(rest, first)),
            '[' => (Some(Kind::Name), until(rest, 1, "]")),
            c if is_space(c) => (None, c.len_utf8()),
            c if is_word(c) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Some(Kind::Word), length)
            }
            c => (Some(Kind::Symbol), c.len_utf8()),
        };
        if let Some(kind) = kind {
            tokens.push(Token {
                kind,
                text: &rest[..length],
                start: at,
            });
        }
        at += length;
    }
    tokens
}

/// SQLite takes any character beyond ASCII for a part of a name. A byte order mark is space.
fn is_word(c: char) -> bool {
    (c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()) && !is_space(c)
}

fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}' || c == '\u{feff}'
}

/// The length up to and with the end, which is looked for after `skip` bytes.
fn until(rest: &str, skip: usize, end: &str) -> usize {
    rest[skip..]
        .find(end)
        .map_or(rest.len(), |found| skip + found + end.len())
}

/// A doubled quote does not end what is quoted.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        tokens(sql).iter().map(|token| token.text).collect()
    }

    #[test]
    fn quotes_and_comments_are_seen() {
        let sql = "a -- b ' c\n\"d \"\" e\" /* f ; ' */ 'g '' h' [i ' j] `k``l`;m.n";
        assert_eq!(
            texts(sql),
            [
                "a",
                "\"d \"\" e\"",
                "'g '' h'",
                "[i ' j]",
                "`k``l`",
                ";",
                "m",
                ".",
                "n"
            ]
        );
        let names: Vec<String> = tokens(sql)[1..5].iter().map(Token::name).collect();
        assert_eq!(names, ["d \" e", "g ' h", "i ' j", "k`l"]);
    }

    #[test]
    fn what_is_left_open_ends_with_the_text() {
        for (sql, last) in [
            ("a 'b;", "'b;"),
            ("a \"", "\""),
            ("a [é", "[é"),
            ("a /* b", "a"),
            ("a --", "a"),
        ] {
            assert_eq!(texts(sql).last(), Some(&last), "{sql}");
            tokens(sql).iter().for_each(|token| drop(token.name()));
        }
    }

    #[test]
    fn no_text_is_too_odd() {
        let parts = [
            "'",
            "\"",
            "[",
            "]",
            "`",
            "--",
            "/*",
            "*/",
            ";",
            "é",
            "\u{feff}",
            "a",
            "(",
            ",",
            "\n",
            "END",
            "CREATE TRIGGER ",
        ];
        let mut state = 1_u32;
        for _ in 0..5000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(parts[(state >> 16) as usize % parts.len()]);
            }
            let all = tokens(&text);
            all.iter().for_each(|token| drop(token.name()));
            assert!(
                all.windows(2).all(|pair| pair[0].end() <= pair[1].start),
                "{text:?}"
            );
            for statement in super::super::splitter::statements(&text) {
                drop((
                    statement.excerpt(),
                    statement.clset_table(),
                    statement.is_for_the_extension(),
                ));
                drop(super::super::definition::Definition::read(statement.text));
            }
        }
    }

    #[test]
    fn definitions_are_compared_by_what_they_say() {
        let says_the_same = |left: &str, right: &str| same(&tokens(left), &tokens(right));
        assert!(says_the_same("a TEXT  NOT NULL", "\"a\" text not/**/null"));
        assert!(says_the_same("x DEFAULT NULL", "x default null"));
        assert!(!says_the_same("x DEFAULT 'a'", "x DEFAULT 'A'"));
        assert!(!says_the_same("x DEFAULT \"a\"", "x DEFAULT \"A\""));
        assert!(!says_the_same("x DEFAULT abc", "x DEFAULT ABC"));
        assert!(!says_the_same("x CHECK (x < 1)", "x CHECK (x < 2)"));
        assert!(!says_the_same("'a'", "a"));
    }
}
