//! The one error type of the extension: what went wrong, by meaning, with a text that says what to do.
//!
//! `code` is the only place where an error becomes an SQLite result code.

use crate::crdt::changeset::Defect;
use std::fmt;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Each text names the table, column or argument concerned and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// SQLite refused a statement: its result code and its message, with what was being done.
    Sqlite {
        /// Extended result code.
        code: i32,
        /// SQLite's message, with the work it interrupted.
        message: String,
    },
    /// A function was called with arguments that it cannot take.
    Usage(String),
    /// A table cannot become, or can no longer be, a replicated table.
    Table(String),
    /// A row inserted into `crsql_changes` cannot be a change of this database.
    Change(String),
    /// The database file holds something that this release did not write.
    Corrupt(String),
    /// The transaction holds work that was only half recorded and must be rolled back.
    Doomed,
    /// The extension cannot serve this connection.
    Load(String),
    /// Another extension keeps the database: it has to be converted first, or can't be. Never reported as
    /// damage, on which SQLite lets the transaction write no more.
    Foreign(String),
    /// A defect of the extension itself, caught before it reached the application.
    Internal(String),
}

/// SQLite result codes that the extension gives.
mod code {
    pub(super) const ERROR: i32 = 1;
    pub(super) const INTERNAL: i32 = 2;
    pub(super) const ABORT: i32 = 4;
    pub(super) const BUSY: i32 = 5;
    pub(super) const BUSY_SNAPSHOT: i32 = BUSY | 2 << 8;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const NOMEM: i32 = 7;
    pub(super) const READONLY: i32 = 8;
    pub(super) const INTERRUPT: i32 = 9;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const CONSTRAINT_CHECK: i32 = CONSTRAINT | 1 << 8;
    pub(super) const CONSTRAINT_NOTNULL: i32 = CONSTRAINT | 5 << 8;
    pub(super) const CONSTRAINT_PRIMARYKEY: i32 = CONSTRAINT | 6 << 8;
    pub(super) const CONSTRAINT_UNIQUE: i32 = CONSTRAINT | 8 << 8;
    pub(super) const CONSTRAINT_ROWID: i32 = CONSTRAINT | 10 << 8;
    pub(super) const CONSTRAINT_DATATYPE: i32 = CONSTRAINT | 12 << 8;
    pub(super) const MISMATCH: i32 = 20;
    pub(super) const MISUSE: i32 = 21;
    pub(super) const AUTH: i32 = 23;
}

/// What SQLite says to a savepoint inside a statement that writes.
const NO_SAVEPOINT: &str = "cannot open savepoint";

/// What every message starts with.
const PREFIX: &str = "crsql: ";

impl Error {
    /// The SQLite result code for this error.
    pub fn code(&self) -> i32 {
        match self {
            Error::Sqlite { code, .. } => *code,
            Error::Usage(_)
            | Error::Table(_)
            | Error::Change(_)
            | Error::Load(_)
            | Error::Foreign(_) => code::ERROR,
            Error::Corrupt(_) => code::CORRUPT,
            Error::Doomed => code::ABORT,
            Error::Internal(_) => code::INTERNAL,
        }
    }

    /// Whether the application interrupted the work.
    pub fn is_interrupt(&self) -> bool {
        self.code() & 0xff == code::INTERRUPT
    }

    /// Whether the work was stopped by what would stop all other statements, too: no memory, an interrupt, an authorizer.
    pub fn stops_statements(&self) -> bool {
        matches!(
            self.code() & 0xff,
            code::NOMEM | code::INTERRUPT | code::AUTH
        ) || self.is_denied_function()
    }

    /// A function that is denied has no code of its own.
    fn is_denied_function(&self) -> bool {
        matches!(self, Error::Sqlite { message, .. } if message.contains("not authorized"))
    }

    /// Whether the file can't be written to, now or by this connection.
    pub fn is_about_writing(&self) -> bool {
        matches!(
            self.code() & 0xff,
            code::BUSY | code::LOCKED | code::READONLY
        )
    }

    /// Whether a row is refused before it is in the table: a key, or another value that must be unique, is there already,
    /// or a value is none for its column.
    pub fn is_refused_row(&self) -> bool {
        matches!(
            self.code(),
            code::CONSTRAINT_PRIMARYKEY
                | code::CONSTRAINT_ROWID
                | code::CONSTRAINT_UNIQUE
                | code::CONSTRAINT_CHECK
                | code::CONSTRAINT_NOTNULL
                | code::CONSTRAINT_DATATYPE
        )
    }

    /// Whether a constraint or a trigger refused a statement.
    pub fn is_constraint(&self) -> bool {
        self.code() & 0xff == code::CONSTRAINT
    }

    /// Whether SQLite can't do what a statement says: it names what is not there, or can't be compiled or computed.
    /// Not where memory, the disk, a lock, an interrupt or an authorizer stopped it, or a defect of the extension.
    pub fn is_about_statement(&self) -> bool {
        matches!(self, Error::Sqlite { .. })
            && !self.is_denied_function()
            && !matches!(
                self.code() & 0xff,
                code::INTERNAL
                    | code::BUSY
                    | code::LOCKED
                    | code::NOMEM
                    | code::READONLY
                    | code::INTERRUPT
                    | code::IOERR
                    | code::FULL
                    | code::CANTOPEN
                    | code::AUTH
            )
    }

