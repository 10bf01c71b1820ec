//! Faults that once did harm, each with its story.

use super::allocator;
use super::authorizer::Denial;
use super::disk::{CHANGES, Failure, Op};
use super::interrupt::Interrupt;
use super::io::Calls;
use super::memory::Memory;
use super::reads::{QUERIES, answer, answer_of};
use super::run::{Fault, MODES, Rig, attempt, chosen, go_on_regardless, references};
use super::state::check_whole;
use crate::checks::{exec, one, rows};
use rusqlite::Connection;
use rusqlite::types::Value;

const READS: Calls = Calls {
    ops: &[Op::Read],
    failure: Failure::Io,
    is_lasting: false,
};

fn rig() -> Rig {
    let reference = &references()[0];
    Rig::open(reference.files(MODES[1]), MODES[1])
}

/// Runs a statement with each occasion going wrong in turn until it succeeds: how often it failed. `prepare` and
/// `look` get the connection before and after.
fn each(
    fault: &dyn Fault,
    step: usize,
    prepare: &dyn Fn(&Connection),
    sql: &str,
    look: &dyn Fn(&Connection, bool),
) -> usize {
    let mut errors = 0;
    for n in (1..).step_by(step) {
        let mut rig = rig();
        prepare(&rig.connection);
        fault.arm(&mut rig, n);
        let outcome = rig.connection.execute_batch(sql);
        let (_, fired) = fault.disarm(&mut rig);
        look(&rig.connection, outcome.is_ok());
        rig.connection.close().expect("close");
        if fired == 0 {
            assert!(outcome.is_ok());
            return errors;
        }
        errors += usize::from(outcome.is_err());
    }
    errors
}

/// A table was read while its cache was borrowed. An I/O error there made SQLite roll back the whole transaction, of
/// which the cache was told: that was a panic. So it kept the columns of a schema that was taken back, and the next
/// schema had the same version.
#[test]
fn a_schema_that_a_failed_read_takes_back_is_forgotten() {
    let prepare = |connection: &Connection| {
        exec(
            connection,
            "BEGIN; ALTER TABLE t ADD COLUMN taken_back DEFAULT 7; INSERT INTO t(k, taken_back) VALUES (50, 1)",
        );
    };
    let mut taken_back = std::cell::Cell::new(0);
    let look = |connection: &Connection, _is_ok: bool| {
        if !connection.is_autocommit() {
            exec(connection, "ROLLBACK");
        } else {
            taken_back.set(taken_back.get() + 1);
        }
        exec(
            connection,
            "ALTER TABLE t ADD COLUMN other DEFAULT 8; INSERT INTO t(k, other) VALUES (51, 2)",
        );
        let found = rows(
            connection,
            "SELECT cid, val FROM crsql_changes WHERE pk = x'010933' ORDER BY cid",
        );
        let expected: Vec<Vec<Value>> = [
            ("a", Value::Null),
            ("b", Value::Text("d".to_owned())),
            ("other", Value::Integer(2)),
        ]
        .map(|(cid, value)| vec![Value::Text(cid.to_owned()), value])
        .to_vec();
        assert_eq!(found, expected);
        check_whole(connection, "after a schema that was taken back");
    };
    each(
        &READS,
        1,
        &prepare,
        "UPDATE w SET b = 1; UPDATE pair SET v = 1",
        &look,
    );
    assert!(*taken_back.get_mut() > 5, "{taken_back:?}");
}

/// An I/O error undid the transaction of an upgrade, and with it the tables that it had made. That they were gone was
/// taken for an empty database, and a site that could not be read for one without an id.
#[test]
fn an_upgrade_says_that_it_could_not_read() {
    for reference in references()
        .iter()
        .filter(|reference| reference.scenario.name.starts_with("upgrade"))
    {
        let mut errors = 0;
        let occasions = attempt(reference, MODES[1], &READS, None).occasions;
        for n in chosen(occasions, 24) {
            errors += attempt(reference, MODES[1], &READS, Some(n)).errors;
        }
        assert!(errors > 20, "{errors}");
    }
}

/// `crsql_commit_alter` closes the savepoint of its session. Where that is the commit, an error of it was ignored:
/// all of the session was undone, and the answer was that it had succeeded.
#[test]
fn a_session_whose_commit_fails_has_failed() {
    let session =
        "SELECT crsql_begin_alter('t'); ALTER TABLE t ADD COLUMN c DEFAULT 1; UPDATE t SET c = 2;";
    let is_altered = |connection: &Connection| -> bool {
        one(
            connection,
            "SELECT count(*) > 0 FROM pragma_table_info('t') WHERE name = 'c'",
        )
    };
    let fault = Calls {
        ops: CHANGES,
        failure: Failure::Io,
        is_lasting: false,
    };
    let look = |connection: &Connection, is_ok: bool| {
        if !connection.is_autocommit() {
            exec(connection, "ROLLBACK");
        }
        assert_eq!(is_altered(connection), is_ok);
        check_whole(connection, "after a session");
    };
    let prepare = |connection: &Connection| exec(connection, session);
    let errors = each(&fault, 1, &prepare, "SELECT crsql_commit_alter('t')", &look);
    assert!(errors > 10, "{errors}");
}

