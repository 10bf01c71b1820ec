//! What the `sqlite3` shell prints, in words that do not depend on its version.
#![allow(dead_code)] // each test binary uses its own part of this module

/// `Runtime error near line 12: text (19)` becomes `error: text`, and the excerpt with a caret that
/// newer shells add is dropped.
pub fn without_shell_wording(printed: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut after_error = false;
    for line in printed.lines() {
        if let Some(text) = error_text(line) {
            kept.push(format!("error: {text}"));
            after_error = true;
        } else if after_error && line.starts_with("  ") {
            continue;
        } else {
            kept.push(line.to_owned());
            after_error = false;
        }
    }
    kept.iter().map(|line| format!("{line}\n")).collect()
}

fn error_text(line: &str) -> Option<&str> {
    let (kind, rest) = line.split_once(" near line ")?;
    if !kind.to_ascii_lowercase().contains("error") || kind.len() > "Runtime error:".len() {
        return None;
    }
    let (number, text) = rest.split_once(": ")?;
    number.parse::<u32>().ok()?;
    let without_code = text.rsplit_once(" (").filter(|(_, code)| {
        code.strip_suffix(')')
            .is_some_and(|digits| digits.parse::<u32>().is_ok())
    });
    Some(without_code.map_or(text, |(text, _)| text))
}
