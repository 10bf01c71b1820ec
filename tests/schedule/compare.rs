//! Compares what a database holds and reports with the model.

use std::collections::BTreeSet;

use crate::model::replica::{Change, Replica, Row, SENTINEL};

use super::database::Database;
use super::run::Outcome;
use super::sql;

/// The rows of every table, by key; values with their storage class.
pub fn compare_contents(model: &Replica, database: &Database) -> Outcome {
    for (place, table) in model.schema.tables.iter().enumerate() {
        if !table.is_here {
            continue;
        }
        let live = model.state.rows.iter().filter(|((of, _), _)| *of == place);
        let expected: Vec<_> = live
            .filter_map(|((_, key), row)| row.values.as_ref().map(|values| (key, values)))
            .collect();
        let got = database.contents(table)?;
        let differs = |place: &usize| match (expected.get(*place), got.get(*place)) {
            (Some((key, values)), Some((got_key, got_values))) => {
                *key != got_key || !values.iter().zip(got_values).all(|(a, b)| a.same(b))
            }
            _ => true,
        };
        if let Some(place) = (0..expected.len().max(got.len())).find(differs) {
            let (expected, got) = (expected.get(place), got.get(place));
            return Err(format!(
                "row {place} of {}:\n  expected {expected:?}\n  got      {got:?}",
                table.name
            ));
        }
    }
    Ok(())
}

/// All nine columns, in the order in which they come. Free are only, and only where a merge, a failed statement or a
/// rollback came before in the same transaction: gaps between seqs; the order of the cells of a new row that arrived
/// together, because a row that is whole is stored as one entry, which lists them as declared; and which later place in the
/// transaction the cells get that a new life reset, for they wait until it is known which of them arrive as well.
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
    let got = without_announcements(model, got)?;
    let expected = without_announcements(model, &model.changes(0))?;
    let expected = in_comparable_order(model, expected);
    let got = in_comparable_order(model, got);
    let differs = |index: &usize| match (expected.get(*index), got.get(*index)) {
        (Some(expected), Some(got)) => !is_same(model, expected, got),
        _ => true,
    };
    let Some(index) = (0..expected.len().max(got.len())).find(differs) else {
        return Ok(());
    };
    let show = |changes: &[Change]| changes.get(index).map_or("nothing".to_owned(), sql::change);
    // Of long lists only what is near the difference.
    let near = |changes: &[Change]| {
        let lines = changes
            .iter()
            .enumerate()
            .filter(|(place, _)| place.abs_diff(index) < 40);
        lines
            .map(|(_, change)| format!("\n    {}", sql::change(change)))
            .collect::<String>()
    };
    Err(format!(
        "expected {}\n  got      {}\n  all expected:{}\n  all got:{}",
        show(&expected),
        show(&got),
        near(&expected),
        near(&got)
    ))
}

/// What waits for its table or column, and how much of it.
pub fn compare_parked(model: &Replica, got: &[(String, String, usize)]) -> Outcome {
    let mut expected: Vec<(String, String, usize)> = Vec::new();
    for (table, _, column) in model.schema.parked.keys() {
        expected.push((table.clone(), column.clone(), 0));
    }
    expected.sort();
    expected.dedup();
    for (table, column, count) in &mut expected {
        let places = model.schema.parked.keys();
        *count = places
            .filter(|(of, _, cid)| of == table && cid == column)
            .count();
    }
    if expected == got {
        return Ok(());
    }
    Err(format!("parked: expected {expected:?}\n  got {got:?}"))
}

/// The changes without those that only say that a row of a first life is there. Where columns came and went, such a row has
/// exactly one if none of its cells tells of it, and at most one else; which place it has depends on what was dropped.
fn without_announcements(model: &Replica, changes: &[Change]) -> Outcome<Vec<Change>> {
    let is_implied = |table: usize, row: &Row| {
        let table = model.table(table);
        let sentinel = row.sentinel.as_ref();
        let is_first_life = sentinel.is_none_or(|sentinel| sentinel.version == 1);
        table.leaves_gaps && table.had_cells() && row.values.is_some() && is_first_life
    };
    let mut announced = BTreeSet::new();
    let mut others = Vec::new();
    for change in changes {
        let place = model.find_table(&change.table).filter(|place| {
            let row = model.row(*place, &change.pk);
            row.is_some_and(|row| is_implied(*place, row))
        });
        let is_birth = change.cid == SENTINEL && (change.cl, change.col_version) == (1, 1);
        match place.filter(|_| is_birth) {
            Some(place) if !announced.insert((place, change.pk.clone())) => {
                return Err(format!("announced twice: {}", sql::change(change)));
            }
            Some(_) => (),
            None => others.push(change.clone()),
        }
    }
    let rows = model.state.rows.iter();
    let mut silent = rows.filter(|((table, _), row)| {
        is_implied(*table, row) && row.cells.iter().all(Option::is_none)
    });
    match silent.find(|(place, _)| !announced.contains(place)) {
        Some(((table, key), _)) => {
            let table = &model.table(*table).name;
            Err(format!("nothing tells of {} of {table}", sql::hex(key)))
        }
        None => Ok(others),
    }
}

fn position(change: &Change) -> (i64, i64) {
    (change.db_version, change.seq)
}

/// A cell that a new life reset, here or where it came from.
fn is_reset(change: &Change) -> bool {
    change.col_version == 0
}

fn is_same(model: &Replica, expected: &Change, got: &Change) -> bool {
    let is_placed_right = if is_reset(expected) {
        let end = model.transaction_end(expected.db_version);
        (expected.db_version..=end).contains(&got.db_version)
    } else {
        let is_seq_free = !model.has_exact_seqs(expected.db_version);
        expected.db_version == got.db_version && (is_seq_free || expected.seq == got.seq)
    };
    is_placed_right
        && expected.table == got.table
        && expected.pk == got.pk
        && expected.cid == got.cid
        && expected.val.same(&got.val)
        && expected.col_version == got.col_version
        && expected.site == got.site
        && expected.cl == got.cl
}

/// Reset cells last, by name; the cells of each new row by name where their order is free; everything else as it is.
fn in_comparable_order(model: &Replica, changes: Vec<Change>) -> Vec<Change> {
    let (mut resets, mut others): (Vec<_>, Vec<_>) = changes.into_iter().partition(is_reset);
    resets.sort_by(|a, b| (&a.table, &a.pk, &a.cid).cmp(&(&b.table, &b.pk, &b.cid)));
    let is_free = |change: &Change| {
        (change.col_version, change.cl) == (1, 1)
            && change.cid != SENTINEL
            && !model.has_exact_seqs(change.db_version)
    };
    let is_one_row = |a: &Change, b: &Change| {
        let is_same_row = (&a.table, &a.pk, a.db_version) == (&b.table, &b.pk, b.db_version);
        is_same_row && is_free(a) && is_free(b)
    };
    for row in others.chunk_by_mut(is_one_row) {
        row.sort_by(|a, b| a.cid.cmp(&b.cid));
    }
    others.append(&mut resets);
    others
}
