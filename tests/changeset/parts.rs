//! Streams of changesets, and transactions that are too large for one.

use super::{Streamed, apply, changeset, number, replica, rows, run, stream};
use crate::sealed;
use rusqlite::Connection;

/// A replica with one transaction of many rows between two small ones.
fn large_transaction() -> Connection {
    let a = replica();
    run(
        &a,
        "INSERT INTO t VALUES (1, 'first', 1);
             WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO t SELECT i, hex(randomblob(20)), i FROM n;
             INSERT INTO t VALUES (5000, 'last', 1);",
    );
    a
}

fn apply_all(replica: &Connection, blobs: &[Streamed]) -> i64 {
    blobs
        .iter()
        .map(|blob| apply(replica, &blob.data).expect("applied"))
        .sum()
}

#[test]
fn no_changeset_is_larger_than_asked_for() {
    let a = large_transaction();
    for max_bytes in [500, 5000, 50_000, 10_000_000] {
        let blobs = stream(&a, (0, None), max_bytes);
        for blob in &blobs {
            assert!(
                blob.data.len() as i64 <= max_bytes,
                "{} of {max_bytes}",
                blob.data.len()
            );
        }
        let b = replica();
        assert_eq!(apply_all(&b, &blobs), 2 * 2993);
        assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
    }
}

#[test]
fn transactions_are_split_only_where_they_must() {
    let a = replica();
    for id in 0..300 {
        run(
            &a,
            &format!(
                "INSERT INTO t VALUES ({id}, hex(randomblob(20)), 1), (-1 - {id}, 'other', 1)"
            ),
        );
    }
    let blobs = stream(&a, (0, None), 2000);
    assert!(blobs.len() > 5, "{} changesets", blobs.len());
    for pair in blobs.windows(2) {
        assert!(
            pair[0].complete && pair[0].last_version < pair[1].first_version,
            "{pair:?}"
        );
    }
}

#[test]
fn half_a_transaction_is_never_seen() {
    let a = large_transaction();
    let blobs = stream(&a, (0, None), 5000);
    let b = replica();
    let mut counts = Vec::new();
    for blob in &blobs {
        apply(&b, &blob.data).expect("applied");
        counts.push(number(&b, "SELECT count(*) FROM t"));
    }
    counts.dedup();
    assert_eq!(counts, [1, 2992, 2993]);
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
}

#[test]
fn parts_can_come_in_any_order_and_twice() {
    let a = large_transaction();
    let mut blobs = stream(&a, (0, None), 20_000);
    blobs.reverse();
    let b = replica();
    apply_all(&b, &blobs[..blobs.len() / 2]);
    apply_all(&b, &blobs[..blobs.len() / 2]);
    apply_all(&b, &blobs[blobs.len() / 2..]);
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
    assert_eq!(apply_all(&b, &blobs), 0);
}

#[test]
fn a_receiver_goes_on_where_it_stopped() {
    let a = large_transaction();
    for stopped in 0..10 {
        let b = replica();
        let mut cursor = (0, None);
        for blob in stream(&a, cursor, 20_000).iter().take(stopped) {
            apply(&b, &blob.data).expect("applied");
            cursor = (blob.last_version, Some(blob.last_seq));
        }
        // With changesets of another size.
        apply_all(&b, &stream(&a, cursor, 7_000));
        assert_eq!(
            rows(&b, "SELECT * FROM t"),
            rows(&a, "SELECT * FROM t"),
            "after {stopped}"
        );
    }
}

/// The rest of a transaction is gone when later writes replaced all of it: what is there is then whole.
#[test]
fn parts_are_applied_when_the_rest_was_overwritten() {
    let a = large_transaction();
    let b = replica();
    let blobs = stream(&a, (0, None), 20_000);
    let part = blobs.iter().find(|blob| !blob.complete).expect("a part");
    apply(&b, &blobs[0].data).expect("applied");
    apply(&b, &part.data).expect("applied");
    assert_eq!(number(&b, "SELECT count(*) FROM t"), 1);
    run(&a, "DELETE FROM t WHERE id > 11");
    apply_all(
        &b,
        &stream(&a, (part.last_version, Some(part.last_seq)), 20_000),
    );
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
}

