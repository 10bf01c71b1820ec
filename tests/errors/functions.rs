//! What the functions answer to arguments that they cannot take.

use crate::checks::{exec, one, refusal, rows};
use crate::support::open_memory;
use crate::{fails, prepared};

const CALL_AS_CRR: &str = "call crsql_as_crr('table') or crsql_as_crr('main', 'table')";

#[test]
fn upgrades() {
    let connection = prepared();
    for call in ["crsql_as_crr()", "crsql_as_crr('main', 't', 'x')"] {
        fails(
            &connection,
            &format!("SELECT {call}"),
            &format!("crsql: {CALL_AS_CRR}"),
        );
    }
    for call in [
        "crsql_as_crr(NULL)",
        "crsql_as_crr(5)",
        "crsql_as_crr(x'74')",
        "crsql_as_crr('main', NULL)",
        "crsql_as_crr(NULL, 't')",
    ] {
        fails(
            &connection,
            &format!("SELECT {call}"),
            &format!("crsql: the name of a table must be a text; {CALL_AS_CRR}"),
        );
    }
    for schema in ["temp", "nowhere", ""] {
        fails(
            &connection,
            &format!("SELECT crsql_as_crr('{schema}', 't')"),
            &format!(
                "crsql: only tables of the main database can be replicated, and \"{schema}\" is another schema; {CALL_AS_CRR}"
            ),
        );
    }
}

#[test]
fn upgrades_of_what_is_no_table() {
    let connection = prepared();
    exec(
        &connection,
        "CREATE VIEW a_view AS SELECT 1 AS k; CREATE TEMP TABLE here(k INTEGER PRIMARY KEY, a)",
    );
    for (name, text) in [
        ("missing", "there is no table \"missing\"; create it first"),
        ("", "there is no table \"\"; create it first"),
        (
            "a_view",
            "\"a_view\" is a view, and only ordinary tables can be replicated",
        ),
        (
            "crsql_changes",
            "table \"crsql_changes\" can't be replicated: names like this are kept for internal tables; rename it",
        ),
        (
            "CRSQL_LOG",
            "table \"CRSQL_LOG\" can't be replicated: names like this are kept for internal tables; rename it",
        ),
        (
            "t__crsql_pks",
            "table \"t__crsql_pks\" can't be replicated: names like this are kept for internal tables; rename it",
        ),
        (
            "here",
            "table \"here\" is temporary, and only tables of main can be replicated; create it in main",
        ),
    ] {
        fails(
            &connection,
            &format!("SELECT crsql_as_crr('{name}')"),
            &format!("crsql: {text}"),
        );
    }
}

#[test]
fn functions_without_arguments() {
    let connection = prepared();
    for function in [
        "crsql_site_id",
        "crsql_db_version",
        "crsql_get_seq",
        "crsql_increment_and_get_seq",
        "crsql_rows_impacted",
    ] {
        fails(
            &connection,
            &format!("SELECT {function}(1)"),
            &format!("crsql: {function}() takes no arguments"),
        );
    }
}

#[test]
fn settings() {
    let connection = prepared();
    let (set, get) = (
        "call crsql_config_set('merge-equal-values', 0 or 1) or \
         crsql_config_set('unknown-changes', 'park' or 'reject')",
        "call crsql_config_get('merge-equal-values')",
    );
    for (call, text) in [
        ("crsql_config_set()", set),
        ("crsql_config_set('merge-equal-values')", set),
        ("crsql_config_set('merge-equal-values', 1, 2)", set),
        ("crsql_config_get()", get),
        ("crsql_config_get('merge-equal-values', 1)", get),
        (
            "crsql_config_get('colour')",
            "there is no setting \"colour\"; there are 'merge-equal-values' and 'unknown-changes'",
        ),
        (
            "crsql_config_set('colour', 1)",
            "there is no setting \"colour\"; there are 'merge-equal-values' and 'unknown-changes'",
        ),
        (
            "crsql_config_get(NULL)",
            "the name of a setting must be a text; call crsql_config_get('merge-equal-values')",
        ),
    ] {
        fails(
            &connection,
            &format!("SELECT {call}"),
            &format!("crsql: {text}"),
        );
    }
    for value in ["2", "-1", "NULL", "'yes'", "'maybe'", "x'01'", "0.5"] {
        fails(
            &connection,
            &format!("SELECT crsql_config_set('merge-equal-values', {value})"),
            "crsql: 'merge-equal-values' must be 0 or 1",
        );
    }
    assert_eq!(
        one::<i64>(&connection, "SELECT crsql_config_get('merge-equal-values')"),
        0
    );
    for value in ["1", "NULL", "'Park'", "'error'", "x'7061726b'"] {
        fails(
            &connection,
            &format!("SELECT crsql_config_set('unknown-changes', {value})"),
            "crsql: 'unknown-changes' must be 'park' or 'reject'",
        );
    }
}

