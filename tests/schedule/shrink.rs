//! Makes a failing schedule short: leaves out steps and actions as long as it still fails.

use std::time::{Duration, Instant};

use crate::model::statement::Statement;
use crate::model::value::Value;

use super::plan::{Action, Migrating, Plan, Step};

const TIME_MAX: Duration = Duration::from_secs(60);

pub fn shrink(mut plan: Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let start = Instant::now();
    loop {
        let before = size(&plan);
        let mut chunk = plan.steps.len().div_ceil(2).max(1);
        loop {
            plan = without_chunks(plan, chunk, &fails, start);
            if chunk == 1 {
                break;
            }
            chunk = chunk.div_ceil(2);
        }
        plan = without_actions(plan, &fails, start);
        plan = without_rows(plan, &fails, start);
        plan = without_migrations(plan, &fails, start);
        if size(&plan) == before || start.elapsed() > TIME_MAX {
            return plan;
        }
    }
}

fn size(plan: &Plan) -> usize {
    let action_size = |action: &Action| match action {
        Action::Write(Statement::Insert { rows, .. }) => rows.len(),
        Action::Migrate(migrating) => 1 + migrating.before.len() + migrating.after.len(),
        _ => 1,
    };
    let step_size = |step: &Step| match step {
        Step::Work { actions, .. } => 1 + actions.iter().map(action_size).sum::<usize>(),
        Step::Deliver { .. } | Step::Reopen { .. } => 1,
    };
    let migrations = plan.migrations.iter().filter(|one| !one.is_skipped).count();
    plan.steps.iter().map(step_size).sum::<usize>() + migrations
}

/// Leaves out migrations, from the last one on.
fn without_migrations(mut plan: Plan, fails: &impl Fn(&Plan) -> bool, start: Instant) -> Plan {
    for place in (0..plan.migrations.len()).rev() {
        if plan.migrations[place].is_skipped || start.elapsed() > TIME_MAX {
            continue;
        }
        let mut shorter = plan.clone();
        shorter.migrations[place].is_skipped = true;
        if fails(&shorter) {
            plan = shorter;
        }
    }
    plan
}

fn without_chunks(
    mut plan: Plan,
    chunk: usize,
    fails: &impl Fn(&Plan) -> bool,
    start: Instant,
) -> Plan {
    let mut first = 0;
    while first < plan.steps.len() && start.elapsed() < TIME_MAX {
        let mut shorter = plan.clone();
        shorter
            .steps
            .drain(first..(first + chunk).min(plan.steps.len()));
        if fails(&shorter) {
            plan = shorter;
        } else {
            first += chunk;
        }
    }
    plan
}

fn without_actions(mut plan: Plan, fails: &impl Fn(&Plan) -> bool, start: Instant) -> Plan {
    for step in 0..plan.steps.len() {
        let mut action = 0;
        loop {
            let mut shorter = plan.clone();
            let Step::Work { actions, .. } = &mut shorter.steps[step] else {
                break;
            };
            if action >= actions.len() || start.elapsed() > TIME_MAX {
                break;
            }
            let removed = actions.remove(action);
            if fails(&shorter) {
                plan = shorter;
                continue;
            }
            if let Action::Migrate(migrating) = removed {
                let mut shorter = plan.clone();
                if let Step::Work { actions, .. } = &mut shorter.steps[step] {
                    let (before, after) = (Vec::new(), Vec::new());
                    actions[action] = Action::Migrate(Migrating {
                        before,
                        after,
                        ..migrating
                    });
                }
                if fails(&shorter) {
                    plan = shorter;
                }
            }
            action += 1;
        }
    }
    plan
}

/// Inserts with fewer rows.
fn without_rows(mut plan: Plan, fails: &impl Fn(&Plan) -> bool, start: Instant) -> Plan {
    for (step, action) in inserts(&plan) {
        let mut row = 0;
        loop {
            let mut shorter = plan.clone();
            let Some(rows) = rows_of(&mut shorter, step, action) else {
                break;
            };
            if row >= rows.len() || rows.len() == 1 || start.elapsed() > TIME_MAX {
                break;
            }
            rows.remove(row);
            if fails(&shorter) {
                plan = shorter;
            } else {
                row += 1;
            }
        }
    }
    plan
}

/// Where the actions are that may be inserts.
fn inserts(plan: &Plan) -> Vec<(usize, usize)> {
    let mut inserts = Vec::new();
    for (place, step) in plan.steps.iter().enumerate() {
        if let Step::Work { actions, .. } = step {
            inserts.extend((0..actions.len()).map(|action| (place, action)));
        }
    }
    inserts
}

fn rows_of(plan: &mut Plan, step: usize, action: usize) -> Option<&mut Vec<Vec<Value>>> {
    match &mut plan.steps[step] {
        Step::Work { actions, .. } => match &mut actions[action] {
            Action::Write(Statement::Insert { rows, .. }) => Some(rows),
            _ => None,
        },
        Step::Deliver { .. } | Step::Reopen { .. } => None,
    }
}
