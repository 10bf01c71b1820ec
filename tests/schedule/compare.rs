//! Compares what a database holds and reports with the model.

use crate::model::replica::{Change, Replica};

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

/// All nine columns, in the order in which they come. Only gaps between seqs are free, and only where a merge, a failed
/// statement or a rollback came before in the same transaction.
pub fn compare_changes(model: &Replica, got: &[Change]) -> Outcome {
    let expected = model.changes(0);
    let is_same = |expected: &Change, got: &Change| {
        expected.table == got.table
            && expected.pk == got.pk
            && expected.cid == got.cid
            && expected.val.same(&got.val)
            && expected.col_version == got.col_version
            && expected.db_version == got.db_version
            && expected.site == got.site
            && expected.cl == got.cl
            && (expected.seq == got.seq || !model.has_exact_seqs(expected.db_version))
    };
    let differs = (0..expected.len().max(got.len())).find(|index| {
        match (expected.get(*index), got.get(*index)) {
            (Some(expected), Some(got)) => !is_same(expected, got),
            _ => true,
        }
    });
    if let Some(index) = differs {
        let show =
            |changes: &[Change]| changes.get(index).map_or("nothing".to_owned(), sql::change);
        let all = |changes: &[Change]| {
            changes
                .iter()
                .map(|change| format!("\n    {}", sql::change(change)))
                .collect::<String>()
        };
        return Err(format!(
            "change {index}:\n  expected {}\n  got      {}\n  all expected:{}\n  all got:{}",
            show(&expected),
            show(got),
            all(&expected),
            all(got)
        ));
    }
    let repeated = got
        .windows(2)
        .find(|pair| (pair[0].db_version, pair[0].seq) >= (pair[1].db_version, pair[1].seq));
    repeated.map_or(Ok(()), |pair| {
        Err(format!(
            "(db_version, seq) repeated or out of order: {}",
            sql::change(&pair[1])
        ))
    })
}
