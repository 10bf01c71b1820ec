//! Makes a failing script short: leaves out operations as long as it still fails.

use super::script::Script;

/// A run takes about as long as its operations; so many of them are spent on this.
const OPERATIONS_MAX: usize = 60_000;

pub fn shorten(mut script: Script, fails: impl Fn(&Script) -> bool) -> Script {
    let mut spent = 0;
    let mut length = script.operations.len().div_ceil(2);
    while length > 0 {
        let mut start = 0;
        while start < script.operations.len() {
            let mut shorter = script.clone();
            let end = (start + length).min(shorter.operations.len());
            shorter.operations.drain(start..end);
            spent += shorter.operations.len() + 1;
            if spent > OPERATIONS_MAX {
                return script;
            }
            if fails(&shorter) {
                script = shorter;
            } else {
                start += length;
            }
        }
        length /= 2;
    }
    for place in (0..script.plan.migrations.len()).rev() {
        let mut shorter = script.clone();
        shorter.plan.migrations[place].is_skipped = true;
        if fails(&shorter) {
            script = shorter;
        }
    }
    script
}
