//! Conversations of `crsql_reconcile`. What a message holds must be what its sender has; what it does is predicted from it.

use crate::model::replica::{Change, Replica};
use crate::model::value::Value;
use crate::schedule::run::Outcome;
use crate::schedule::sql;

use super::carry::{Content, Letter};
use super::files;
use super::fleet::Fleet;
use super::message::{self, SentRow};
use super::reach::Met;
use super::script::{Arrival, Ticket};

impl Fleet<'_> {
    pub fn talk(&mut self, ticket: Ticket, by: usize, with: usize, max_bytes: i64) -> Outcome {
        self.reached.met(Met::ConversationBegun);
        if !self.conversations.insert((by, with)) {
            self.reached.met(Met::ConversationRestarted);
        }
        let message = files::converse_first(self.database(by))?;
        let content = Content::Talk { message, max_bytes };
        let letter = self.letter(by, with, content);
        self.send(ticket, letter);
        Ok(())
    }

    /// A message arrives: its rows are merged, and an answer goes back.
    pub fn hear(
        &mut self,
        letter: &Letter,
        message: &[u8],
        max_bytes: i64,
        arrival: &Arrival,
    ) -> Outcome {
        let to = letter.to;
        let rows = message::rows(message).ok_or("a message that can't be read")?;
        let mut answer = None;
        let is_kept = self.in_transaction(to, arrival, |fleet| {
            answer = fleet.answer(to, message, &rows, max_bytes)?;
            Ok(())
        })?;
        if is_kept {
            self.stations[to].seen.touch(&letter.extent);
            match answer {
                Some(message) => {
                    let content = Content::Talk { message, max_bytes };
                    let letter = self.letter(to, letter.from, content);
                    self.send(arrival.ticket, letter);
                }
                None => {
                    self.reached.met(Met::ConversationEnded);
                    self.conversations.remove(&(to, letter.from));
                    self.conversations.remove(&(letter.from, to));
                }
            }
        }
        self.check_arrival(to)
    }

    fn answer(
        &mut self,
        node: usize,
        message: &[u8],
        rows: &[SentRow],
        max_bytes: i64,
    ) -> Outcome<Option<Vec<u8>>> {
        let changes: Vec<Change> = rows.iter().flat_map(SentRow::changes).collect();
        self.world.say(node, || {
            let rows: Vec<String> = changes.iter().map(sql::change).collect();
            format!("-- crsql_reconcile, with\n     {}", rows.join(",\n     "))
        });
        if !changes.is_empty() {
            self.reached.met(Met::RowsInConversation);
            let model = &mut self.world.nodes[node].model;
            let is_own = !model.is_in_transaction();
            if is_own {
                model.begin();
            }
            let outcome = model.merge(&changes);
            outcome.map_err(|_| "the model refuses the rows of a message".to_owned())?;
            if is_own {
                model.commit();
            }
        }
        let answer = files::converse(self.database(node), message, max_bytes)?;
        self.world.pin_next_version(node)?;
        self.world.check_impacted(node)?;
        if let Some(answer) = &answer {
            self.expect_rows(node, answer)?;
        }
        Ok(answer)
    }

    /// The rows that a replica sends are the rows that it has.
    fn expect_rows(&self, node: usize, message: &[u8]) -> Outcome {
        let rows = message::rows(message).ok_or("an answer that can't be read")?;
        for row in &rows {
            let expected = row_of(self.model(node), row).ok_or_else(|| {
                format!(
                    "{} sends a row that it does not have: {row:?}",
                    self.name(node)
                )
            })?;
            let mut sent: Vec<String> = row
                .cells
                .iter()
                .map(|(column, version, _, value)| cell(column, *version, value))
                .collect();
            sent.sort();
            if sent != expected {
                return Err(format!(
                    "{} sends {row:?}\n  and has {expected:?}",
                    self.name(node)
                ));
            }
        }
        Ok(())
    }
}

fn cell(column: &str, version: i64, value: &Value) -> String {
    let value = match value {
        // 0.0 and -0.0 are one value.
        Value::Real(real) => Value::Real(real + 0.0),
        other => other.clone(),
    };
    format!(
        "{} {version} {}",
        column.to_ascii_lowercase(),
        sql::literal(&value)
    )
}

/// The cells that the model has of this row; `None` if it has no such row in this life.
fn row_of(model: &Replica, row: &SentRow) -> Option<Vec<String>> {
    let place = model.find_table(&row.table)?;
    let table = model.table(place);
    let known = model.row(place, &row.pk)?;
    if known.causal_length() != row.cl {
        return None;
    }
    let values = known.values.as_ref();
    let events = known.cells.iter().enumerate();
    let mut cells: Vec<String> = events
        .filter_map(|(index, event)| {
            let column = &table.columns[table.cells[index]];
            let value = values.map_or(&Value::Null, |values| &values[index]);
            Some(cell(&column.name, event.as_ref()?.version, value))
        })
        .collect();
    cells.sort();
    Some(cells)
}