    /// Whether an authorizer of the application refused a statement.
    pub fn is_denial(&self) -> bool {
        matches!(self, Error::Sqlite { .. }) && self.code() & 0xff == code::AUTH
    }

    /// Whether there is no savepoint of the name that a statement gave.
    pub fn is_about_missing_savepoint(&self) -> bool {
        matches!(self, Error::Sqlite { message, .. } if message.starts_with("no such savepoint"))
    }

    /// Whether the change itself is at fault: it doesn't fit its table, or a constraint or trigger refuses it.
    pub fn is_refusal(&self) -> bool {
        let is_mismatch = self.code() & 0xff == code::MISMATCH;
        self.is_constraint() || is_mismatch || matches!(self, Error::Change(_) | Error::Table(_))
    }

    /// SQLite has no memory left.
    pub fn out_of_memory() -> Error {
        Error::Sqlite {
            code: code::NOMEM,
            message: "out of memory".to_owned(),
        }
    }

    /// Makes SQLite roll back the transaction, and is shown to nobody.
    pub fn end_of_transaction() -> Error {
        Error::Sqlite {
            code: code::FULL,
            message: "the transaction is to end".to_owned(),
        }
    }

    /// The same error, such that SQLite rolls the transaction back if a statement that writes gives it.
    pub fn ending_transaction(self) -> Error {
        match self.code() & 0xff {
            code::NOMEM | code::INTERRUPT | code::IOERR | code::FULL => self,
            _ => Error::Sqlite {
                code: code::INTERRUPT,
                message: self.to_string(),
            },
        }
    }

    /// `crsql_changes` takes inserts only.
    pub fn changes_are_append_only() -> Error {
        Error::Sqlite {
            code: code::MISUSE,
            message:
                "crsql_changes can't be updated or deleted from: it shows the recorded changes; \
                      write to the replicated table itself, or INSERT changes of a peer"
                    .to_owned(),
        }
    }

    /// Bytes that are not a changeset.
    pub fn changeset(defect: Defect) -> Error {
        Error::Change(format!(
            "the changeset can't be used: {defect}; get it again from where it was made"
        ))
    }

    /// Puts what was being done before the message of an SQLite error.
    pub fn during(self, work: impl fmt::Display) -> Error {
        match self {
            Error::Sqlite { code, message } => Error::Sqlite {
                code,
                message: format!("{work}: {}", message.trim_start_matches(PREFIX)),
            },
            other => other,
        }
    }

    /// Says what to do about an error of SQLite in a function that writes.
    pub fn of_call(self, function: &str) -> Error {
        let Error::Sqlite { code, message } = self else {
            return self;
        };
        if message.contains(NO_SAVEPOINT) {
            return Error::Usage(format!(
                "call {function} in a SELECT of its own: inside a statement that writes it can't be undone alone"
            ));
        }
        let advice = match code {
            code::BUSY_SNAPSHOT => {
                "another connection has written since this transaction first read; ROLLBACK, and call it again after \
                 BEGIN IMMEDIATE"
            }
            code if code & 0xff == code::BUSY => {
                "another connection is writing; call it again, and let SQLite wait: PRAGMA busy_timeout = 5000"
            }
            _ => return Error::Sqlite { code, message },
        };
        Error::Sqlite {
            code,
            message: format!("{message}; {advice}"),
        }
    }

    /// Puts what stays of the work, or what it was about, before the message of any error.
    pub fn after(self, done: impl fmt::Display) -> Error {
        self.with_text(|text| format!("{done}: {}", text.trim_start_matches(PREFIX)))
    }

    /// Puts what to do behind the message of any error.
    pub fn with_advice(self, advice: impl fmt::Display) -> Error {
        self.with_text(|text| format!("{text}; {advice}"))
    }

    fn with_text(self, change: impl FnOnce(String) -> String) -> Error {
        match self {
            Error::Sqlite { code, message } => Error::Sqlite {
                code,
                message: change(message),
            },
            Error::Usage(text) => Error::Usage(change(text)),
            Error::Table(text) => Error::Table(change(text)),
            Error::Change(text) => Error::Change(change(text)),
            Error::Corrupt(text) => Error::Corrupt(change(text)),
            Error::Load(text) => Error::Load(change(text)),
            Error::Foreign(text) => Error::Foreign(change(text)),
            Error::Internal(text) => Error::Internal(change(text)),
            Error::Doomed => Error::Doomed,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Sqlite { message, .. } => write!(f, "{PREFIX}{}", message.trim_start_matches(PREFIX)),
            Error::Usage(text)
            | Error::Table(text)
            | Error::Change(text)
            | Error::Corrupt(text)
            | Error::Load(text)
            | Error::Foreign(text) => write!(f, "crsql: {text}"),
            Error::Doomed => f.write_str(
                "crsql: an earlier statement of this transaction failed halfway, so it can't be committed; ROLLBACK and try again",
            ),
            Error::Internal(text) => write!(f, "crsql: internal error, please report it: {text}"),
        }
    }
}

impl std::error::Error for Error {}
