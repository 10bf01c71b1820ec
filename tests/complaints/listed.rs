//! Every complaint of the list has a test that bears its number, and docs/reliability.md names each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The complaints are numbered from 1 to this.
const COUNT: usize = 37;

/// The tests of this binary, by the number in their names.
fn tests() -> BTreeMap<usize, Vec<String>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/complaints");
    let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(directory).expect("tests/complaints") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a source");
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("fn complaint_") else {
                continue;
            };
            let number = rest[..2].parse().expect("two digits");
            let name = rest.split('(').next().expect("a name");
            found
                .entry(number)
                .or_default()
                .push(format!("complaint_{name}"));
        }
    }
    found
}

#[test]
fn every_complaint_has_a_test() {
    let numbers: BTreeSet<usize> = tests().into_keys().collect();
    assert_eq!(numbers, (1..=COUNT).collect());
}

#[test]
fn the_table_in_the_documentation_names_every_test() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let text = std::fs::read_to_string(file).expect("docs/reliability.md");
    for (number, names) in tests() {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| {number} |")))
            .unwrap_or_else(|| panic!("no row for complaint {number}"));
        for name in names {
            assert!(
                row.contains(&format!("`{}`", &name["complaint_".len()..])),
                "{name} is missing in: {row}"
            );
        }
    }
}