#[test]
fn versions() {
    let connection = prepared();
    let text = "crsql: a version can be raised to at most 4503599627370496 (2^52)";
    fails(
        &connection,
        "SELECT crsql_next_db_version(4503599627370497)",
        text,
    );
    fails(
        &connection,
        "SELECT crsql_next_db_version(9223372036854775807)",
        text,
    );
    for (argument, expected) in [
        ("", 2),
        ("-5", 2),
        ("0", 2),
        ("NULL", 2),
        ("'x'", 2),
        ("1, 900", 2),
        ("40", 40),
    ] {
        let call = format!("SELECT crsql_next_db_version({argument})");
        assert_eq!(one::<i64>(&connection, &call), expected, "{call}");
    }
}

#[test]
fn packing() {
    let connection = open_memory();
    let arguments = |count: usize| vec!["1"; count].join(", ");
    assert_eq!(
        one::<Vec<u8>>(
            &connection,
            &format!("SELECT crsql_pack_columns({})", arguments(255))
        )
        .len(),
        1 + 2 * 255
    );
    assert_eq!(
        refusal(
            &connection,
            &format!("SELECT crsql_pack_columns({})", arguments(256))
        ),
        "crsql: crsql_pack_columns takes at most 255 values"
    );
}

#[test]
fn unpacking() {
    let connection = open_memory();
    let no_key = "crsql: the argument of crsql_unpack_columns is no packed key:";
    for (argument, text) in [
        ("1", format!("{no_key} it is not a BLOB")),
        ("'text'", format!("{no_key} it is not a BLOB")),
        ("x''", format!("{no_key} it is empty")),
        (
            "x'01'",
            format!("{no_key} it ends in the middle of a value"),
        ),
        ("x'0107'", format!("{no_key} it has the unknown type tag 7")),
        (
            "x'014900000000000000000001'",
            format!("{no_key} it has a number wider than eight bytes"),
        ),
        (
            "x'010b01ff'",
            format!("{no_key} it has text that is not valid UTF-8"),
        ),
        (
            "x'0105ff'",
            format!("{no_key} it goes on after its last value"),
        ),
        (
            "x'01027ff8000000000000'",
            format!("{no_key} it has a real that is not a number"),
        ),
    ] {
        assert_eq!(
            refusal(
                &connection,
                &format!("SELECT * FROM crsql_unpack_columns({argument})")
            ),
            text
        );
    }
    assert_eq!(
        refusal(&connection, "SELECT cell FROM crsql_unpack_columns"),
        "crsql: crsql_unpack_columns needs a packed key: SELECT cell FROM crsql_unpack_columns(pk)"
    );
    for nothing in ["NULL", "x'00'"] {
        assert!(
            rows(
                &connection,
                &format!("SELECT * FROM crsql_unpack_columns({nothing})")
            )
            .is_empty()
        );
    }
    let read_only = "crsql: crsql_unpack_columns is a function and holds no rows to write to";
    assert_eq!(
        refusal(&connection, "INSERT INTO crsql_unpack_columns VALUES (1)"),
        read_only
    );
    assert_eq!(
        refusal(
            &connection,
            "DELETE FROM crsql_unpack_columns WHERE package = x'010901'"
        ),
        read_only
    );
}
