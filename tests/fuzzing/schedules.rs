//! What several replicas do and deliver, chosen by any bytes, against the model: the schedules of `tests/property.rs`.

use crate::schedule::random::Random;
use crate::schedule::run::World;
use crate::schedule::{generate, shapes};
use crate::support;

/// Decides how long a schedule is: about ten steps.
const LENGTH: u64 = 60;

pub fn run(data: &[u8]) {
    let mut shapes = shapes::all();
    let plan = generate::plan_of(Random::from_bytes(data), LENGTH, &shapes);
    let scratch = support::scratch_dir();
    let mut place = 0..;
    shapes.retain(|_| {
        place
            .next()
            .is_some_and(|place| plan.shapes.contains(&place))
    });
    let outcome = World::new(&plan, shapes, Some(&scratch), true).and_then(|mut world| {
        let outcome = plan
            .steps
            .iter()
            .try_for_each(|step| world.step(step))
            .and_then(|()| world.finish(&plan, Some(&scratch)));
        outcome.map_err(|error| {
            let trace = world.trace.take().unwrap_or_default();
            format!("{}\n{error}", trace.join("\n"))
        })
    });
    outcome.unwrap_or_else(|report| panic!("{report}"));
}
