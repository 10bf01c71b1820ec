//! The layers of the source: imports go down only, and `unsafe` stays where it belongs.
//!
//! Reads the files as text; a layer is a position in `LAYERS`, siblings never import each other.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom; the modules of one line are siblings, and whether siblings may import each other.
const LAYERS: [(&[&str], bool); 9] = [
    (&["crdt", "error", "unique"], true),
    (&["sqlite", "sql"], true),
    (&["schema"], false),
    (&["store"], false),
    (&["state"], false),
    (
        &[
            "capture",
            "apply",
            "convert",
            "digest",
            "entry_changes",
            "fract",
            "keys",
            "repair",
        ],
        false,
    ),
    (&["migrate", "upgrade", "reconcile"], false),
    (
        &[
            "changes",
            "changeset",
            "check",
            "status",
            "transaction_table",
            "unpack",
            "clset",
        ],
        false,
    ),
    (&["entry", "functions"], true),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a directory with the given extension, with its path from there.
fn files(directory: &Path, extension: &str) -> BTreeMap<PathBuf, String> {
    fn walk(at: &Path, base: &Path, extension: &str, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(at).unwrap_or_else(|error| panic!("{}: {error}", at.display())) {
            let path = entry.expect("a directory entry").path();
            if path.ends_with("target") {
                // What cargo made.
                continue;
            }
            if path.is_dir() {
                walk(&path, base, extension, found);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).expect("a text file");
                found.insert(
                    path.strip_prefix(base).expect("a path below").to_owned(),
                    text,
                );
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(directory, directory, extension, &mut found);
    assert!(
        !found.is_empty(),
        "no .{extension} in {}",
        directory.display()
    );
    found
}

/// The top-level module of a file of `src/`: `crdt/merge.rs` and `crdt.rs` are both `crdt`.
fn module_of(path: &Path) -> String {
    let first = path
        .components()
        .next()
        .expect("a file name")
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS
        .iter()
        .position(|(modules, _)| modules.contains(&module))
}

/// The code of a line, without its comment (and without what a string may say after `//`).
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The modules that a text names as `crate::module`, also from a list in braces.
fn imports(text: &str) -> Vec<String> {
    let bare: String = text.lines().map(code).collect::<Vec<_>>().join("\n");
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut found = Vec::new();
    for (position, _) in bare.match_indices("crate::") {
        let rest = &bare[position + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(list) => {
                let mut depth = 0;
                for part in list.split_inclusive(['{', '}', ',']) {
                    if depth == 0 {
                        found.push(word(part.trim_start()));
                    }
                    match part.chars().last() {
                        Some('{') => depth += 1,
                        Some('}') if depth == 0 => break,
                        Some('}') => depth -= 1,
                        _ => {}
                    }
                }
            }
        }
    }
    found.retain(|module| !module.is_empty());
    found
}

#[test]
fn lists_of_imports_are_understood() {
    let text = "use crate::{store::{log, site}, sql};\nuse crate::error::Error; // crate::changes\nfn f() -> crate::state::State {}";
    assert_eq!(imports(text), ["store", "sql", "error", "state"]);
}

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for (path, text) in files(&root().join("src"), "rs") {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let layer =
            layer_of(&module).unwrap_or_else(|| panic!("{} belongs to no layer", path.display()));
        for imported in imports(&text) {
            let Some(below) = layer_of(&imported) else {
                wrong.push(format!(
                    "{} imports the unknown crate::{imported}",
                    path.display()
                ));
                continue;
            };
            if imported != module && (below > layer || below == layer && !LAYERS[layer].1) {
                wrong.push(format!("{} imports crate::{imported}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rules_of_merging_know_nothing_of_sqlite() {
    for (path, text) in files(&root().join("src/crdt"), "rs") {
        for foreign in ["sqlite", "std::fs", "std::io", "std::net", "ffi"] {
            let used = text
                .lines()
                .map(code)
                .any(|line| line.contains(&format!("{foreign}::")));
            assert!(!used, "crdt/{} uses {foreign}", path.display());
        }
    }
}

/// Whether a line of code opens something unsafe, and not only mentions the word.
fn is_unsafe(line: &str) -> bool {
    let code = code(line);
    [
        "unsafe {",
        "unsafe fn",
        "unsafe impl",
        "unsafe trait",
        "unsafe extern",
    ]
    .iter()
    .any(|form| code.contains(form))
}

#[test]
fn unsafe_code_stays_at_the_boundary_to_c() {
    for (path, text) in files(&root().join("src"), "rs") {
        let allowed = module_of(&path) == "sqlite" || path == Path::new("entry.rs");
        for (number, line) in text.lines().enumerate() {
            assert!(
                allowed || !is_unsafe(line),
                "src/{}:{}: {line}",
                path.display(),
                number + 1
            );
        }
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let mut missing = Vec::new();
    for (path, text) in files(&root().join("src"), "rs") {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let is_block = code(line).contains("unsafe {") || code(line).contains("unsafe impl");
            // The comment stands above the statement that holds the block.
            let above = lines[..number].iter().rev().take(8);
            let mut explained = line.contains("// SAFETY:");
            for line in above {
                explained |= line.trim_start().starts_with("// SAFETY:");
                let ends_a_statement = line.trim_end().ends_with([';', '}']);
                if explained || ends_a_statement {
                    break;
                }
            }
            if is_block && !explained {
                missing.push(format!(
                    "src/{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no // SAFETY: above\n{}",
        missing.join("\n")
    );
}

#[test]
fn nothing_from_outside_can_panic_by_a_shortcut() {
    let mut found = Vec::new();
    for (path, text) in files(&root().join("src"), "rs") {
        // The tests of a module are its last part.
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in product.lines().enumerate() {
            let code = code(line);
            if [
                ".unwrap()",
                ".expect(",
                "panic!(",
                "todo!(",
                "unimplemented!(",
            ]
            .iter()
            .any(|shortcut| code.contains(shortcut))
            {
                found.push(format!(
                    "src/{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_source_file_says_what_it_owns() {
    for directory in ["src", "tests", "benches", "fuzz"] {
        let directory = root().join(directory);
        if !directory.exists() {
            continue;
        }
        for (path, text) in files(&directory, "rs") {
            assert!(
                text.starts_with("//!"),
                "{}/{} opens without //!",
                directory.display(),
                path.display()
            );
            let lines = text.lines().count();
            assert!(
                lines <= 600,
                "{}/{} has {lines} lines",
                directory.display(),
                path.display()
            );
        }
    }
}

/// The number of statements in a text: semicolons outside of strings, comments and trigger bodies.
fn statements(sql: &str) -> usize {
    let bare: String = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default().to_owned() + "\n")
        .collect();
    let upper = bare.to_ascii_uppercase();
    let body = match (
        upper
            .find("CREATE TRIGGER")
            .or(upper.find("CREATE TEMP TRIGGER")),
        upper.rfind("END"),
    ) {
        (Some(_), Some(end)) => &bare[end..],
        _ => &bare[..],
    };
    body.split(';')
        .filter(|part| !part.trim().is_empty())
        .count()
}

#[test]
fn every_sql_file_holds_one_statement() {
    for (path, text) in files(&root().join("sql"), "sql") {
        if path.starts_with("demo") {
            continue;
        }
        assert_eq!(statements(&text), 1, "sql/{}", path.display());
    }
}

#[test]
fn sql_is_quoted_in_one_place() {
    for (path, text) in files(&root().join("src"), "rs") {
        if path == Path::new("sql.rs") || path.starts_with("sql") {
            continue;
        }
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for hand_made in ["replace('\"', \"\\\"\\\"\")", "replace('\\'', \"''\")"] {
            assert!(
                !product.contains(hand_made),
                "src/{} quotes by hand",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_is_left_to_do() {
    for directory in ["src", "tests", "sql"] {
        for extension in ["rs", "sql"] {
            let directory = root().join(directory);
            if directory.ends_with("src") && extension == "sql" {
                continue;
            }
            if directory.ends_with("sql") && extension == "rs" {
                continue;
            }
            for (path, text) in files(&directory, extension) {
                // Written in parts, so that this file does not find itself.
                for word in [
                    concat!("TO", "DO"),
                    concat!("FIX", "ME"),
                    concat!("XX", "X"),
                ] {
                    assert!(
                        !text.contains(word),
                        "{}/{} has a {word}",
                        directory.display(),
                        path.display()
                    );
                }
            }
        }
    }
}
