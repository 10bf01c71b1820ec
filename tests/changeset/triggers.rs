//! Large changesets are applied with triggers switched off. Whatever happens meanwhile, they are on again afterwards,
//! and no trigger that could have fired is passed over.

use super::slices::apply_within;
use super::{apply, changeset, number, replica, run, support};
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Error, InterruptHandle, Result};
use std::sync::{Arc, OnceLock};

/// Large enough for the switch.
const ROWS: i64 = 3000;

fn origin() -> Vec<u8> {
    let a = replica();
    run(
        &a,
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO t SELECT i, i, i FROM n"
        ),
    );
    changeset(&a, 0)
}

/// A replica whose `t.b` is checked by a function of the application, which runs `work` on the same connection.
fn checked(work: impl Fn(&Connection, i64) -> Result<bool> + Send + 'static) -> Connection {
    let b = support::open_memory();
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    b.create_scalar_function("checked", 1, flags, move |context| {
        // SAFETY: the connection is used while the function runs, and no longer.
        let connection = unsafe { context.get_connection()? };
        work(&connection, context.get(0)?)
    })
    .expect("a function");
    run(
        &b,
        "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b DEFAULT 0 CHECK (checked(b)));
         SELECT crsql_as_crr('t'); CREATE TABLE seen(n)",
    );
    b
}

fn is_on(connection: &Connection) -> bool {
    connection
        .db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER)
        .expect("a setting")
}

/// The triggers are on, and writes of the application are recorded.
fn check_on(b: &Connection) {
    assert!(is_on(b));
    let own = "SELECT count(*) FROM crsql_changes WHERE site_id = crsql_site_id()";
    let before = number(b, own);
    run(b, "INSERT INTO t(id, a) VALUES (-1, 1)");
    assert_eq!(number(b, own), before + 2);
    run(b, "DELETE FROM t WHERE id = -1");
}

type Way = fn(&Connection, &[u8]) -> Result<i64>;

/// Both ways to apply.
const WAYS: [Way; 2] = [apply, |connection, data| {
    apply_within(connection, data, 1000)
}];

/// The switch is used at all: else nothing here tests anything.
#[test]
fn triggers_are_off_while_a_large_changeset_is_applied() {
    for way in WAYS {
        let b = checked(|connection, b| Ok(b == 0 || !is_on(connection)));
        assert_eq!(way(&b, &origin()), Ok(2 * ROWS));
        check_on(&b);
    }
}

#[test]
fn a_failing_function_leaves_triggers_on() {
    for way in WAYS {
        let b = checked(|_, b| match b {
            2000 => Err(Error::InvalidQuery),
            _ => Ok(true),
        });
        way(&b, &origin()).unwrap_err();
        check_on(&b);
        let b = checked(|_, b| match b {
            2000 => panic!("a function panics, on purpose"),
            _ => Ok(true),
        });
        way(&b, &origin()).unwrap_err();
        check_on(&b);
        assert_eq!(number(&b, "SELECT count(*) FROM t"), 0);
    }
}

#[test]
fn a_nested_apply_is_refused_and_leaves_triggers_on() {
    for way in WAYS {
        let nested = origin();
        let b = checked(move |connection, b| {
            if b != 2000 {
                return Ok(true);
            }
            for way in WAYS {
                let error = way(connection, &nested).unwrap_err().to_string();
                let expected = [
                    "in a SELECT of its own",
                    "must run outside of a transaction",
                ];
                assert!(expected.iter().any(|text| error.contains(text)), "{error}");
                assert!(!is_on(connection), "still off");
            }
            Ok(true)
        });
        assert_eq!(way(&b, &origin()), Ok(2 * ROWS));
        check_on(&b);
    }
}

#[test]
fn an_interrupt_by_a_function_leaves_triggers_on() {
    for way in WAYS {
        let handle = Arc::new(OnceLock::<InterruptHandle>::new());
        let interrupts = Arc::clone(&handle);
        let b = checked(move |_, b| {
            if b == 2000 {
                interrupts.get().expect("a handle").interrupt();
            }
            Ok(true)
        });
        assert!(handle.set(b.get_interrupt_handle()).is_ok());
        way(&b, &origin()).unwrap_err();
        assert!(b.is_autocommit());
        check_on(&b);
    }
}

/// What a function of the application writes fires the triggers of what it writes to.
#[test]
fn triggers_of_other_tables_fire() {
    let count = |connection: &Connection, b: i64| {
        if b > 0 {
            connection.execute("INSERT INTO other.written VALUES (?1)", [b])?;
        }
        Ok(true)
    };
    for way in WAYS {
        let b = checked(count);
        run(
            &b,
            "ATTACH ':memory:' AS other; CREATE TABLE other.written(n); CREATE TABLE other.fired(n);
             CREATE TRIGGER other.fired AFTER INSERT ON written BEGIN INSERT INTO fired VALUES (NEW.n); END",
        );
        assert_eq!(way(&b, &origin()), Ok(2 * ROWS));
        assert_eq!(number(&b, "SELECT count(*) FROM other.fired"), ROWS);
        check_on(&b);
    }
    let count = |connection: &Connection, b: i64| {
        if b > 0 {
            connection.execute("INSERT INTO seen VALUES (?1)", [b])?;
        }
        Ok(true)
    };
    for schema in ["main", "temp"] {
        for way in WAYS {
            let b = checked(count);
            run(
                &b,
                &format!(
                    "CREATE TABLE {schema}.fired(n); CREATE TRIGGER {schema}.fired AFTER INSERT ON seen
                     BEGIN INSERT INTO fired VALUES (NEW.n); END"
                ),
            );
            assert_eq!(way(&b, &origin()), Ok(2 * ROWS));
            assert_eq!(number(&b, "SELECT count(*) FROM fired"), ROWS, "{schema}");
            check_on(&b);
        }
    }
}

#[test]
fn triggers_that_the_application_switched_off_stay_off() {
    for way in WAYS {
        let b = checked(|_, _| Ok(true));
        b.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
            .expect("a setting");
        // Then writes can't be recorded, but merges can.
        assert_eq!(way(&b, &origin()), Ok(2 * ROWS));
        assert!(!is_on(&b));
    }
}