/// What a column holds in older rows is computed in a database of its own. Without memory for that it was taken to be
/// NULL, and rows that held the default seemed to have been written.
#[test]
fn a_default_that_memory_is_missing_for_is_not_null() {
    let prepare = |connection: &Connection| {
        exec(
            connection,
            "ALTER TABLE t ADD COLUMN late DEFAULT 'some day'",
        );
    };
    let work = "UPDATE t SET a = 'new' WHERE k = 1";
    let late = "SELECT late_default FROM crsql_columns WHERE name = 'late'";
    let look = |connection: &Connection, is_ok: bool| {
        if !is_ok {
            exec(connection, work);
        }
        assert_eq!(one::<String>(connection, late), "some day");
    };
    let errors = each(&Memory { is_lasting: false }, 11, &prepare, work, &look);
    assert!(errors > 40, "{errors}");
}

/// The plan of a scan is a text on SQLite's heap. Without memory for it the scan had no plan, and found other rows.
#[test]
fn a_plan_without_memory_is_none() {
    let rig = rig();
    let connection = &rig.connection;
    for sql in QUERIES {
        let expected = answer(connection, sql).expect("an answer");
        let (mut n, mut errors) = (0, 0);
        loop {
            n += 1;
            allocator::arm(n, false);
            let prepared = connection.prepare(sql);
            let (_, fired) = allocator::disarm();
            match prepared {
                Ok(mut statement) => {
                    let found = answer_of(&mut statement)
                        .unwrap_or_else(|error| panic!("{sql}, {n}: {error}"));
                    assert_eq!(found, expected, "{sql}, {n}");
                }
                Err(_) => errors += 1,
            }
            if fired == 0 {
                break;
            }
        }
        assert!(errors > 10, "{sql}: {errors}");
    }
}

/// An application may go on after any statement of a transaction with savepoints that fails.
#[test]
fn savepoints_without_memory() {
    let reference = references()
        .iter()
        .find(|reference| reference.scenario.name == "savepoints")
        .expect("the scenario");
    let fault = Memory { is_lasting: false };
    let occasions = attempt(reference, MODES[1], &fault, None).occasions;
    let errors: u64 = chosen(occasions, 40)
        .into_iter()
        .map(|n| go_on_regardless(reference, MODES[1], &fault, n).errors)
        .sum();
    assert!(errors > 30, "{errors}");
}

/// The statements that go back to a savepoint are compiled before the work. An index makes SQLite compile them anew, and an
/// authorizer that goes on denying stops that: the application could commit half of a call that had failed.
#[test]
fn half_of_a_failed_call_is_not_committed() {
    let prepare = |connection: &Connection| {
        exec(
            connection,
            "BEGIN; INSERT INTO t(k, b) VALUES (60, 'of the application')",
        );
    };
    let refused = std::cell::Cell::new(0);
    let look = |connection: &Connection, is_ok: bool| {
        let is_open = !connection.is_autocommit();
        assert!(is_open || !is_ok);
        let outcome = connection.execute_batch("COMMIT");
        if is_open && let Err(error) = &outcome {
            assert!(error.to_string().contains("ROLLBACK"), "{error}");
            refused.set(refused.get() + 1);
        }
        assert!(connection.is_autocommit(), "{outcome:?}");
        let count = |of: &str| one::<i64>(connection, &format!("SELECT count(*) FROM {of}"));
        assert_eq!(count("t WHERE k = 60") == 1, outcome.is_ok());
        let indexes = count("sqlite_schema WHERE name GLOB 'crsql_log_*'");
        let settings = count("crsql_master WHERE key = 'config.merge-equal-values'");
        // An interrupt may be told of when all is done.
        let is_done = (indexes, settings) == (2, 1);
        assert!(is_done || !is_ok, "{indexes}, {settings}");
        assert!(
            is_done || (indexes, settings) == (0, 0),
            "{indexes}, {settings}"
        );
        check_whole(connection, "after half of a call");
    };
    let work = "SELECT crsql_config_set('merge-equal-values', 1)";
    let lasting: [(&dyn Fault, usize); 3] = [
        (&Denial::new(true), 1),
        (&Interrupt::new(true), 3),
        (&Memory { is_lasting: true }, 13),
    ];
    for (fault, step) in lasting {
        let errors = each(fault, step, &prepare, work, &look);
        assert!(errors > 10, "{}: {errors}", fault.name());
    }
    assert!(refused.get() > 0);
}
