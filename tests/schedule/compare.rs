//! Compares what a database holds and reports with the model.

use crate::model::replica::{Change, Replica, SENTINEL};

use super::database::Database;
use super::run::Outcome;
use super::sql;

/// The rows of every table, by key; values with their storage class.
pub fn compare_contents(model: &Replica, database: &Database) -> Outcome {
    for (place, table) in model.tables.iter().enumerate() {
        let live = model.state.rows.iter().filter(|((of, _), _)| *of == place);
        let expected: Vec<_> = live
            .filter_map(|((_, key), row)| row.values.as_ref().map(|values| (key, values)))
            .collect();
        let got = database.contents(table)?;
        let is_same = expected.len() == got.len()
            && expected.iter().zip(&got).all(|(expected, got)| {
                *expected.0 == got.0
                    && expected
                        .1
                        .iter()
                        .zip(&got.1)
                        .all(|(expected, got)| expected.same(got))
            });
        if !is_same {
            return Err(format!(
                "rows of {}:\n  expected {expected:?}\n  got      {got:?}",
                table.name
            ));
        }
    }
    Ok(())
}

/// All nine columns, in the order in which they come. Free are only, and only where a merge, a failed statement or a
/// rollback came before in the same transaction: gaps between seqs; the order of the cells of a new row that arrived
/// together, because a row that is whole is stored as one entry, which lists them as declared; and where among the cells of
/// a row those are listed that a new life reset.
pub fn compare_changes(model: &Replica, got: &[Change]) -> Outcome {
    if let Some(pair) = got
        .windows(2)
        .find(|pair| position(&pair[0]) >= position(&pair[1]))
    {
        let change = sql::change(&pair[1]);
        return Err(format!(
            "(db_version, seq) repeated or out of order: {change}"
        ));
    }
    let mut expected = model.changes(0);
    let mut got = got.to_vec();
    sort_free_order(model, &mut expected);
    sort_free_order(model, &mut got);
    let differs = |index: &usize| match (expected.get(*index), got.get(*index)) {
        (Some(expected), Some(got)) => !is_same(model, expected, got),
        _ => true,
    };
    let Some(index) = (0..expected.len().max(got.len())).find(differs) else {
        return Ok(());
    };
    let show = |changes: &[Change]| changes.get(index).map_or("nothing".to_owned(), sql::change);
    let all = |changes: &[Change]| {
        changes
            .iter()
            .map(|change| format!("\n    {}", sql::change(change)))
            .collect::<String>()
    };
    Err(format!(
        "change {index}:\n  expected {}\n  got      {}\n  all expected:{}\n  all got:{}",
        show(&expected),
        show(&got),
        all(&expected),
        all(&got)
    ))
}

fn position(change: &Change) -> (i64, i64) {
    (change.db_version, change.seq)
}

fn is_same(model: &Replica, expected: &Change, got: &Change) -> bool {
    expected.table == got.table
        && expected.pk == got.pk
        && expected.cid == got.cid
        && expected.val.same(&got.val)
        && expected.col_version == got.col_version
        && expected.db_version == got.db_version
        && expected.site == got.site
        && expected.cl == got.cl
        && (expected.seq == got.seq || !model.has_exact_seqs(expected.db_version))
}

/// Brings neighbouring cells of one row into one order where their order is free.
fn sort_free_order(model: &Replica, changes: &mut [Change]) {
    let is_one_row = |a: &Change, b: &Change| {
        (&a.table, &a.pk, a.db_version) == (&b.table, &b.pk, b.db_version)
            && !model.has_exact_seqs(a.db_version)
            && a.cid != SENTINEL
            && b.cid != SENTINEL
    };
    let place = |change: &Change| match (change.col_version, change.cl) {
        (0, _) => (0, change.cid.clone()),
        (1, 1) => (1, change.cid.clone()),
        _ => (2, String::new()),
    };
    for row in changes.chunk_by_mut(is_one_row) {
        row.sort_by_key(place);
    }
}
