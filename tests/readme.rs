//! Does what the README says, from the top, and compares what it shows with what is printed.
//!
//! A ```sql block runs in the shell of the database that its first line names, and each shell lives as
//! long as the README's terminal does. A ```text block is the whole output of the block before it; a
//! block without one must print nothing. A ```python block is skipped where no Python can load
//! extensions. Of `make` only the names of the targets are checked here: `.ci/run` runs them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Printed after each block, to know where its output ends.
const END_OF_BLOCK: &str = "--- end of block ---";

struct Block {
    language: String,
    text: String,
}

#[test]
fn the_quickstart_prints_what_it_shows() {
    let directory = support::scratch_dir();
    fs::create_dir(directory.join("dist")).expect("create dist");
    std::os::unix::fs::symlink(support::extension_path(), directory.join("dist/crsql.so"))
        .expect("link the extension");

    let blocks = blocks(&read_from_package("README.md"));
    let mut shells: BTreeMap<String, Shell> = BTreeMap::new();
    let mut ran = 0;
    for (index, block) in blocks.iter().enumerate() {
        let shown = blocks.get(index + 1).filter(|next| next.language == "text");
        let shown = shown.map_or("", |block| block.text.as_str());
        let printed = match block.language.as_str() {
            "sql" => {
                let name = block.text.lines().next().unwrap_or_default();
                let name = name
                    .strip_prefix("-- ")
                    .expect("the block names its database");
                let shell = shells
                    .entry(name.to_owned())
                    .or_insert_with(|| Shell::start(&directory, name));
                shell.run(&block.text)
            }
            "python" => match python() {
                Some(python) => run_python(&python, &directory, &block.text),
                None => {
                    eprintln!("skipped: no Python here whose sqlite3 module loads extensions");
                    continue;
                }
            },
            _ => continue,
        };
        assert_eq!(printed, shown, "\n{}", block.text);
        ran += 1;
    }
    assert!(ran > 8, "the README lost its quickstart: {ran} blocks ran");
}

#[test]
fn the_make_commands_exist() {
    let blocks = blocks(&read_from_package("README.md"));
    let lines = blocks
        .iter()
        .filter(|block| block.language == "sh")
        .flat_map(|block| block.text.lines());
    let mut targets = 0;
    for line in lines {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("make") => {
                let output = Command::new("make")
                    .arg("--dry-run")
                    .args(words)
                    .current_dir(env!("CARGO_MANIFEST_DIR"))
                    .output()
                    .expect("start make");
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{line}: {errors}");
                targets += 1;
            }
            Some("sqlite3") => {}
            _ => panic!("the README shows a command that no test runs: {line}"),
        }
    }
    assert!(targets >= 2, "the README no longer says how to build");
}

#[test]
fn the_links_lead_somewhere() {
    let readme = read_from_package("README.md");
    for link in readme.split("](").skip(1) {
        let target = link.split(')').next().unwrap_or_default();
        if !target.starts_with("https://") {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
            assert!(path.exists(), "README.md links to {target}");
        }
    }
}

fn read_from_package(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced code blocks of a Markdown text, in order.
fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a code block is not closed");
    blocks
}

/// A running `sqlite3` shell, its two output streams as one.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    fn start(directory: &Path, database: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" -batch -init /dev/null "$1" 2>&1"#])
            .arg(support::sqlite3_shell())
            .arg(database)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the sqlite3 shell");
        let input = child.stdin.take().expect("the shell's input is piped");
        let output = child.stdout.take().expect("the shell's output is piped");
        Self {
            child,
            input,
            output: BufReader::new(output),
        }
    }

    fn run(&mut self, block: &str) -> String {
        writeln!(self.input, "{block}.print '{END_OF_BLOCK}'").expect("write to the shell");
        self.input.flush().expect("write to the shell");
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).expect("read the output");
            assert!(length > 0, "the shell ended in\n{block}{printed}");
            if line.trim_end() == END_OF_BLOCK {
                return printed;
            }
            printed.push_str(&line);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Only this test's own shell; that it is already gone is no failure.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A Python whose sqlite3 module was built with loadable extensions, which not every build has.
fn python() -> Option<PathBuf> {
    let named = env::var_os("PYTHON").map(PathBuf::from);
    let usual = ["python3", "/usr/bin/python3"].map(PathBuf::from);
    named.into_iter().chain(usual).find(|python| {
        let check = "import sqlite3; sqlite3.connect(':memory:').enable_load_extension(True)";
        Command::new(python)
            .args(["-c", check])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

fn run_python(python: &Path, directory: &Path, program: &str) -> String {
    let output = Command::new(python)
        .args(["-c", program])
        .current_dir(directory)
        .output()
        .expect("start Python");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
