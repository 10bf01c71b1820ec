//! What a row inserted into `crsql_changes` may not be, column by column.

use crate::checks::{exec, one};
use crate::{fails, insert, prepared};

#[test]
fn names() {
    let connection = prepared();
    exec(
        &connection,
        "SELECT crsql_config_set('unknown-changes', 'reject')",
    );
    for value in ["NULL", "5", "1.5", "x'74'"] {
        fails(
            &connection,
            &insert(&[("table", value)]),
            "crsql: table of a change must be a text",
        );
        fails(
            &connection,
            &insert(&[("cid", value)]),
            "crsql: cid of a change must be a text",
        );
    }
    exec(&connection, "CREATE TABLE plain(k INTEGER PRIMARY KEY, a)");
    for (value, shown, literal) in [
        ("'nope'", "nope", "nope"),
        ("''", "", ""),
        ("'plain'", "plain", "plain"),
        ("'it''s %s'", "it's %s", "it''s %s"),
        ("'crsql_log'", "crsql_log", "crsql_log"),
    ] {
        let text = format!(
            "crsql: there is no replicated table \"{shown}\" here; make it and call SELECT crsql_as_crr('{literal}') before \
             merging its changes"
        );
        fails(&connection, &insert(&[("table", value)]), &text);
    }
    for (value, shown) in [
        ("'nope'", "nope"),
        ("''", ""),
        ("'-2'", "-2"),
        ("'%n\"'", "%n\"\""),
    ] {
        let text = format!(
            "crsql: table \"t\" has no replicated column \"{shown}\" here; add it before merging its changes"
        );
        fails(&connection, &insert(&[("cid", value)]), &text);
        // A change that would be ignored is checked as well.
        fails(
            &connection,
            &insert(&[("cid", value), ("col_version", "0"), ("cl", "1")]),
            &text,
        );
    }
    for (value, what) in [("'k'", "part of the key"), ("'G'", "generated")] {
        let text = format!(
            "crsql: the column \"{}\" of table \"t\" is {what}, which no change can be about",
            value.trim_matches('\'')
        );
        fails(&connection, &insert(&[("cid", value)]), &text);
    }
}

#[test]
fn counters() {
    let connection = prepared();
    for column in ["col_version", "db_version", "cl", "seq"] {
        let least = i64::from(column == "cl");
        let text = format!(
            "crsql: {column} of a change must be a whole number from {least} to 9007199254740992 (2^53)"
        );
        for value in [
            "-1",
            "9007199254740993",
            "9223372036854775807",
            "-9223372036854775808",
            "1.5",
            "9e999",
            "'x'",
            "''",
            "'1.5'",
            "x'01'",
        ] {
            fails(&connection, &insert(&[(column, value)]), &text);
        }
    }
    for value in ["0", "NULL"] {
        fails(
            &connection,
            &insert(&[("cl", value)]),
            "crsql: cl of a change must be a whole number from 1 to 9007199254740992 (2^53)",
        );
    }
    // Numbers in other clothes are numbers, and what is missing beside cl counts as 0.
    exec(
        &connection,
        &insert(&[
            ("col_version", "'2'"),
            ("db_version", "2.0"),
            ("seq", "'3'"),
            ("cl", "1.0"),
        ]),
    );
    exec(
        &connection,
        "INSERT INTO crsql_changes(\"table\", pk, cid, val, cl) VALUES ('t', x'010905', 'a', 'bare', 1)",
    );
    assert_eq!(
        one::<i64>(
            &connection,
            "SELECT col_version FROM crsql_changes WHERE val = 'bare'"
        ),
        0
    );
}

