//! `crsql_apply(changeset, max_ms)` where a transaction turns out to take long: its slice is done again without it.

use super::slices::apply_within;
use super::support::open_memory;
use super::{apply, changeset, number, replica, rows, run, stream};
use rusqlite::functions::FunctionFlags;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Rows of each transaction.
const ROWS: i64 = 50;

/// The rows of a transaction turn out to take long: it is not in one slice with those before it, also where it begins
/// in one chunk and goes on in the next.
#[test]
fn a_transaction_that_takes_long_is_a_slice_of_its_own() {
    let a = replica();
    for transaction in 1..=20 {
        // 9 * 100 KB and a quarter of 600 are in the first chunk of 1 MiB.
        let bytes = if transaction == 10 { 12000 } else { 2000 };
        a.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
             INSERT INTO t SELECT ?1 * 1000 + i, randomblob(?3), ?1 FROM n",
            (transaction, ROWS, bytes),
        )
        .expect("rows");
    }
    let all = changeset(&a, 0);
    let mut b = open_memory();
    b.create_scalar_function("takes", 1, FunctionFlags::SQLITE_UTF8, |context| {
        let id = context.get::<i64>(0)?;
        // Those at its end: in the second chunk.
        if id > 10_000 + ROWS / 2 && id < 11_000 {
            std::thread::sleep(Duration::from_millis(40));
        }
        Ok(true)
    })
    .expect("a function");
    run(
        &b,
        "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL CHECK (takes(id)), a, b); SELECT crsql_as_crr('t')",
    );
    let slices = Arc::new(Mutex::new(vec![Vec::new()]));
    let (written, ended) = (Arc::clone(&slices), Arc::clone(&slices));
    b.update_hook(Some(
        move |_: rusqlite::hooks::Action, _: &str, table: &str, row: i64| {
            if table == "t"
                && let Some(slice) = written.lock().expect("not poisoned").last_mut()
                && slice.last() != Some(&(row / 1000))
            {
                slice.push(row / 1000);
            }
        },
    ))
    .expect("a hook");
    let next_slice = move || ended.lock().expect("not poisoned").push(Vec::new());
    let rolled_back = next_slice.clone();
    b.commit_hook(Some(move || {
        next_slice();
        false
    }))
    .expect("a hook");
    b.rollback_hook(Some(rolled_back)).expect("a hook");
    assert_eq!(apply_within(&b, &all, 1000), Ok(20 * ROWS * 2));
    let slices = slices.lock().expect("not poisoned").clone();
    let with_it: Vec<_> = slices.iter().filter(|slice| slice.contains(&10)).collect();
    // The last of them is the one that was committed.
    assert_eq!(
        with_it.last().and_then(|slice| slice.first()),
        Some(&10),
        "{slices:?}"
    );
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
    assert_eq!(
        rows(&b, "SELECT crsql_digest()"),
        rows(&a, "SELECT crsql_digest()")
    );
}

/// What the first slice begins with is undone with it, and done again.
#[test]
fn parts_that_precede_a_slice_that_is_given_up_are_applied() {
    let a = replica();
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO t SELECT i, hex(randomblob(20)), 0 FROM n",
    );
    let part = stream(&a, (0, None), 2000).swap_remove(0);
    assert!(!part.complete);
    // Nothing is left of the rest.
    run(&a, "UPDATE t SET a = 'new', b = 1 WHERE id > 2");
    for id in 1000..1003 {
        run(&a, &format!("INSERT INTO t VALUES ({id}, 'x', 2)"));
    }
    run(
        &a,
        "INSERT INTO t VALUES (2000, 'slow', 3), (2001, 'slow', 3), (2002, 'slow', 3), (2003, 'slow', 3)",
    );
    let rest = stream(&a, (part.last_version, Some(part.last_seq)), 10_000_000).swap_remove(0);
    let b = open_memory();
    b.create_scalar_function("takes", 1, FunctionFlags::SQLITE_UTF8, |context| {
        if context.get::<i64>(0)? >= 2000 {
            std::thread::sleep(Duration::from_millis(300));
        }
        Ok(true)
    })
    .expect("a function");
    run(
        &b,
        "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL CHECK (takes(id)), a, b); SELECT crsql_as_crr('t')",
    );
    apply(&b, &part.data).expect("kept");
    let won = apply_within(&b, &rest.data, 1000).expect("applied");
    let c = replica();
    apply(&c, &part.data).expect("kept");
    assert_eq!(apply(&c, &rest.data), Ok(won));
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
}
