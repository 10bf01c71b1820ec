//! Locks of other connections, at every point of the work.

use rusqlite::ErrorCode;

use super::disk::{Failure, Op};
use super::io::Calls;
use super::run::{MODES, Mode, Reference, Rig, references, roll_back, survey};

/// Any lock that is asked for: of the file, or of the shared memory of the WAL.
const LOCKS: &[Op] = &[Op::Lock];

#[test]
fn a_lock_that_is_taken() {
    let calls = |is_lasting| Calls {
        ops: LOCKS,
        failure: Failure::Busy,
        is_lasting,
    };
    // In WAL mode SQLite tries again, or does without.
    survey(&[&calls(false)], &MODES[..1], 2, 0);
    survey(&[&calls(true)], &MODES[..1], 2, 0);
    // With a journal the lock that is needed to write a page out early is one that can wait.
    survey(&[&calls(false), &calls(true)], &MODES[1..2], 4, 70);
}

/// Runs each step while another connection holds its transaction, then again without it.
fn with_another_connection(reference: &Reference, mode: Mode, holds: &str) -> u64 {
    let context = format!("{}, {holds}, {}", reference.scenario.name, mode.journal);
    let rig = Rig::open(reference.files(mode), mode);
    let other = rig.mounted.open("db").expect("a second connection");
    let mut errors = 0;
    for (number, step) in reference.scenario.steps.iter().enumerate() {
        other.execute_batch(holds).expect("the other transaction");
        let outcome = step.run(&rig.connection);
        if let Err(error) = &outcome {
            errors += 1;
            assert_eq!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy),
                "{context}: {error}"
            );
        }
        let is_open = !rig.connection.is_autocommit();
        if is_open && step.has_begin && is_at_commit(&rig.connection) {
            other
                .execute_batch("COMMIT")
                .expect("the end of the other transaction");
            rig.connection
                .execute_batch("COMMIT")
                .unwrap_or_else(|error| panic!("{context}: the commit again: {error}"));
        } else {
            roll_back(&rig.connection, &context);
            other
                .execute_batch("COMMIT")
                .expect("the end of the other transaction");
            let place = reference.place(
                &rig.connection,
                number..=number + usize::from(outcome.is_ok()),
                &context,
            );
            if place == number {
                step.run(&rig.connection)
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
            }
        }
        reference.place(&rig.connection, number + 1..=number + 1, &context);
    }
    reference.go_on(&rig.connection, reference.scenario.steps.len(), &context);
    errors
}

/// Whether the writes of the open transaction are done: a reader in the way only stops its commit.
fn is_at_commit(connection: &rusqlite::Connection) -> bool {
    connection
        .transaction_state(Some("main"))
        .is_ok_and(|state| state == rusqlite::TransactionState::Write)
}

#[test]
fn another_connection_that_writes() {
    for mode in &MODES[..2] {
        for reference in references() {
            let errors = with_another_connection(reference, *mode, "BEGIN IMMEDIATE");
            // What only reads may do without a lock.
            assert!(
                errors * 2 >= reference.scenario.steps.len() as u64,
                "{}",
                reference.scenario.name
            );
        }
    }
}

#[test]
fn another_connection_that_reads() {
    for reference in references() {
        let reads = "BEGIN; SELECT count(*) FROM sqlite_schema";
        // With a journal the reader is in the way of commits, with a WAL of nothing.
        let errors = with_another_connection(reference, MODES[1], reads);
        assert!(errors > 0, "{}", reference.scenario.name);
        assert_eq!(
            with_another_connection(reference, MODES[0], reads),
            0,
            "{}",
            reference.scenario.name
        );
    }
}