#[test]
fn sites() {
    let connection = prepared();
    let kind = "crsql: site_id of a change must be a BLOB of 1 to 16 bytes";
    fails(&connection, &insert(&[("site_id", "1.5")]), kind);
    fails(&connection, &insert(&[("site_id", "5")]), kind);
    for (value, bytes) in [
        ("zeroblob(17)", 17),
        ("zeroblob(100000)", 100_000),
        ("'12345678901234567'", 17),
    ] {
        let text =
            format!("crsql: site_id of a change has {bytes} bytes, and at most 16 are possible");
        fails(&connection, &insert(&[("site_id", value)]), &text);
    }
    for (row, value, seen) in [
        (2, "x'01'", "01"),
        (3, "'hello'", "68656C6C6F"),
        (4, "zeroblob(16)", "00000000000000000000000000000000"),
    ] {
        let pk = format!("crsql_pack_columns({row})");
        exec(&connection, &insert(&[("pk", &pk), ("site_id", value)]));
        let site = format!("SELECT hex(site_id) FROM crsql_changes WHERE pk = {pk}");
        assert_eq!(one::<String>(&connection, &site), seen);
    }
    for (row, value) in [(5, "NULL"), (6, "x''"), (7, "''"), (8, "crsql_site_id()")] {
        let pk = format!("crsql_pack_columns({row})");
        exec(&connection, &insert(&[("pk", &pk), ("site_id", value)]));
        let own = format!("SELECT site_id = crsql_site_id() FROM crsql_changes WHERE pk = {pk}");
        assert_eq!(one::<i64>(&connection, &own), 1, "{value} is this database");
    }
}

/// What is no packed key of one INTEGER, and why.
const BAD_KEYS: [(&str, &str); 19] = [
    ("x''", "it is no packed key, it is empty"),
    (
        "x'01'",
        "it is no packed key, it ends in the middle of a value",
    ),
    (
        "x'0109'",
        "it is no packed key, it ends in the middle of a value",
    ),
    (
        "x'010b0561'",
        "it is no packed key, it ends in the middle of a value",
    ),
    (
        "x'0102400000'",
        "it is no packed key, it ends in the middle of a value",
    ),
    (
        "x'0143ffffffffffffffff'",
        "it is no packed key, it ends in the middle of a value",
    ),
    (
        "x'0107'",
        "it is no packed key, it has the unknown type tag 7",
    ),
    (
        "x'0100'",
        "it is no packed key, it has the unknown type tag 0",
    ),
    (
        "x'014900000000000000000001'",
        "it is no packed key, it has a number wider than eight bytes",
    ),
    (
        "x'014b000000000000000001'",
        "it is no packed key, it has a number wider than eight bytes",
    ),
    (
        "x'010b01ff'",
        "it is no packed key, it has text that is not valid UTF-8",
    ),
    (
        "x'01090100'",
        "it is no packed key, it goes on after its last value",
    ),
    (
        "x'01027ff8000000000000'",
        "it is no packed key, it has a real that is not a number",
    ),
    ("x'00'", "it has 0 values for 1 key columns"),
    ("x'0209010902'", "it has 2 values for 1 key columns"),
    ("x'0105'", "\"k\" can't be NULL"),
    ("x'010b0161'", "\"k\" must be an INTEGER"),
    ("x'010c0161'", "\"k\" must be an INTEGER"),
    ("x'01023ff8000000000000'", "\"k\" must be an INTEGER"),
];

#[test]
fn keys() {
    let connection = prepared();
    let refused = |table: &str, value: &str, reason: &str| {
        let cid = if table == "strict" { "'i'" } else { "'a'" };
        let sql = insert(&[
            ("table", &format!("'{table}'")),
            ("pk", value),
            ("cid", cid),
        ]);
        fails(
            &connection,
            &sql,
            &format!("crsql: pk of a change to table \"{table}\" does not fit: {reason}"),
        );
    };
    for value in ["NULL", "1", "1.5", "'text'", "''"] {
        refused("t", value, "it is not a BLOB made by crsql_pack_columns");
    }
    for (value, reason) in BAD_KEYS {
        refused("t", value, reason);
    }
    refused("pair", "x'010901'", "it has 1 values for 2 key columns");
    refused(
        "pair",
        "x'0309010901'",
        "it is no packed key, it ends in the middle of a value",
    );
    refused("pair", "x'02090105'", "\"org\" can't be NULL");
    refused("strict", "x'0105'", "\"k\" can't be NULL");
    // A number that takes more bytes than it needs is the same number.
    exec(
        &connection,
        &insert(&[("pk", "x'01110001'"), ("val", "'wide'")]),
    );
    assert_eq!(one::<String>(&connection, "SELECT a FROM t"), "wide");
}
