//! The view of an ordered table, and the triggers that keep its positions, as statements.
//!
//! All names in them are identifiers, never texts, so that SQLite follows when a table or column is renamed.
//! What is compared is read under an alias and `NEW` in a query of its own: so a table may be called `new`,
//! or like an alias. `+` keeps a value free of any affinity but that of the stored column it is compared with.

use super::ordering::{Ordering, after_column};
use crate::crdt::value::Affinity;
use crate::schema::inspect::DeclaredColumn;
use crate::sql::{self, Part, column_of, join, literal, quoted};

/// All positions sort between these two texts, and nothing that a column may hold beside them does: numbers,
/// the literals -1 and 1 (as texts, too), blobs, NULL.
const LOWEST: &str = "'A'";
const HIGHEST: &str = "'{'";

/// What belongs to an ordered table, by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// Says what the table is ordered by
    Marker,
    /// Places rows that are inserted with a literal
    Insert,
    /// Places rows that are updated to a literal
    Move,
    /// Takes inserts and updates that name the row to come after
    View,
    /// Serves the view's inserts
    ViewInsert,
    /// Serves what an update of the view says of the table's own columns
    ViewUpdate,
    /// Serves what it says of the row to come after
    ViewMove,
}

impl Object {
    /// All of them, in the order of their making.
    pub const ALL: [Object; 7] = [
        Object::Marker,
        Object::Insert,
        Object::Move,
        Object::View,
        Object::ViewInsert,
        Object::ViewMove,
        Object::ViewUpdate,
    ];

    /// Its name, for a table of the name `stem`. Those of the view's triggers are parts of the view.
    pub fn name(self, stem: &str) -> String {
        match self {
            Object::Marker => format!("__crsql_{stem}_fractindex_columns"),
            Object::Insert => format!("__crsql_{stem}_fractindex_pend_trig"),
            Object::Move => format!("__crsql_{stem}_fractindex_ezmove"),
            Object::View => format!("{stem}_fractindex"),
            Object::ViewInsert => format!("{stem}_fractindex_insert_trig"),
            Object::ViewUpdate => format!("{stem}_fractindex_update_trig"),
            Object::ViewMove => format!("{stem}_fractindex_move_trig"),
        }
    }
}

/// The statement that makes an object, as SQLite will keep it but for the schema's name.
pub fn creation(ordering: &Ordering, object: Object) -> String {
    let name = object.name(&ordering.table.name);
    let texts = Texts { ordering };
    let text = match object {
        Object::Marker => texts.marker(&name),
        Object::Insert => texts.literal_trigger(sql::FRACT_INSERT_TRIGGER, &name),
        Object::Move => texts.literal_trigger(sql::FRACT_MOVE_TRIGGER, &name),
        Object::View => texts.view(&name),
        Object::ViewInsert => texts.view_insert(&name),
        Object::ViewUpdate => texts.view_update(&name),
        Object::ViewMove => texts.view_move(&name),
    };
    text.trim_end().to_owned()
}

/// The position below that of the row `a`, in the same list.
pub fn below_row(ordering: &Ordering) -> String {
    let texts = Texts { ordering };
    texts.below(
        |list| column_of("a", list),
        &column_of("a", &ordering.order),
    )
}

/// A key column has a value. Of two comparisons the first finds the row by the key's index, whatever its
/// collation, and the second one is exact.
pub fn key_term(key: &DeclaredColumn, cell: &str, value: &str) -> String {
    match key.affinity {
        Affinity::Numeric | Affinity::Real => format!("{cell} = {value}"),
        Affinity::Text | Affinity::None => {
            format!("{cell} = {value} AND {cell} = {value} COLLATE BINARY")
        }
    }
}

/// The row that the view is told to place.
#[derive(Clone, Copy)]
enum Incoming {
    /// It is new
    Inserted,
    /// It is in the table already
    Moved,
}

struct Texts<'a> {
    ordering: &'a Ordering,
}

