//! Reads while things go wrong: the right answer or an error, never another answer.

use std::ffi::{CStr, CString};
use std::ptr;

use rusqlite::ffi;
use rusqlite::{Connection, Statement};

use super::authorizer::Denial;
use super::disk::{Disk, Failure, Op};
use super::interrupt::Interrupt;
use super::io::Calls;
use super::memory::Memory;
use super::run::{Fault, Figures, MODES, Rig, assert_clean, budget, chosen, references, report};
use super::vfs::Mounted;
use crate::checks::{exec, one};
use crate::support::{ENTRY_POINT, extension_path, load};

pub const QUERIES: &[&str] = &[
    "SELECT * FROM crsql_changes",
    "SELECT * FROM crsql_changes WHERE db_version > 3 AND site_id = crsql_site_id()",
    "SELECT * FROM crsql_changes WHERE \"table\" = 'w' AND cid = 'a' ORDER BY db_version DESC, seq DESC",
    "SELECT * FROM crsql_changes WHERE pk = crsql_pack_columns('key 2')",
    "SELECT crsql_changeset(0)",
    "SELECT * FROM crsql_changesets(2, NULL, 600)",
    "SELECT * FROM crsql_changeset_rows((SELECT crsql_changeset(0)))",
    "SELECT cell FROM crsql_unpack_columns((SELECT pk FROM crsql_changes WHERE \"table\" = 'pair'))",
    "SELECT * FROM crsql_check",
    "SELECT crsql_check('w'), crsql_db_version(), hex(crsql_site_id())",
    "SELECT \"table\", problem FROM crsql_check('t')",
    "SELECT name, value FROM pragma_table_info('w'), (SELECT crsql_digest('w') AS value)",
    "SELECT crsql_digest()",
    "SELECT crsql_reconcile()",
];

/// All rows of a query as text.
pub fn answer(connection: &Connection, sql: &str) -> rusqlite::Result<String> {
    answer_of(&mut connection.prepare(sql)?)
}

pub fn answer_of(statement: &mut Statement<'_>) -> rusqlite::Result<String> {
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut answer = String::new();
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            answer += &format!("{:?}|", row.get_ref(column)?);
        }
        answer.push('\n');
    }
    Ok(answer)
}

/// The prepared database. In UTF-16, texts that the extension reads are converted first, for which memory is needed.
fn files(encoding: &str) -> super::disk::Files {
    let reference = &references()[0];
    let made = Mounted::new(Disk::default());
    let connection = made.open("db").expect("open");
    exec(
        &connection,
        &format!("PRAGMA encoding = '{encoding}'; PRAGMA page_size = 1024"),
    );
    (reference.scenario.prepare)(&connection);
    assert_eq!(one::<String>(&connection, "PRAGMA encoding"), encoding);
    connection.close().expect("close");
    made.disk.files()
}

#[test]
fn answers_are_right_or_errors() {
    let files = files("UTF-8");
    let faults: [&dyn Fault; 5] = [
        &Memory { is_lasting: false },
        &Interrupt::new(false),
        &Denial::new(false),
        &Calls {
            ops: &[Op::Read],
            failure: Failure::Io,
            is_lasting: false,
        },
        &Calls {
            ops: &[Op::Lock],
            failure: Failure::Busy,
            is_lasting: true,
        },
    ];
    for fault in faults {
        let mut sum = Figures::default();
        for sql in QUERIES {
            let fresh = || Rig::open(&files, MODES[1]);
            let mut rig = fresh();
            fault.arm(&mut rig, u64::MAX);
            let expected = answer(&rig.connection, sql).expect("an answer without a fault");
            let (occasions, _) = fault.disarm(&mut rig);
            sum.occasions += occasions;
            for n in chosen(occasions, budget(6)) {
                let mut rig = fresh();
                fault.arm(&mut rig, n);
                let found = answer(&rig.connection, sql);
                let (_, fired) = fault.disarm(&mut rig);
                sum.attempts += 1;
                sum.injected += u64::from(fired > 0);
                let context = format!("{sql}, {}, {n}", fault.name());
                match found {
                    Ok(found) => assert_eq!(found, expected, "{context}"),
                    Err(error) => {
                        sum.errors += 1;
                        *sum.codes
                            .entry(assert_clean(&error, fault, &context))
                            .or_default() += 1;
                    }
                }
                let again = answer(&rig.connection, sql)
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
                assert_eq!(again, expected, "{context}: again");
                rig.connection
                    .close()
                    .unwrap_or_else(|(_, error)| panic!("{context}: {error}"));
            }
        }
        assert!(
            sum.injected > (budget(40) / 2).min(20) && sum.errors * 2 > sum.injected,
            "{}: {sum}",
            fault.name()
        );
        report(&format!("{}, reading", fault.name()), &[("queries", sum)]);
    }
}

