//! Where the compiled statements of a replicated table are kept.

/// The slots of `Crr::statements`.
pub mod slot {
    /// Reads a record
    pub const CLOCK_GET: usize = 0;
    /// Writes a record
    pub const CLOCK_PUT: usize = 1;
    /// Finds the greatest key
    pub const CLOCK_LAST: usize = 2;
    /// Reads a row
    pub const ROW_GET: usize = 3;
    /// Looks for a row
    pub const ROW_EXISTS: usize = 4;
    /// Reads the late columns of a row
    pub const LATE_GET: usize = 5;
    /// Reads rows in the order of their rowids
    pub const ROW_WALK: usize = 6;
    /// Reads a row with its rowid
    pub const ROW_FIND: usize = 7;
    /// Reads the records from a key on
    pub const CLOCK_SCAN: usize = 8;
    /// Writes several records where none are
    pub const CLOCK_ADD: usize = 9;
    /// Writes a record where none is
    pub const CLOCK_ADD_ONE: usize = 10;
    /// Writes several records
    pub const CLOCK_PUT_SEVERAL: usize = 11;
}

/// The slots of `Crr::writes`.
pub mod write_slot {
    /// Removes a row
    pub const ROW_DELETE: usize = 0;
    /// Makes a row of its key alone
    pub const ROW_INSERT_BARE: usize = 1;
    /// From here on those of the columns, then one for each set of columns that `Crr::set_slot` numbers
    pub const COLUMNS: usize = 2;
    /// For each column, this one makes a row with that cell
    pub const INSERT: usize = 0;
    /// This one writes that cell
    pub const UPDATE: usize = 1;
    /// This one makes a row with that cell, unless its key is there
    pub const INSERT_NEW: usize = 2;
    /// So many there are for a column
    pub const PER_COLUMN: usize = 3;

    /// The slot of a statement for one column.
    pub fn of_column(index: usize, statement: usize) -> usize {
        COLUMNS + PER_COLUMN * index + statement
    }
}
