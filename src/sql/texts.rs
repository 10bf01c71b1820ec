//! The SQL texts of `sql/` by name.

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $file));)*
    };
}

pub(super) use texts;

/// The tables every database has, in the order of their making.
pub const BOOTSTRAP: [&str; 14] = [
    include_str!("../../sql/bootstrap/master.sql"),
    include_str!("../../sql/bootstrap/site_id.sql"),
    include_str!("../../sql/bootstrap/site_id_unique.sql"),
    include_str!("../../sql/bootstrap/tracked_peers.sql"),
    include_str!("../../sql/bootstrap/tables.sql"),
    include_str!("../../sql/bootstrap/columns.sql"),
    include_str!("../../sql/bootstrap/log.sql"),
    include_str!("../../sql/bootstrap/parked.sql"),
    include_str!("../../sql/bootstrap/parked_column.sql"),
    include_str!("../../sql/bootstrap/parked_view.sql"),
    include_str!("../../sql/bootstrap/former_names.sql"),
    include_str!("../../sql/bootstrap/peer_times.sql"),
    include_str!("../../sql/bootstrap/peer_insert.sql"),
    include_str!("../../sql/bootstrap/peer_update.sql"),
];

/// How many tables `BOOTSTRAP_EXISTS` counts when all are there.
pub const BOOTSTRAP_TABLES: i64 = 9;

