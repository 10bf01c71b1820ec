//! Schema changes as SQL.

use crate::model::schema::Ddl;
use crate::model::table::{Column, Table};
use crate::model::value::{Rule, Value};

use super::sql::{literal, quote};

/// The name of a rebuilt table until it takes the place of the old one.
const REBUILT: &str = "rebuilt table";

/// The statements that do this to a table as it is before; `number` is that of the table.
pub fn statements(ddl: &Ddl, table: &Table, number: usize) -> Vec<String> {
    if !table.allows(ddl) {
        return Vec::new();
    }
    let name = quote(&table.name);
    match ddl {
        Ddl::AddColumn(column) => {
            let declaration = declaration(column, table);
            vec![format!("ALTER TABLE {name} ADD COLUMN {declaration}")]
        }
        Ddl::AddGenerated(column) => {
            let kind = if table.is_strict() { " TEXT" } else { "" };
            let column = quote(&column.name);
            vec![format!(
                "ALTER TABLE {name} ADD COLUMN {column}{kind} AS ('made')"
            )]
        }
        Ddl::RenameColumn { column, name: new } => {
            let (old, new) = (quote(&table.columns[*column].name), quote(new));
            vec![format!("ALTER TABLE {name} RENAME COLUMN {old} TO {new}")]
        }
        Ddl::DropColumn { column } => vec![
            drop_index(number),
            format!(
                "ALTER TABLE {name} DROP COLUMN {}",
                quote(&table.columns[*column].name)
            ),
        ],
        Ddl::RenameTable { name: new } => {
            vec![format!("ALTER TABLE {name} RENAME TO {}", quote(new))]
        }
        Ddl::CreateTable if !table.was_dropped => vec![table.create.clone()],
        Ddl::CreateTable => vec![create(table, &table.name, &table.cells, None)],
        Ddl::DropTable => vec![format!("DROP TABLE {name}")],
        Ddl::Rebuild { order, added } => rebuild(table, order, added.as_ref()),
    }
}

pub fn as_crr(name: &str) -> String {
    format!("SELECT crsql_as_crr({})", text(name))
}

pub fn begin_alter(name: &str) -> String {
    format!("SELECT crsql_begin_alter({})", text(name))
}

pub fn commit_alter(name: &str) -> String {
    format!("SELECT crsql_commit_alter({})", text(name))
}

fn text(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

/// An index that keeps a table from being replicated, whatever rows it has.
pub fn spoil(table: &Table) -> String {
    let column = table.cells[0];
    let (table, column) = (quote(&table.name), quote(&table.columns[column].name));
    format!("CREATE UNIQUE INDEX spoiling ON {table}({column}) WHERE 0")
}

pub fn make_index(table: &Table, number: usize) -> String {
    let column = table.cells.first().unwrap_or(&table.key[0]);
    let (table, column) = (quote(&table.name), quote(&table.columns[*column].name));
    format!("CREATE INDEX IF NOT EXISTS extra_{number} ON {table}({column})")
}

pub fn drop_index(number: usize) -> String {
    format!("DROP INDEX IF EXISTS extra_{number}")
}

fn rebuild(table: &Table, order: &[usize], added: Option<&(Column, Value)>) -> Vec<String> {
    let kept = kept(table, order);
    let mut columns: Vec<String> = table
        .key
        .iter()
        .chain(&kept)
        .map(|column| quote(&table.columns[*column].name))
        .collect();
    let mut values = columns.clone();
    if let Some((column, fill)) = added {
        columns.push(quote(&column.name));
        values.push(literal(fill));
    }
    let (old, new) = (quote(&table.name), quote(REBUILT));
    vec![
        create(table, REBUILT, &kept, added.map(|(column, _)| column)),
        format!(
            "INSERT INTO {new}({}) SELECT {} FROM {old}",
            columns.join(", "),
            values.join(", ")
        ),
        format!("DROP TABLE {old}"),
        format!("ALTER TABLE {new} RENAME TO {old}"),
    ]
}

/// Those of the columns in a rebuilt table's order that the table has.
fn kept(table: &Table, order: &[usize]) -> Vec<usize> {
    let mut kept = order.to_vec();
    kept.retain(|column| table.cells.contains(column));
    kept
}

fn create(table: &Table, name: &str, cells: &[usize], added: Option<&Column>) -> String {
    let mut key = table.key.clone();
    key.sort_unstable();
    let columns = key
        .iter()
        .chain(cells)
        .map(|column| &table.columns[*column]);
    let mut parts: Vec<String> = columns
        .chain(added)
        .map(|column| declaration(column, table))
        .collect();
    if !table.has_rowid_alias() {
        let key: Vec<String> = table
            .key
            .iter()
            .map(|column| quote(&table.columns[*column].name))
            .collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    let options = match (table.is_strict(), table.has_rowid()) {
        (true, true) => " STRICT",
        (true, false) => " STRICT, WITHOUT ROWID",
        (false, true) => "",
        (false, false) => " WITHOUT ROWID",
    };
    format!(
        "CREATE TABLE {}({}){options}",
        quote(name),
        parts.join(", ")
    )
}

fn declaration(column: &Column, table: &Table) -> String {
    let kind = match column.rule {
        Rule::Any if table.is_strict() => " ANY",
        Rule::Any => "",
        Rule::RowidAlias => " INTEGER PRIMARY KEY",
        Rule::Integer | Rule::StrictInteger => " INT",
        Rule::Numeric => " NUMERIC",
        Rule::Real | Rule::StrictReal => " REAL",
        Rule::Text | Rule::StrictText => " TEXT",
        Rule::StrictBlob => " BLOB",
    };
    let mut text = format!("{}{kind}", quote(&column.name));
    if column.not_null {
        text.push_str(" NOT NULL");
    }
    if !column.default.is_null() {
        text.push_str(&format!(" DEFAULT {}", literal(&column.default)));
    }
    if let Some(refused) = column.refused {
        text.push_str(&format!(" CHECK ({} <> {refused})", quote(&column.name)));
    }
    text
}
