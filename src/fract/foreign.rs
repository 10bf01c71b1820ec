//! What cr-sqlite ordered a table by. It noted that nowhere, but the trigger that serves inserts into its view
//! calls a function with the names of the columns.

const FUNCTION: &str = "crsql_fract_fix_conflict_return_old_key";

/// The order column and the list columns in the text of a trigger: the arguments of the call between the
/// table's name and -1.
pub fn columns_of(trigger: &str) -> Option<Vec<String>> {
    let call = trigger.to_ascii_lowercase().find(FUNCTION)?;
    let mut rest = trigger.get(call + FUNCTION.len()..)?.trim_start();
    rest = rest.strip_prefix('(')?.trim_start();
    let mut texts = Vec::new();
    while !rest.starts_with("-1") {
        let (text, after) = quoted_text(rest)?;
        texts.push(text);
        rest = after.trim_start().strip_prefix(',')?.trim_start();
    }
    (texts.len() >= 2).then(|| texts.split_off(1))
}

/// A text in quotes at the beginning of another, and what follows it.
fn quoted_text(sql: &str) -> Option<(String, &str)> {
    let quote = sql
        .chars()
        .next()
        .filter(|c| ['\'', '"', '`'].contains(c))?;
    let mut text = String::new();
    let mut rest = sql.get(1..)?;
    loop {
        let (part, after) = rest.split_once(quote)?;
        text.push_str(part);
        rest = after;
        match rest.strip_prefix(quote) {
            Some(after) => {
                text.push(quote);
                rest = after;
            }
            None => return Some((text, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::columns_of;

    #[test]
    fn the_columns_stand_in_the_call() {
        let text = "CREATE TRIGGER x BEGIN SELECT Crsql_Fract_fix_conflict_return_old_key ( 'to''do','pos' , \"a \"\"b\",\
                    -1, 'id', NEW.\"after_id\") END";
        assert_eq!(
            columns_of(text),
            Some(vec!["pos".to_owned(), "a \"b".to_owned()])
        );
    }

    #[test]
    fn what_is_not_understood_gives_none() {
        for text in [
            "CREATE TRIGGER x BEGIN SELECT 1; END",
            "crsql_fract_fix_conflict_return_old_key",
            "crsql_fract_fix_conflict_return_old_key('t', -1, 'id', 1)",
            "crsql_fract_fix_conflict_return_old_key('t', 'pos', 1, 'id', 1)",
            "crsql_fract_fix_conflict_return_old_key('t', 'pos",
            "crsql_fract_fix_conflict_return_old_key('t', 'pos', ",
            "crsql_fract_fix_conflict_return_old_key(é, 'pos', -1)",
        ] {
            assert_eq!(columns_of(text), None, "{text}");
        }
    }
}