/// Text keys in UTF-16: what SQLite had no memory to convert must not be taken for an empty text.
#[test]
fn texts_that_memory_is_missing_for_are_not_empty() {
    let files = files("UTF-16le");
    let work = "UPDATE w SET a = 'text of a', b = zeroblob(50); INSERT INTO w VALUES ('one', 'two', zeroblob(9)); \
                DELETE FROM w WHERE k = 'key 5'";
    let fault = Memory { is_lasting: false };
    let mut rig = Rig::open(&files, MODES[1]);
    fault.arm(&mut rig, u64::MAX);
    exec(&rig.connection, work);
    let (occasions, _) = fault.disarm(&mut rig);
    let everything =
        "SELECT k, a, b, NULL FROM w UNION ALL SELECT \"table\", pk, cid, val FROM crsql_changes";
    let expected = answer(&rig.connection, everything).expect("what is there");
    let mut errors = 0;
    for n in chosen(occasions, budget(60)) {
        let mut rig = Rig::open(&files, MODES[1]);
        exec(&rig.connection, "BEGIN");
        fault.arm(&mut rig, n);
        let outcome = rig.connection.execute_batch(work);
        fault.disarm(&mut rig);
        match outcome {
            Ok(()) => exec(&rig.connection, "COMMIT"),
            Err(error) => {
                assert_eq!(assert_clean(&error, &fault, "UTF-16"), ffi::SQLITE_NOMEM);
                errors += 1;
                super::run::roll_back(&rig.connection, "UTF-16");
                exec(&rig.connection, &format!("BEGIN; {work}; COMMIT"));
            }
        }
        assert_eq!(
            answer(&rig.connection, everything).expect("what is there"),
            expected,
            "{n}"
        );
    }
    assert!(errors > (budget(60) / 3 * 2).min(40), "{errors}");
}

/// Loads the extension as C does: rusqlite does not expect that there is no memory for the text of an error.
fn try_load(connection: &Connection) -> Result<(), (i32, Option<String>)> {
    let path = extension_path()
        .into_os_string()
        .into_string()
        .expect("a path");
    let (path, entry) = (
        CString::new(path).expect("a path"),
        CString::new(ENTRY_POINT).expect("a name"),
    );
    // SAFETY: the connection is open, and the library is the one under test. SQLite gives a text of its own, or none.
    unsafe {
        let handle = connection.handle();
        let (on, mut text) = (1_i32, ptr::null_mut());
        let allowed = ffi::sqlite3_db_config(
            handle,
            ffi::SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION,
            on,
            ptr::null_mut::<i32>(),
        );
        assert_eq!(allowed, ffi::SQLITE_OK);
        let code = ffi::sqlite3_load_extension(handle, path.as_ptr(), entry.as_ptr(), &mut text);
        let message =
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned());
        ffi::sqlite3_free(text.cast());
        match code {
            ffi::SQLITE_OK => Ok(()),
            _ => Err((code, message)),
        }
    }
}

/// A load that fails leaves nothing behind, and the next one succeeds.
#[test]
fn loading() {
    let faults: [&dyn Fault; 5] = [
        &Memory { is_lasting: false },
        &Memory { is_lasting: true },
        &Interrupt::new(false),
        &Denial::new(false),
        &Calls {
            ops: super::disk::CHANGES,
            failure: Failure::Io,
            is_lasting: false,
        },
    ];
    for fault in faults {
        let mut sum = Figures::default();
        let fresh = || {
            let mounted = Mounted::new(Disk::default());
            let connection = mounted.open("db").expect("open");
            exec(
                &connection,
                "PRAGMA page_size = 1024; PRAGMA cache_size = 10; CREATE TABLE plain (a)",
            );
            Rig {
                connection,
                mounted,
            }
        };
        let mut rig = fresh();
        fault.arm(&mut rig, u64::MAX);
        load(&rig.connection).expect("a load without a fault");
        sum.occasions = fault.disarm(&mut rig).0;
        for n in chosen(sum.occasions, budget(40)) {
            let mut rig = fresh();
            fault.arm(&mut rig, n);
            let outcome = try_load(&rig.connection);
            let (_, fired) = fault.disarm(&mut rig);
            sum.attempts += 1;
            sum.injected += u64::from(fired > 0);
            let context = format!("loading, {}, {n}", fault.name());
            if let Err((code, text)) = outcome {
                sum.errors += 1;
                *sum.codes.entry(code).or_default() += 1;
                let is_clean = |text: String| !text.is_empty() && !text.contains("internal error");
                assert!(text.clone().is_none_or(is_clean), "{context}: {text:?}");
                // SQLite gives its own code for an extension that does not load, and its own for missing memory.
                let is_expected = code == ffi::SQLITE_ERROR || fault.may_give(code, "");
                assert!(is_expected, "{context}: {code} {text:?}");
            }
            load(&rig.connection).unwrap_or_else(|error| panic!("{context}: again: {error}"));
            let connection = &rig.connection;
            assert_eq!(
                one::<String>(connection, "PRAGMA integrity_check"),
                "ok",
                "{context}"
            );
            exec(
                connection,
                "CREATE TABLE t (k INTEGER PRIMARY KEY, a); SELECT crsql_as_crr('t'); INSERT INTO t VALUES (1, 2)",
            );
            assert_eq!(
                one::<i64>(connection, "SELECT count(*) FROM crsql_changes"),
                1,
                "{context}"
            );
            assert_eq!(
                one::<String>(connection, "SELECT crsql_check()"),
                "ok",
                "{context}"
            );
            rig.connection
                .close()
                .unwrap_or_else(|(_, error)| panic!("{context}: {error}"));
        }
        assert!(
            sum.injected > (budget(40) / 2).min(20) && sum.errors * 2 > sum.injected,
            "{}: {sum}",
            fault.name()
        );
        report(&format!("{}, loading", fault.name()), &[("load", sum)]);
    }
}
