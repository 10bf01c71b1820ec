//! What an upgrade did, as JSON.

use std::fmt::Write;

/// What became of one table.
#[derive(Debug, Default)]
pub struct TableReport {
    /// Its name
    pub table: String,
    /// Rows that are recorded, those without clocks included
    pub rows: u64,
    /// Of them those that need no clock record
    pub pristine_rows: u64,
    /// Deleted rows that are remembered
    pub tombstones: u64,
    /// Cells of live rows
    pub cells: u64,
    /// Rows without clocks, recorded as inserted by the upgrade
    pub back_filled_rows: u64,
    /// Changes whose pair of db_version and seq was taken
    pub moved_seqs: u64,
    /// Keys that no clock spoke of
    pub dropped_keys: u64,
    /// Live rows that were not in the table
    pub dropped_rows: u64,
    /// Clocks of columns that are gone, of rows that are deleted or not in the table, or without a key
    pub dropped_clocks: u64,
    /// Second identities of one row, as '7' beside 7
    pub dropped_identities: u64,
    /// Deleted rows that are in the table nevertheless
    pub deleted_but_there: u64,
}

/// What became of a database.
#[derive(Debug, Default)]
pub struct Report {
    /// The layout that it had
    pub layout: &'static str,
    /// The version that was noted in it
    pub release: Option<String>,
    /// Its site id
    pub site: Vec<u8>,
    /// Its version
    pub db_version: i64,
    /// Versions of other sites that became versions of this database
    pub restamped_versions: u64,
    /// The tables
    pub tables: Vec<TableReport>,
    /// Tables that were gone, whose clocks went
    pub dropped_tables: Vec<String>,
    /// What `crsql_as_crr` would object to
    pub warnings: Vec<String>,
}

/// What is said of a database that needs no upgrade.
pub fn nothing_to_do() -> String {
    Object::new()
        .raw("upgraded", "false")
        .text(
            "reason",
            "this database has the layout of crsql already; there is nothing to do",
        )
        .end()
}

impl Report {
    /// The report as JSON.
    pub fn json(&self) -> String {
        let site = self.site.iter().fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        let tables = list(self.tables.iter().map(TableReport::json));
        let dropped = list(self.dropped_tables.iter().map(|name| quoted(name)));
        let warnings = list(self.warnings.iter().map(|text| quoted(text)));
        let mut object = Object::new()
            .raw("upgraded", "true")
            .text("layout", self.layout);
        if let Some(release) = &self.release {
            object = object.text("release", release);
        }
        object
            .text("site_id", &site)
            .number("db_version", self.db_version as u64)
            .number("restamped_versions", self.restamped_versions)
            .raw("tables", &tables)
            .raw("dropped_tables", &dropped)
            .raw("warnings", &warnings)
            .end()
    }
}

impl TableReport {
    fn json(&self) -> String {
        Object::new()
            .text("table", &self.table)
            .number("rows", self.rows)
            .number("pristine_rows", self.pristine_rows)
            .number("tombstones", self.tombstones)
            .number("cells", self.cells)
            .number("back_filled_rows", self.back_filled_rows)
            .number("moved_seqs", self.moved_seqs)
            .number("dropped_keys", self.dropped_keys)
            .number("dropped_rows", self.dropped_rows)
            .number("dropped_clocks", self.dropped_clocks)
            .number("dropped_identities", self.dropped_identities)
            .number("deleted_but_there", self.deleted_but_there)
            .end()
    }
}

/// A JSON object in the making.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object("{".to_owned())
    }

    fn raw(mut self, name: &str, json: &str) -> Object {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let _ = write!(self.0, "{}:{json}", quoted(name));
        self
    }

    fn text(self, name: &str, text: &str) -> Object {
        self.raw(name, &quoted(text))
    }

    fn number(self, name: &str, number: u64) -> Object {
        self.raw(name, &number.to_string())
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// A text as a JSON string (RFC 8259).
fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                json.push('\\');
                json.push(c);
            }
            c if c < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("a \"b\\\n"), "\"a \\\"b\\\\\\u000a\"");
        let report = Report {
            dropped_tables: vec!["x".to_owned(), "y\"".to_owned()],
            ..Report::default()
        };
        assert!(report.json().contains(r#""dropped_tables":["x","y\""]"#));
    }
}
