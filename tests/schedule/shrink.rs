//! Makes a failing schedule short: leaves out steps and actions as long as it still fails.

use std::time::{Duration, Instant};

use super::plan::{Plan, Step};

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
        if size(&plan) == before || start.elapsed() > TIME_MAX {
            return plan;
        }
    }
}

fn size(plan: &Plan) -> usize {
    plan.steps
        .iter()
        .map(|step| {
            if let Step::Work { actions, .. } = step {
                actions.len() + 1
            } else {
                1
            }
        })
        .sum()
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
            actions.remove(action);
            if fails(&shorter) {
                plan = shorter;
            } else {
                action += 1;
            }
        }
    }
    plan
}
