//! What a changeset says of itself, as JSON.

use crate::crdt::changeset::{FORMAT, Header, Part, TableHeader};
use std::fmt::Write;

/// The header of a changeset of so many bytes.
pub(super) fn json(header: &Header, bytes: usize) -> String {
    let (after, after_seq) = header.after;
    let after_seq = after_seq.map_or("null".to_owned(), |seq| seq.0.to_string());
    let (rows, changes) = header.tables.iter().fold((0u64, 0u64), |counted, table| {
        (
            counted.0.saturating_add(table.rows),
            counted.1.saturating_add(table.changes),
        )
    });
    let part = match header.part {
        Part::Whole => "null",
        Part::More => "\"more\"",
        Part::Last => "\"last\"",
    };
    let sites = list(header.sites.iter().map(|site| hex(site)));
    let tables = list(header.tables.iter().map(table_json));
    format!(
        "{{\"format\":{FORMAT},\"bytes\":{bytes},\"site\":{},\"after_version\":{},\"after_seq\":{after_seq},\
         \"first_version\":{},\"last_version\":{},\"last_seq\":{},\"complete\":{},\"part\":{part},\"rows\":{rows},\
         \"changes\":{changes},\"sites\":{sites},\"tables\":{tables}}}",
        hex(&header.site),
        after.0,
        header.first.0,
        header.last.version.0,
        header.last.seq.0,
        header.part != Part::More,
    )
}

fn table_json(table: &TableHeader) -> String {
    let columns = list(table.columns.iter().map(|column| text(&column.name)));
    format!(
        "{{\"table\":{},\"columns\":{columns},\"rows\":{},\"changes\":{}}}",
        text(&table.name),
        table.rows,
        table.changes
    )
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(text("a\"b\\\n"), "\"a\\\"b\\\\\\u000a\"");
    }
}