/// A part was kept unread. One with a defect behind its header, but with the right checksum, stood in the way of its
/// transaction, and of all that its maker sent later.
#[test]
fn a_part_that_can_not_be_read_is_not_kept() {
    let a = large_transaction();
    let blobs = stream(&a, (0, None), 5000);
    let part = blobs.iter().find(|blob| !blob.complete).expect("a part");
    let cut = sealed::changeset(&part.data[..part.data.len() - 1]);
    for within in ["", ", 3600000"] {
        let b = replica();
        let sql = format!("SELECT crsql_apply(?1{within})");
        let error = b
            .query_row(&sql, [&cut], |row| row.get::<_, i64>(0))
            .expect_err("it is cut short")
            .to_string();
        assert!(error.contains("the changeset can't be used"), "{error}");
        assert!(error.contains("ends too early"), "{error}");
        assert_eq!(
            number(&b, "SELECT count(*) FROM crsql_status WHERE parts"),
            0
        );
        assert_eq!(apply_all(&b, &blobs), 2 * 2993);
        assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
    }
}

/// Parts whose rest never comes are let go of once a changeset brings their transaction whole; not before.
#[test]
fn parts_go_when_their_transaction_came_whole() {
    let a = large_transaction();
    let blobs = stream(&a, (0, None), 20_000);
    let part = blobs.iter().find(|blob| !blob.complete).expect("a part");
    for within in ["", ", 3600000"] {
        let b = replica();
        apply(&b, &part.data).expect("kept");
        apply(&b, &blobs.last().expect("the last").data).expect("applied");
        let waiting = rows(
            &b,
            "SELECT kind, hex(site_id) = hex((SELECT site FROM crsql_parts)), db_version, received_at IS NOT NULL, parts,
               parts_bytes = (SELECT length(data) FROM crsql_parts)
             FROM crsql_status WHERE parts",
        );
        assert_eq!(
            waiting,
            [
                "Text([116, 114, 97, 110, 115, 97, 99, 116, 105, 111, 110]) Integer(1) Integer(2) Integer(1) Integer(1) Integer(1)"
            ]
        );
        // A changeset of another sender, or of what follows, says nothing of that transaction.
        let c = replica();
        run(
            &c,
            "INSERT INTO t VALUES (-1, 1, 1); UPDATE t SET a = 2; UPDATE t SET a = 3",
        );
        apply(&b, &changeset(&c, 0)).expect("applied");
        apply(&b, &changeset(&a, 2)).expect("applied");
        assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 1);
        let all = changeset(&a, 1);
        let sql = format!("SELECT crsql_apply(?1{within})");
        let won: i64 = b
            .query_row(&sql, [&all], |row| row.get(0))
            .expect("applied");
        assert_eq!(won, 2 * 2991);
        assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
        assert_eq!(
            number(&b, "SELECT count(*) FROM crsql_status WHERE parts"),
            0
        );
    }
}

/// Parts of a sender that never goes on, and a part that came once more too late, may be dropped by hand: nothing of them
/// was merged, or all.
#[test]
fn parts_can_be_dropped_by_hand() {
    let a = large_transaction();
    let mut blobs = stream(&a, (1, None), 20_000);
    blobs.retain(|blob| blob.last_version == 2);
    assert!(!blobs[0].complete && blobs.len() > 2);
    let waiting = |b: &Connection| number(b, "SELECT count(*) FROM crsql_status WHERE parts");
    let drop_all = |b: &Connection| {
        run(
            b,
            "DELETE FROM crsql_parts WHERE (site, db_version) IN
               (SELECT site_id, db_version FROM crsql_status WHERE kind = 'transaction')",
        );
        assert_eq!(waiting(b), 0);
    };
    let b = replica();
    apply(&b, &blobs[0].data).expect("kept");
    assert_eq!(waiting(&b), 1);
    drop_all(&b);
    assert_eq!(number(&b, "SELECT count(*) FROM t"), 0);
    // The rest alone is not applied; with what was dropped it is.
    apply_all(&b, &blobs[1..]);
    assert_eq!(number(&b, "SELECT count(*) FROM t"), 0);
    apply(&b, &blobs[0].data).expect("applied");
    assert_eq!(waiting(&b), 0);
    let all = rows(&b, "SELECT * FROM t");
    assert_eq!(all.len(), 2991);

    apply(&b, &blobs[1].data).expect("kept");
    assert_eq!(waiting(&b), 1);
    drop_all(&b);
    assert_eq!(rows(&b, "SELECT * FROM t"), all);
}