impl Texts<'_> {
    fn view_name(&self) -> String {
        Object::View.name(&self.ordering.table.name)
    }

    /// Fills a text without its comment.
    fn fill(&self, text: &str, parts: &[(&str, Part<'_>)]) -> String {
        let own = [
            ("table", Part::Name(&self.ordering.table.name)),
            ("order", Part::Name(&self.ordering.order)),
            ("lowest", Part::Sql(LOWEST)),
            ("highest", Part::Sql(HIGHEST)),
        ];
        let code = text.lines().filter(|line| !line.starts_with("--"));
        let code = join("\n", code.map(str::to_owned));
        sql::fill(&code, &[&own[..], parts].concat())
    }

    /// `alias.list IS value AND ...`: the lists are told apart as their columns compare, and NULL is a list.
    fn in_list(&self, alias: &str, value: impl Fn(&str) -> String) -> String {
        let terms = self.ordering.lists.iter().map(|list| {
            let cell = column_of(alias, list);
            format!("{cell} IS +{} AND ", value(list))
        });
        terms.collect()
    }

    fn below(&self, value: impl Fn(&str) -> String, bound: &str) -> String {
        let in_list = self.in_list("n", value);
        let parts = [
            ("in_list", Part::Sql(&in_list)),
            ("bound", Part::Sql(bound)),
        ];
        self.fill(sql::FRACT_BELOW, &parts)
    }

    fn above(&self, value: impl Fn(&str) -> String, bound: &str, incoming: Incoming) -> String {
        let in_list = self.in_list("n", value);
        let but = self.but(incoming, "n");
        let parts = [
            ("in_list", Part::Sql(&in_list)),
            ("but", Part::Sql(&but)),
            ("bound", Part::Sql(bound)),
        ];
        self.fill(sql::FRACT_ABOVE, &parts)
    }

    /// `... AND`: a row is not the one that is moved, which may have its new key already or not yet.
    fn but(&self, incoming: Incoming, alias: &str) -> String {
        let differs = |row: &str| {
            let differs = self.is_other(alias, |key| format!("+{}", column_of(row, key)));
            format!("({differs}) AND ")
        };
        match incoming {
            Incoming::Inserted => String::new(),
            Incoming::Moved => differs("OLD") + &differs("NEW"),
        }
    }

    /// The condition that a row has another key.
    fn is_other(&self, alias: &str, value: impl Fn(&str) -> String) -> String {
        let terms = self.ordering.key_names().into_iter().map(|key| {
            let (cell, value) = (column_of(alias, key), value(key));
            format!("{cell} IS NOT {value} COLLATE BINARY")
        });
        join(" OR ", terms)
    }

    /// The condition that a row read as `alias`, or written if there is none, has a key.
    fn has_key(&self, alias: Option<&str>, value: impl Fn(&str) -> String) -> String {
        let terms = self.ordering.table.key_columns().into_iter().map(|key| {
            let cell = alias.map_or_else(|| quoted(&key.name), |alias| column_of(alias, &key.name));
            key_term(key, &cell, &value(&key.name))
        });
        join(" AND ", terms)
    }

    /// The row that is written is the one that `row` (`NEW`, `OLD`) is about.
    fn is_row(&self, row: &str) -> String {
        self.has_key(None, |key| format!("(SELECT +{})", column_of(row, key)))
    }

    fn marker(&self, name: &str) -> String {
        let columns = join(", ", self.ordering.names().map(quoted));
        let parts = [
            ("trigger", Part::Name(name)),
            ("columns", Part::Sql(&columns)),
        ];
        self.fill(sql::FRACT_MARKER_TRIGGER, &parts)
    }

    /// Refuses rows that nothing tells from others.
    fn guard(&self, row: &str) -> String {
        let guards = self.ordering.nullable_key().into_iter().map(|key| {
            let refusal = literal(&format!(
                "crsql: a row of table {} can't be placed, because its key column {} is NULL; give the row a key",
                quoted(&self.ordering.table.name),
                quoted(key)
            ));
            let cell = column_of(row, key);
            format!("\n  SELECT RAISE(ABORT, {refusal}) WHERE {cell} IS NULL;")
        });
        guards.collect()
    }

    fn literal_trigger(&self, text: &str, name: &str) -> String {
        let incoming = |list: &str| column_of("NEW", list);
        let end = self.fill(
            sql::FRACT_END,
            &[
                (
                    "first",
                    Part::Sql(&self.above(incoming, LOWEST, Incoming::Inserted)),
                ),
                ("last", Part::Sql(&self.below(incoming, HIGHEST))),
            ],
        );
        self.fill(
            text,
            &[
                ("trigger", Part::Name(name)),
                ("guard", Part::Sql(&self.guard("NEW"))),
                ("end", Part::Sql(&end)),
                ("row", Part::Sql(&self.is_row("NEW"))),
            ],
        )
    }

    fn view(&self, name: &str) -> String {
        let own = self.ordering.table.columns.iter().map(|column| {
            let name = quoted(&column.name);
            format!("{name} AS {name}")
        });
        let after = self
            .ordering
            .key_names()
            .into_iter()
            .map(|key| format!("NULL AS {}", quoted(&after_column(key))));
        let columns = join(", ", own.chain(after));
        let parts = [("view", Part::Name(name)), ("columns", Part::Sql(&columns))];
        self.fill(sql::FRACT_VIEW, &parts)
    }

    /// The position of the row to come after, in a list.
    fn anchor(&self, value: impl Fn(&str) -> String) -> String {
        let is_anchor = self.has_key(Some("a"), after);
        let in_list = self.in_list("a", value);
        let parts = [
            ("is_anchor", Part::Sql(&is_anchor)),
            ("in_list", Part::Sql(&in_list)),
        ];
        self.fill(sql::FRACT_ANCHOR, &parts)
    }

    /// Makes room between the row to come after and one at the same position.
    fn separate(&self, value: impl Fn(&str) -> String, incoming: Incoming) -> String {
        let anchor = self.anchor(&value);
        let is_other = self.is_other("o", after);
        let in_list = self.in_list("o", &value);
        let shared = self.fill(
            sql::FRACT_SHARED,
            &[
                ("in_list", Part::Sql(&in_list)),
                ("but", Part::Sql(&self.but(incoming, "o"))),
                ("anchor", Part::Sql(&anchor)),
                ("is_other", Part::Sql(&is_other)),
            ],
        );
        let below = self.below(&value, &format!("({anchor})"));
        let row = self.has_key(None, |key| format!("(SELECT {})", after(key)));
        let parts = [
            ("below", Part::Sql(&below)),
            ("anchor", Part::Sql(&anchor)),
            ("row", Part::Sql(&row)),
            ("shared", Part::Sql(&shared)),
        ];
        self.fill(sql::FRACT_SEPARATE, &parts)
    }

    /// The position behind the row to come after; without one, before the list's first.
    fn position(&self, value: impl Fn(&str) -> String, incoming: Incoming) -> String {
        let anchor = self.anchor(&value);
        let bound = format!("coalesce(({anchor}), {LOWEST})");
        let above = self.above(&value, &bound, incoming);
        format!("crsql_fract_key_between(({anchor}), ({above}))")
    }

    fn view_insert(&self, name: &str) -> String {
        let writable: Vec<_> = self.ordering.writable().collect();
        let value = |name: &str| {
            let cell = column_of("NEW", name);
            let default = writable
                .iter()
                .find_map(|(column, default)| default.filter(|_| column.name == name));
            match default {
                Some(default) => format!("coalesce({cell}, {default})"),
                None => cell,
            }
        };
        let columns = writable.iter().map(|(column, _)| quoted(&column.name));
        let values = writable.iter().map(|(column, _)| {
            if column.name == self.ordering.order {
                self.position(value, Incoming::Inserted)
            } else {
                value(&column.name)
            }
        });
        self.fill(
            sql::FRACT_VIEW_INSERT_TRIGGER,
            &[
                ("trigger", Part::Name(name)),
                ("view", Part::Name(&self.view_name())),
                (
                    "separate",
                    Part::Sql(&self.separate(value, Incoming::Inserted)),
                ),
                ("columns", Part::Sql(&join(", ", columns))),
                ("values", Part::Sql(&join(", ", values))),
            ],
        )
    }

    fn view_update(&self, name: &str) -> String {
        let columns: Vec<&str> = self
            .ordering
            .writable()
            .map(|(column, _)| column.name.as_str())
            .collect();
        let assignments = columns.iter().map(|column| {
            let cell = quoted(column);
            let (old, new) = (column_of("OLD", column), column_of("NEW", column));
            if *column == self.ordering.order {
                format!("{cell} = CASE WHEN {cell} IS (SELECT {old}) THEN (SELECT {new}) ELSE {cell} END")
            } else {
                format!("{cell} = (SELECT {new})")
            }
        });
        let of = columns.iter().map(|column| quoted(column));
        self.fill(
            sql::FRACT_VIEW_UPDATE_TRIGGER,
            &[
                ("trigger", Part::Name(name)),
                ("view", Part::Name(&self.view_name())),
                ("of", Part::Sql(&join(", ", of))),
                ("guard", Part::Sql(&self.guard("OLD"))),
                ("assignments", Part::Sql(&join(", ", assignments))),
                ("row", Part::Sql(&self.is_row("OLD"))),
            ],
        )
    }

    fn view_move(&self, name: &str) -> String {
        let value = |list: &str| column_of("NEW", list);
        let keys = self.ordering.key_names();
        let of = keys.iter().map(|key| quoted(&after_column(key)));
        // The other trigger may have given the row its new key already, or not yet.
        let is_old = self.has_key(Some("r"), |key| format!("+{}", column_of("OLD", key)));
        let row = self.has_key(None, |key| {
            format!(
                "(SELECT CASE WHEN EXISTS (SELECT 1 FROM {} AS r WHERE {is_old}) THEN {} ELSE {} END)",
                quoted(&self.ordering.table.name),
                column_of("OLD", key),
                column_of("NEW", key)
            )
        });
        self.fill(
            sql::FRACT_VIEW_MOVE_TRIGGER,
            &[
                ("trigger", Part::Name(name)),
                ("view", Part::Name(&self.view_name())),
                ("of", Part::Sql(&join(", ", of))),
                ("guard", Part::Sql(&self.guard("OLD"))),
                (
                    "separate",
                    Part::Sql(&self.separate(value, Incoming::Moved)),
                ),
                (
                    "position",
                    Part::Sql(&self.position(value, Incoming::Moved)),
                ),
                ("row", Part::Sql(&row)),
            ],
        )
    }
}

/// A column of the key of the row to come after.
fn after(key: &str) -> String {
    format!("+{}", column_of("NEW", &after_column(key)))
}
