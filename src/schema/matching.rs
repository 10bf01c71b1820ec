//! Which declared column is which registered one, after the table was altered.
//!
//! `ALTER TABLE` appends columns, renames them in place and takes them out; it never reorders them. A rebuilt
//! table may have any order, and there only names count.

/// How the declared columns came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History<'a> {
    /// Columns were renamed in place and appended: the triggers kept all others from going
    Appended,
    /// Columns were also dropped, and these are the names that the registered ones, in the order of their
    /// places, went by at the end
    Followed(&'a [String]),
    /// The table was made anew
    Rebuilt,
}

/// For each registered column, by its former name in the order of the places, the index of the declared one;
/// none if it is gone.
pub fn match_columns(
    registered: &[&str],
    declared: &[&str],
    history: History<'_>,
) -> Vec<Option<usize>> {
    let by_name = |name: &str| declared.iter().position(|declared| *declared == name);
    match history {
        History::Appended if registered.len() <= declared.len() => {
            (0..registered.len()).map(Some).collect()
        }
        History::Appended | History::Rebuilt => {
            registered.iter().map(|name| by_name(name)).collect()
        }
        History::Followed(names) => followed(registered, declared, names),
    }
}

fn followed(registered: &[&str], declared: &[&str], names: &[String]) -> Vec<Option<usize>> {
    let name_of = |place: usize| names.get(place).map_or(registered[place], String::as_str);
    let mut found = vec![None; registered.len()];
    // From the end: whoever stayed stands before all that stayed after it; a column that was dropped and
    // added again stands behind them.
    let mut bound = declared.len();
    for place in (0..registered.len()).rev() {
        let is_taken = |name: &str| {
            // A renamed column took the name of one that was dropped.
            let others = (0..registered.len()).filter(|other| *other != place);
            registered[place] == name
                && others
                    .into_iter()
                    .any(|other| name_of(other) == name && registered[other] != name)
        };
        let name = name_of(place);
        let index = declared.iter().position(|declared| *declared == name);
        if let Some(index) = index.filter(|index| *index < bound)
            && !is_taken(name)
        {
            found[place] = Some(index);
            bound = index;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&str> {
        list.split_terminator(' ').collect()
    }

    fn after(registered: &str, declared: &str, followed: &str) -> Vec<Option<usize>> {
        let followed: Vec<String> = names(followed).into_iter().map(str::to_owned).collect();
        match_columns(
            &names(registered),
            &names(declared),
            History::Followed(&followed),
        )
    }

    #[test]
    fn renamed_columns_are_found_by_their_place() {
        let found = match_columns(&names("a b"), &names("b a c"), History::Appended);
        assert_eq!(found, [Some(0), Some(1)]);
    }

    #[test]
    fn a_rebuilt_table_is_matched_by_name() {
        let found = match_columns(&names("a b c"), &names("c x a"), History::Rebuilt);
        assert_eq!(found, [Some(2), None, Some(0)]);
    }

    #[test]
    fn names_are_followed_through_renames_and_drops() {
        assert_eq!(after("a b c", "a d e", "a b d"), [Some(0), None, Some(1)]);
        assert_eq!(after("a b c", "x c", "x b c"), [Some(0), None, Some(1)]);
    }

    #[test]
    fn a_column_dropped_and_added_again_is_a_new_one() {
        assert_eq!(after("a b c", "b c a", "a b c"), [None, Some(0), Some(1)]);
        assert_eq!(after("a b", "b a", "a b"), [None, Some(0)]);
    }

    #[test]
    fn a_name_taken_over_belongs_to_the_renamed_column() {
        assert_eq!(after("a b", "a", "a a"), [None, Some(0)]);
        assert_eq!(after("b a", "a", "a a"), [Some(0), None]);
    }
}