/// The changeset that brings the transaction may leave out an author: what the parts have of that one is not lost.
#[test]
fn what_only_parts_have_is_merged_when_they_go() {
    let a = large_transaction();
    let c = replica();
    // A third one's changes become part of a transaction of `a`.
    run(&c, "INSERT INTO t VALUES (-7, 'of c', 1)");
    run(&a, "BEGIN");
    apply(&a, &changeset(&c, 0)).expect("applied");
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 6000 UNION ALL SELECT i + 1 FROM n WHERE i < 7000)
         INSERT INTO t SELECT i, hex(randomblob(20)), i FROM n; COMMIT",
    );
    let b = replica();
    let blobs = stream(&a, (3, None), 20_000);
    apply(&b, &blobs[0].data).expect("kept");
    assert!(!blobs[0].complete);
    let others: Vec<u8> = a
        .query_row(
            "SELECT crsql_changeset(0, (SELECT site_id FROM crsql_site_id WHERE ordinal = 1))",
            [],
            |row| row.get(0),
        )
        .expect("a changeset");
    apply(&b, &others).expect("applied");
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
}

#[test]
fn arguments_are_checked() {
    let a = replica();
    for (sql, expected) in [
        ("SELECT crsql_changeset()", "call crsql_changeset(since"),
        (
            "SELECT crsql_changeset('1')",
            "since must be an integer from 0",
        ),
        (
            "SELECT crsql_changeset(-1)",
            "since must be an integer from 0",
        ),
        (
            "SELECT crsql_changeset(0, 'site')",
            "exclude_site must be a site id",
        ),
        (
            "SELECT crsql_changeset(0, NULL, 99)",
            "compression must be an integer from 0 to 22",
        ),
        (
            "SELECT * FROM crsql_changesets(0, NULL, 0)",
            "max_bytes must be an integer from 1",
        ),
        (
            "SELECT * FROM crsql_changesets(0, NULL, NULL, 1.5)",
            "since_seq must be an integer",
        ),
        (
            "SELECT crsql_apply()",
            "call crsql_apply(changeset [, max_ms])",
        ),
        (
            "SELECT crsql_apply('text')",
            "call crsql_apply(changeset [, max_ms])",
        ),
        ("SELECT * FROM crsql_changeset_rows", "needs a changeset"),
        (
            "INSERT INTO crsql_changeset_rows(val) VALUES (1)",
            "is a function",
        ),
    ] {
        let outcome = a.prepare(sql).and_then(|mut statement| {
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        });
        match outcome {
            Err(error) => assert!(error.to_string().contains(expected), "{sql}: {error}"),
            Ok(()) => panic!("{sql} is accepted"),
        }
    }
    assert_eq!(rows(&a, "SELECT crsql_apply(NULL)"), ["Null"]);
    assert_eq!(
        number(&a, "SELECT count(*) FROM crsql_changeset_rows(NULL)"),
        0
    );
    assert_eq!(
        number(
            &a,
            "SELECT count(*) FROM crsql_changesets(NULL, NULL, NULL)"
        ),
        0
    );
}

/// The simulator's rule that replicas which have told each other everything are equal led to this: a replica had the first
/// parts of a transaction and wrote the rows of the others itself. The sender merged that, so that all it had left were changes
/// of the asking replica, which are left out. It got nothing, and kept the parts for ever.
#[test]
fn parts_are_applied_where_the_receiver_itself_overwrote_the_rest() {
    let (a, b) = (replica(), replica());
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6)
         INSERT INTO t SELECT i, 'of a', i FROM n",
    );
    let site = |replica: &Connection| -> Vec<u8> {
        let site = replica.query_row("SELECT crsql_site_id()", [], |row| row.get(0));
        site.expect("a site id")
    };
    let ask = |after: (i64, Option<i64>)| -> Vec<(Vec<u8>, i64, i64)> {
        a.prepare("SELECT data, last_version, last_seq FROM crsql_changesets(?1, ?2, 1, ?3)")
            .and_then(|mut stream| {
                stream
                    .query_map((after.0, site(&b), after.1), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })?
                    .collect()
            })
            .expect("a stream")
    };
    let parts = ask((0, None));
    for (data, ..) in &parts[..2] {
        assert_eq!(apply(&b, data).expect("kept"), 0);
    }
    let (_, version, seq) = parts[1];
    run(
        &b,
        "INSERT INTO t(id) VALUES (3), (4), (5), (6); UPDATE t SET a = 'of b', b = 'of b'",
    );
    apply(&a, &super::changeset(&b, 0)).expect("applied");
    let rest = ask((version, Some(seq)));
    assert_eq!(rest.len(), 1, "one that says that nothing is left");
    assert_eq!(apply(&b, &rest[0].0).expect("applied"), 4);
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
    // From there on nothing is new.
    assert_eq!(ask((rest[0].1, Some(rest[0].2))).len(), 0);
}
