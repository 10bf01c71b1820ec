//! Power cuts: what was synced is there again, of what was not anything may be.

use super::disk::{CHANGES, Failure, Plan, Survival};
use super::run::{
    Figures, MODES, Mode, Reference, Rig, budget, chosen, is_reached, references, report,
};

/// Cuts the power at the n-th change of the disk, or, without one, counts them.
fn cut(reference: &Reference, mode: Mode, n: Option<u64>, survival: Survival) -> Figures {
    let context = format!(
        "{}, {survival:?}, {}/{}, {n:?}",
        reference.scenario.name, mode.journal, mode.synchronous
    );
    let rig = Rig::open(reference.files(mode), mode);
    rig.mounted.disk.set_plan(Some(Plan {
        ops: CHANGES,
        failure: Failure::Power,
        at: n.unwrap_or(u64::MAX),
        is_lasting: true,
    }));
    let mut done = 0;
    let mut is_cut = false;
    for step in &reference.scenario.steps {
        if step.run(&rig.connection).is_err() {
            is_cut = true;
            break;
        }
        done += 1;
    }
    let (occasions, fired) = rig.mounted.disk.counts();
    let Rig {
        connection,
        mounted,
    } = rig;
    drop(connection);
    let mut figures = Figures {
        attempts: 1,
        injected: u64::from(fired > 0),
        errors: u64::from(is_cut),
        ..Figures::default()
    };
    if n.is_none() {
        figures.occasions = occasions;
        return figures;
    }
    let found = mounted.disk.after_power_cut(survival);
    drop(mounted);
    let again = Rig::open(&found, mode);
    // A WAL that is not synced at each commit may lose the last of them; so may a journal that was deleted, if its
    // directory was not synced.
    let is_durable = match (mode.journal, mode.synchronous) {
        ("wal", "normal") => survival == Survival::All,
        ("wal", _) => true,
        _ => !matches!(survival, Survival::Any(_)),
    };
    let least = if is_durable { done } else { 0 };
    let place = reference.place(&again.connection, least..=done + 1, &context);
    figures.done = u64::from(place > done);
    reference.go_on(&again.connection, place, &context);
    again
        .connection
        .close()
        .unwrap_or_else(|(_, error)| panic!("{context}: {error}"));
    figures
}

fn survey(mode: Mode, survivals: impl Fn(u64) -> Survival, usual: u64) {
    let mut all = Vec::new();
    for reference in references() {
        let mut sum = Figures {
            occasions: cut(reference, mode, None, Survival::All).occasions,
            ..Figures::default()
        };
        for n in chosen(sum.occasions, budget(usual)) {
            sum.add(&cut(reference, mode, Some(n), survivals(n)));
        }
        assert!(is_reached(&sum), "{}: {sum}", reference.scenario.name);
        assert!(
            sum.errors * 10 >= sum.injected * 8,
            "{}: {sum}",
            reference.scenario.name
        );
        all.push((reference.scenario.name, sum));
    }
    report(
        &format!(
            "power cut, {}/{}, {:?}",
            mode.journal,
            mode.synchronous,
            survivals(1)
        ),
        &all,
    );
}

#[test]
fn all_that_was_not_synced_is_lost() {
    for mode in MODES {
        survey(mode, |_| Survival::Synced, 1);
    }
}

#[test]
fn any_of_what_was_not_synced_is_lost() {
    // Not with a journal that is synced once: SQLite itself does not promise that, see its PRAGMA synchronous.
    for mode in &MODES[..3] {
        survey(*mode, Survival::Any, 2);
    }
}

#[test]
fn nothing_is_lost_where_only_the_process_ends() {
    for mode in &MODES[..2] {
        survey(*mode, |_| Survival::All, 1);
    }
}
