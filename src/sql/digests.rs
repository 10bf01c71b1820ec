//! The texts on the tables of the digests.

use super::texts::texts;

/// The tables of the digests, made when a digest is first asked for.
pub const DIGEST_TABLES: [&str; 5] = [
    include_str!("../../sql/digest/create_state.sql"),
    include_str!("../../sql/digest/create_trees.sql"),
    include_str!("../../sql/digest/create_nodes.sql"),
    include_str!("../../sql/digest/create_dead.sql"),
    include_str!("../../sql/digest/create_touched.sql"),
];

texts! {
    /// The log rows after a position.
    LOG_SCAN_AFTER = "log/scan_after.sql";
    /// Whether the tables of the digests are there.
    DIGEST_EXISTS = "digest/exists.sql";
    /// Takes the write lock.
    DIGEST_LOCK = "digest/lock.sql";
    /// Up to where the digests are current.
    DIGEST_STATE = "digest/state.sql";
    /// Makes the next call look at all tables.
    DIGEST_DISTRUST = "digest/distrust.sql";
    /// Notes up to where the digests are current.
    DIGEST_PUT_STATE = "digest/put_state.sql";
    /// Notes a key that was written without a log entry.
    DIGEST_TOUCH = "digest/touch.sql";
    /// The keys noted.
    DIGEST_TOUCHED = "digest/touched.sql";
    /// Forgets the keys noted.
    DIGEST_FORGET_TOUCHED = "digest/forget_touched.sql";
    /// The roots of a table.
    DIGEST_TREE = "digest/tree.sql";
    /// Writes the roots of a table.
    DIGEST_PUT_TREE = "digest/put_tree.sql";
    /// The tables with roots.
    DIGEST_KNOWN_TREES = "digest/known_trees.sql";
    /// Forgets the roots of a table.
    DIGEST_REMOVE_TREE = "digest/remove_tree.sql";
    /// Forgets the nodes of a table.
    DIGEST_REMOVE_NODES = "digest/remove_nodes.sql";
    /// Forgets the deleted rows of a table.
    DIGEST_REMOVE_ALL_DEAD = "digest/remove_all_dead.sql";
    /// The node that a key belongs to.
    DIGEST_NODE_FROM = "digest/node_from.sql";
    /// The first node that ends after a key.
    DIGEST_NODE_AFTER = "digest/node_after.sql";
    /// The last node that ends before a key.
    DIGEST_NODE_BEFORE = "digest/node_before.sql";
    /// The nodes that end in a range.
    DIGEST_NODE_RANGE = "digest/node_range.sql";
    /// Writes a node.
    DIGEST_PUT_NODE = "digest/put_node.sql";
    /// Removes the nodes that end in a range.
    DIGEST_REMOVE_NODE_RANGE = "digest/remove_node_range.sql";
    /// Removes the nodes above a level.
    DIGEST_REMOVE_NODES_ABOVE = "digest/remove_nodes_above.sql";
    /// Notes a deleted row.
    DIGEST_PUT_DEAD = "digest/put_dead.sql";
    /// Forgets a deleted row.
    DIGEST_REMOVE_DEAD = "digest/remove_dead.sql";
    /// The deleted rows of a range.
    DIGEST_DEAD_RANGE = "digest/dead_range.sql";
    /// The deleted rows of a table, by their records.
    DIGEST_DEAD_RECORDS = "digest/dead_records.sql";
    /// The rows of a range.
    DIGEST_ROWS_IN_RANGE = "digest/rows_in_range.sql";
    /// The ids of all registered tables.
    DIGEST_TABLES_KNOWN = "digest/tables.sql";
    /// How the database stores text.
    ENCODING = "digest/encoding.sql";
}
