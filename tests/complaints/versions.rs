//! Versions as several connections to one file see them.

use crate::checks::{create_crr, exec, one};
use crate::support::{open, scratch_dir};

const TABLE: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b DEFAULT 'd')";

/// Asked for outside of a transaction, a version and a seq belong to none: what was remembered of them once
/// hid what another connection committed.
#[test]
fn complaint_08_versions_asked_for_outside_a_transaction_hide_nothing() {
    let directory = scratch_dir();
    let path = directory.join("asked.db");
    let (first, second) = (open(&path), open(&path));
    create_crr(&first, "t", TABLE);
    for question in [
        "SELECT crsql_next_db_version(150)",
        "SELECT crsql_increment_and_get_seq()",
        "SELECT crsql_next_db_version()",
        "SELECT crsql_get_seq()",
    ] {
        one::<i64>(&first, question);
        let before: i64 = one(&second, "SELECT crsql_db_version()");
        exec(&second, "INSERT INTO t(a) VALUES (1)");
        assert_eq!(
            one::<i64>(&first, "SELECT crsql_db_version()"),
            before + 1,
            "after {question}"
        );
    }
}