texts! {
    /// Counts the tables of `BOOTSTRAP`.
    BOOTSTRAP_EXISTS = "bootstrap/exists.sql";
    /// Makes the table of sites.
    BOOTSTRAP_SITE_ID = "bootstrap/site_id.sql";
    /// Makes its index.
    BOOTSTRAP_SITE_ID_UNIQUE = "bootstrap/site_id_unique.sql";
    /// Whether tables of cr-sqlite are there.
    UPGRADE_TRACES = "upgrade/traces.sql";
    /// The clock tables of cr-sqlite.
    UPGRADE_CLOCK_TABLES = "upgrade/clock_tables.sql";
    /// The clock tables of the fork's development version.
    UPGRADE_V2_CLOCK_TABLES = "upgrade/v2_clock_tables.sql";
    /// Whether a table is there.
    UPGRADE_HAS_TABLE = "upgrade/has_table.sql";
    /// The names of a table's columns.
    UPGRADE_TABLE_COLUMNS = "upgrade/table_columns.sql";
    /// The table that the triggers of an old name are on.
    UPGRADE_RENAMED = "upgrade/renamed.sql";
    /// What a name stands for.
    UPGRADE_KIND = "upgrade/kind.sql";
    /// Reads the clocks of a table with numbered keys.
    UPGRADE_SCAN_NUMBERED = "upgrade/scan_numbered.sql";
    /// Reads the clocks of a table without.
    UPGRADE_SCAN_INLINE = "upgrade/scan_inline.sql";
    /// Finds rows without clocks.
    UPGRADE_UNRECORDED_NUMBERED = "upgrade/unrecorded_numbered.sql";
    /// Finds rows without clocks where keys are not numbered.
    UPGRADE_UNRECORDED_INLINE = "upgrade/unrecorded_inline.sql";
    /// Looks for the clocks of a key.
    UPGRADE_SIBLING_NUMBERED = "upgrade/sibling_numbered.sql";
    /// Looks for the clocks of a key where keys are not numbered.
    UPGRADE_SIBLING_INLINE = "upgrade/sibling_inline.sql";
    /// Counts rows.
    UPGRADE_COUNT = "upgrade/count.sql";
    /// Looks for rows whose key is NULL.
    UPGRADE_NULL_KEY = "upgrade/null_key.sql";
    /// The greatest version of a clock table.
    UPGRADE_GREATEST_VERSION = "upgrade/greatest_version.sql";
    /// The triggers of cr-sqlite on a table.
    UPGRADE_OLD_TRIGGERS = "upgrade/old_triggers.sql";
    /// Drops a table of cr-sqlite.
    UPGRADE_DROP_TABLE = "upgrade/drop_table.sql";
    /// Forgets the sites.
    UPGRADE_FORGET_SITES = "upgrade/forget_sites.sql";
    /// Takes over numbered sites.
    UPGRADE_COPY_SITES = "upgrade/copy_sites.sql";
    /// Takes over the site id where sites are not numbered.
    UPGRADE_COPY_OWN_SITE = "upgrade/copy_own_site.sql";
    /// The sites in a clock table.
    UPGRADE_INLINE_SITES = "upgrade/inline_sites.sql";
    /// The version of this database by the fork's table.
    UPGRADE_OWN_VERSION = "upgrade/own_version.sql";
    /// Makes room for the versions of other sites.
    UPGRADE_MAKE_FOREIGN_VERSIONS = "upgrade/make_foreign_versions.sql";
    /// Collects the versions of other sites.
    UPGRADE_FOREIGN_VERSIONS = "upgrade/foreign_versions.sql";
    /// Makes room for what they become.
    UPGRADE_MAKE_STAMPS = "upgrade/make_stamps.sql";
    /// Numbers them.
    UPGRADE_STAMPS = "upgrade/stamps.sql";
    /// Makes room for log entries.
    UPGRADE_MAKE_ENTRIES = "upgrade/make_entries.sql";
    /// Adds a log entry.
    UPGRADE_ADD_ENTRY = "upgrade/add_entry.sql";
    /// Log entries in the order of the log.
    UPGRADE_ENTRIES = "upgrade/entries.sql";
    /// Makes room for entries whose place is taken.
    UPGRADE_MAKE_MOVED = "upgrade/make_moved.sql";
    /// Adds one.
    UPGRADE_ADD_MOVED = "upgrade/add_moved.sql";
    /// Reads them.
    UPGRADE_MOVED = "upgrade/moved.sql";
    /// Forgets them.
    UPGRADE_FORGET_MOVED = "upgrade/forget_moved.sql";
    /// Makes room for clock records.
    UPGRADE_MAKE_RECORDS = "upgrade/make_records.sql";
    /// Adds a clock record.
    UPGRADE_ADD_RECORD = "upgrade/add_record.sql";
    /// Reads one.
    UPGRADE_RECORD = "upgrade/record.sql";
    /// Replaces one.
    UPGRADE_SET_RECORD = "upgrade/set_record.sql";
    /// Writes the clock records of a table.
    UPGRADE_STORE_RECORDS = "upgrade/store_records.sql";
    /// Makes room for keys of another form.
    UPGRADE_MAKE_KEYS = "upgrade/make_keys.sql";
    /// Adds one.
    UPGRADE_ADD_KEY = "upgrade/add_key.sql";
    /// Looks for one.
    UPGRADE_HAS_KEY = "upgrade/has_key.sql";
    /// Drops a temporary table.
    UPGRADE_DROP_TEMPORARY = "upgrade/drop_temporary.sql";
    /// Reads a setting.
    MASTER_GET = "bootstrap/get.sql";
    /// Writes a setting.
    MASTER_SET = "bootstrap/set.sql";
    /// Removes a setting.
    MASTER_FORGET = "bootstrap/forget.sql";
    /// SQLite's randomness.
    RANDOM = "bootstrap/random.sql";
    /// This database's site id.
    SITE_LOCAL = "site/local.sql";
    /// A site's id.
    SITE_BY_ORDINAL = "site/by_ordinal.sql";
    /// A site's ordinal.
    SITE_BY_ID = "site/by_id.sql";
    /// Numbers a new site.
    SITE_ADD = "site/add.sql";
    /// Names this database.
    SITE_ADD_LOCAL = "site/add_local.sql";
    /// Adds a log row.
    LOG_APPEND = "log/append.sql";
    /// Removes a log row.
    LOG_REMOVE = "log/remove.sql";
    /// Removes a row of the log whatever its length.
    LOG_REMOVE_RUN = "log/remove_run.sql";
    /// The row of the log that a position falls into.
    LOG_COVERING = "log/covering.sql";
    /// The highest version given out.
    LOG_VERSION = "log/version.sql";
    /// The end of the log.
    LOG_LAST = "log/last.sql";
    /// The log rows of a range of versions.
    LOG_SCAN = "log/scan.sql";
    /// The log rows from a position on.
    LOG_SCAN_FROM = "log/scan_from.sql";
    /// The log rows of one key that stand alone.
    LOG_BY_KEY = "log/by_key.sql";
    /// The run that may hold an integer key.
    LOG_BY_RUN = "log/by_run.sql";
    /// Makes rows findable by key.
    LOG_INDEX_KEYS = "log/index_keys.sql";
    /// Makes runs findable by key.
    LOG_INDEX_RUNS = "log/index_runs.sql";
    /// The runs of packed keys.
    LOG_PACKED_RUNS = "log/packed_runs.sql";
    /// Registered tables that are gone.
    ORPHANS = "registry/orphans.sql";
    /// The triggers of a registered table.
    TRIGGERS = "registry/triggers.sql";
    /// Whether the application has triggers.
    OTHER_TRIGGERS = "registry/other_triggers.sql";
    /// Whether the application has temporary triggers.
    TEMP_TRIGGERS = "registry/temp_triggers.sql";
    /// The databases that the application attached.
    ATTACHED = "registry/attached.sql";
    /// Whether one of them has triggers.
    ATTACHED_TRIGGERS = "registry/attached_triggers.sql";
    /// Forgets a table's columns.
    REMOVE_COLUMNS = "registry/remove_columns.sql";
    /// Forgets a table.
    REMOVE_TABLE = "registry/remove_table.sql";
    /// Forgets a table's changes.
    LOG_REMOVE_TABLE = "log/remove_table.sql";
    /// The log rows of a part of one version.
    LOG_SCAN_WITHIN = "log/scan_within.sql";
    /// Forgets a table's clock records.
    CLOCK_DROP = "clock/drop.sql";
    /// Removes a trigger.
    TRIGGER_DROP = "trigger/drop.sql";
    /// A replicated table.
    TABLE_BY_ID = "registry/table_by_id.sql";
    /// A replicated table, in any case.
    TABLE_BY_NAME = "registry/table_by_name.sql";
    /// The registered columns of a table.
    COLUMNS = "registry/columns.sql";
    /// Keeps the former name of a table or column.
    ADD_FORMER_NAME = "registry/add_former_name.sql";
    /// The former names of a table's columns.
    FORMER_COLUMNS = "registry/former_columns.sql";
    /// A table by a former name.
    FORMER_TABLE = "registry/former_table.sql";
    /// Forgets the former names of what is gone.
    REMOVE_FORMER_NAMES = "registry/remove_former_names.sql";
    /// What is registered of a table.
    TABLE = "registry/table.sql";
    /// Changes what is registered of a table.
    SET_TABLE = "registry/set_table.sql";
    /// The names of a table's columns in an alter session.
    MARKED_COLUMNS = "registry/marked_columns.sql";
    /// A table in an alter session, by its former name.
    SESSION_BY_NAME = "registry/session_by_name.sql";
    /// The tables in alter sessions.
    SESSIONS = "registry/sessions.sql";
    /// A table with a row.
    LATE_OLD = "late/old.sql";
    /// Adds a column to it.
    LATE_ADD = "late/add.sql";
    /// What the row holds in it.
    LATE_GET = "late/get.sql";
    /// A table with the column.
    LATE_NEW = "late/new.sql";
    /// What a new row holds in it.
    LATE_INSERT = "late/insert.sql";
    /// The value of a DEFAULT.
    DEFAULT = "table/default.sql";
    /// Whether a table has rows beside one.
    HAS_ROWS_BESIDE = "table/has_rows_beside.sql";
    /// Whether a table has rows.
    HAS_ROWS = "table/has_rows.sql";
    /// Registers a table.
    ADD_TABLE = "registry/add_table.sql";
    /// Registers a column.
    ADD_COLUMN = "registry/add_column.sql";
    /// Moves with every change of the schema.
    SCHEMA_VERSION = "registry/schema_version.sql";
    /// Is compiled anew when the schema changed.
    SCHEMA_PROBE = "registry/schema_probe.sql";
    /// How far the peers are.
    STATUS_PEERS = "status/peers.sql";
    /// The tables to tell of.
    STATUS_TABLES = "status/tables.sql";
    /// Changes that a peer was not sent.
    STATUS_UNSENT = "status/unsent.sql";
    /// Parked changes of a table.
    STATUS_PARKED = "status/parked.sql";
    /// All parked changes.
    STATUS_PARKED_ALL = "status/parked_all.sql";
    /// Rows of a table.
    STATUS_ROWS = "status/rows.sql";
    /// Deleted rows of a table.
    STATUS_TOMBSTONES = "status/tombstones.sql";
    /// Bytes of a table's clock records.
    STATUS_RECORDS_BYTES = "status/records_bytes.sql";
    /// Entries of a table in the log.
    STATUS_LOG_ENTRIES = "status/log_entries.sql";
    /// Bytes of a table's entries in the log.
    STATUS_LOG_BYTES = "status/log_bytes.sql";
    /// Moves with every change of the temporary schema.
    TEMP_VERSION = "registry/temp_version.sql";
    /// Whether anything is parked.
    PARKED_ANY = "parked/any.sql";
    /// Reads a parked change.
    PARKED_GET = "parked/get.sql";
    /// Parks a change.
    PARKED_PUT = "parked/put.sql";
    /// The tables and columns that are waited for.
    PARKED_NEXT_COLUMN = "parked/next_column.sql";
    /// The parked changes of a table.
    PARKED_OF_TABLE = "parked/of_table.sql";
    /// Removes a parked change.
    PARKED_REMOVE = "parked/remove.sql";
    /// Says why a parked change stays.
    PARKED_REFUSE = "parked/refuse.sql";
    /// Forgets why parked changes stay.
    PARKED_RETRY = "parked/retry.sql";
    /// What kind of table a name is.
    DESCRIBE = "registry/describe.sql";
    /// Whether a name is a table of another schema.
    ELSEWHERE = "registry/elsewhere.sql";
    /// The columns of a table.
    DESCRIBE_COLUMNS = "registry/describe_columns.sql";
    /// The indexes of a table.
    INDEXES = "registry/indexes.sql";
    /// The columns of an index.
    INDEX_COLUMNS = "registry/index_columns.sql";
    /// The foreign keys of a table.
    FOREIGN_KEYS = "registry/foreign_keys.sql";
    /// The text that made a table.
    DEFINITION = "registry/definition.sql";
    /// The clock records of a table keyed by rowid.
    CLOCK_CREATE_BY_ROWID = "clock/create_by_rowid.sql";
    /// The clock records of a table with another key.
    CLOCK_CREATE_BY_KEY = "clock/create_by_key.sql";
    /// Reads a record.
    CLOCK_GET = "clock/get.sql";
    /// Writes a record.
    CLOCK_PUT = "clock/put.sql";
    /// Writes several.
    CLOCK_PUT_SEVERAL = "clock/put_several.sql";
    /// Writes one where none is.
    CLOCK_ADD_ONE = "clock/add_one.sql";
    /// The greatest key with a record.
    CLOCK_LAST = "clock/last.sql";
    /// Reads the records from a key on.
    CLOCK_SCAN = "clock/scan.sql";
    /// Reads a row.
    ROW_GET = "table/get_row.sql";
    /// Reads rows in the order of their rowids.
    ROW_WALK = "table/walk.sql";
    /// Reads a row with its rowid.
    ROW_FIND = "table/find.sql";
    /// Looks for a row.
    ROW_EXISTS = "table/exists.sql";
    /// Reads all keys.
    ROW_ALL_KEYS = "table/all_keys.sql";
    /// Reads the keys of some rows.
    ROW_KEYS_WHERE = "table/keys_where.sql";
    /// Makes a row.
    ROW_INSERT = "table/insert.sql";
    /// Makes a row that is not there.
    ROW_INSERT_NEW = "table/insert_new.sql";
    /// Makes several rows.
    ROW_INSERT_BATCH = "table/insert_batch.sql";
    /// Writes cells.
    ROW_UPDATE_CELLS = "table/update_cells.sql";
    /// Makes the table of parts.
    PARTS_CREATE = "parts/create.sql";
    /// Whether there is a table of parts.
    PARTS_EXISTS = "parts/exists.sql";
    /// Keeps a part.
    PARTS_PUT = "parts/put.sql";
    /// The parts of a transaction.
    PARTS_OF = "parts/of.sql";
    /// Reads a part.
    PARTS_GET = "parts/get.sql";
    /// The transactions of a sender, in a range, of which there are parts.
    PARTS_SUPERSEDED = "parts/superseded.sql";
    /// Makes the table of tables that a conversation leaves alone.
    UNMATCHED_CREATE = "reconcile/create.sql";
    /// Whether there is one.
    UNMATCHED_EXISTS = "reconcile/exists.sql";
    /// Whether there is something in it.
    UNMATCHED_ANY = "reconcile/any.sql";
    /// Forgets them.
    UNMATCHED_CLEAR = "reconcile/clear.sql";
    /// Notes one.
    UNMATCHED_PUT = "reconcile/put.sql";
    /// The transactions of which parts are here.
    STATUS_TRANSACTIONS = "status/transactions.sql";
    /// The tables that a conversation left alone.
    STATUS_UNMATCHED = "status/unmatched.sql";
    /// Forgets the parts of a transaction.
    PARTS_REMOVE = "parts/remove.sql";
    /// Writes a cell.
    ROW_UPDATE = "table/update.sql";
    /// Removes a row.
    ROW_DELETE = "table/delete.sql";
    /// SQLite's conversion to a real.
    CAST_REAL = "table/cast_real.sql";
    /// SQLite's conversion to text.
    CAST_TEXT = "table/cast_text.sql";
    /// Notices a key that an insert replaces.
    TRIGGER_EXISTING = "trigger/existing.sql";
    /// Captures inserts.
    TRIGGER_INSERT = "trigger/insert.sql";
    /// Notices a key that an update replaces.
    TRIGGER_DISPLACE = "trigger/displace.sql";
    /// Refuses an insert that would take another row's rowid.
    TRIGGER_ROWID_INSERT = "trigger/rowid_insert.sql";
    /// Refuses an update that would.
    TRIGGER_ROWID_UPDATE = "trigger/rowid_update.sql";
    /// Captures updates.
    TRIGGER_UPDATE = "trigger/update.sql";
    /// Keeps a row that an update changes, in an alter session.
    TRIGGER_SESSION_BEFORE = "trigger/session_before.sql";
    /// Captures updates in an alter session.
    TRIGGER_SESSION_AFTER = "trigger/session_after.sql";
    /// Follows the names of the columns through an alter session.
    TRIGGER_SESSION_COLUMNS = "trigger/session_columns.sql";
    /// Captures deletes.
    TRIGGER_DELETE = "trigger/delete.sql";
    /// What DDL made.
    AUTOMIGRATE_OBJECTS = "automigrate/objects.sql";
    /// Drops something.
    AUTOMIGRATE_DROP = "automigrate/drop.sql";
    /// Drops a column.
    AUTOMIGRATE_DROP_COLUMN = "automigrate/drop_column.sql";
    /// Adds a column.
    AUTOMIGRATE_ADD_COLUMN = "automigrate/add_column.sql";
    /// Makes the table of a `clset` table.
    CLSET_CREATE = "clset/create.sql";
    /// Drops it.
    CLSET_DROP = "clset/drop.sql";
    /// Starts an alter session.
    SESSION_BEGIN = "work/session_begin.sql";
    /// Undoes it.
    SESSION_UNDO = "work/session_undo.sql";
    /// Ends it.
    SESSION_RELEASE = "work/session_release.sql";
    /// Starts a piece of work that can be undone.
    WORK_BEGIN = "work/begin.sql";
    /// Ends it.
    WORK_RELEASE = "work/release.sql";
    /// Undoes it.
    WORK_UNDO = "work/undo.sql";
    /// Does nothing, to be stopped.
    WORK_ABANDON = "work/abandon.sql";
    /// Is under way while all statements are compiled anew.
    WORK_SCAN = "work/scan.sql";
    /// The same while the extension is being loaded.
    WORK_SCAN_EARLY = "work/scan_early.sql";
    /// Starts a transaction of the extension's own.
    TRANSACTION_BEGIN = "work/transaction_begin.sql";
    /// Commits it.
    TRANSACTION_COMMIT = "work/transaction_commit.sql";
    /// Undoes it.
    TRANSACTION_ROLLBACK = "work/transaction_rollback.sql";
    /// Takes part in the transaction.
    ENLIST = "work/enlist.sql";
    /// The registered tables with their names, also of those without triggers.
    REPAIR_TABLES = "repair/tables.sql";
    /// All that is known of all keys.
    REPAIR_KEYS = "repair/keys.sql";
    /// All that is known of the keys of one table.
    REPAIR_KEYS_OF = "repair/keys_of.sql";
    /// The whole log.
    REPAIR_LOG = "repair/log.sql";
    /// The log of one table.
    REPAIR_LOG_OF = "repair/log_of.sql";
    /// All clock records of a table.
    REPAIR_RECORDS = "repair/records.sql";
    /// Overwrites a clock record.
    REPAIR_SET_RECORD = "repair/set_record.sql";
    /// The keys of a table, in any order.
    REPAIR_ROW_KEYS = "repair/row_keys.sql";
    /// The triggers of a registered table with their texts.
    REPAIR_TRIGGERS_OF = "repair/triggers_of.sql";
    /// All sites.
    REPAIR_SITES = "repair/sites.sql";
    /// What stays of tables that are not registered.
    REPAIR_LEFTOVERS = "repair/leftovers.sql";
    /// Columns of tables that are not registered.
    REPAIR_STRAY_COLUMNS = "repair/stray_columns.sql";
    /// Whether a table has its clock records.
    REPAIR_HAS_RECORDS = "repair/has_records.sql";
    /// Makes this database's site one of the others.
    REPAIR_FORMER_SITE = "repair/former_site.sql";
    /// Gives this database's log entries to another site.
    REPAIR_LOG_SITES = "repair/log_sites.sql";
    /// Lets other connections notice.
    REPAIR_TOUCH_SCHEMA = "repair/touch_schema.sql";
    /// Takes away what made them notice.
    REPAIR_UNTOUCH_SCHEMA = "repair/untouch_schema.sql";
    /// The position of the row to come after.
    FRACT_ANCHOR = "fract/anchor.sql";
    /// The next position above.
    FRACT_ABOVE = "fract/above.sql";
    /// The next position below.
    FRACT_BELOW = "fract/below.sql";
    /// The position that a literal stands for.
    FRACT_END = "fract/end.sql";
    /// Whether another row is at the same position.
    FRACT_SHARED = "fract/shared.sql";
    /// Makes room between two rows at one position.
    FRACT_SEPARATE = "fract/separate.sql";
    /// Places inserted rows.
    FRACT_INSERT_TRIGGER = "fract/insert_trigger.sql";
    /// Places updated rows.
    FRACT_MOVE_TRIGGER = "fract/move_trigger.sql";
    /// Says what a table is ordered by.
    FRACT_MARKER_TRIGGER = "fract/marker_trigger.sql";
    /// An ordered table with the row to come after.
    FRACT_VIEW = "fract/view.sql";
    /// Serves inserts into the view.
    FRACT_VIEW_INSERT_TRIGGER = "fract/view_insert_trigger.sql";
    /// Serves updates of the view.
    FRACT_VIEW_UPDATE_TRIGGER = "fract/view_update_trigger.sql";
    /// Serves updates of the row to come after.
    FRACT_VIEW_MOVE_TRIGGER = "fract/view_move_trigger.sql";
    /// What was made under a name for an ordered table.
    FRACT_OBJECTS = "fract/objects.sql";
    /// The triggers that place a table's rows.
    FRACT_OF_TABLE = "fract/of_table.sql";
    /// Views of dropped tables.
    FRACT_ORPHANS = "fract/orphans.sql";
    /// What else goes by a name.
    FRACT_NAME_TAKEN = "fract/name_taken.sql";
    /// Removes a view.
    FRACT_DROP_VIEW = "fract/drop_view.sql";
    /// Places rows written without the triggers.
    FRACT_SETTLE = "fract/settle.sql";
    /// A row's position and the next one below.
    FRACT_PLACE = "fract/place.sql";
    /// Moves a row.
    FRACT_SET_POSITION = "fract/set_position.sql";
}
