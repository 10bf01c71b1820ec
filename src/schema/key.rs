//! The identity of a row: its rowid, or its packed key in canonical form.

use crate::crdt::key;
use crate::crdt::value::{Affinity, Value, ValueRef, whole_integer};

/// The key of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Of a table with an INTEGER PRIMARY KEY
    Rowid(i64),
    /// Of any other table: packed values, canonical
    Packed(Vec<u8>),
}

impl Key {
    /// The key as it stands in internal tables.
    pub fn stored(&self) -> ValueRef<'_> {
        match self {
            Key::Rowid(rowid) => ValueRef::Integer(*rowid),
            Key::Packed(packed) => ValueRef::Blob(packed),
        }
    }

    /// The first bytes as a number: keys of one table are in the order of these numbers, or have equal ones.
    pub fn prefix(&self) -> u128 {
        match self {
            Key::Rowid(rowid) => (i128::from(*rowid) - i128::from(i64::MIN)) as u128,
            Key::Packed(packed) => {
                let mut first = [0; 16];
                let length = packed.len().min(16);
                first[..length].copy_from_slice(&packed[..length]);
                u128::from_be_bytes(first)
            }
        }
    }

    /// The key as it stands in `crsql_changes`.
    pub fn packed(&self) -> Vec<u8> {
        match self {
            Key::Rowid(rowid) => key::pack([ValueRef::Integer(*rowid)].into_iter()),
            Key::Packed(packed) => packed.clone(),
        }
    }
}

/// The one form of all values that SQLite holds equal in a key column: without REAL affinity a whole real
/// is an integer, with it -0.0 is 0.0.
pub fn canonical(value: ValueRef<'_>, affinity: Affinity) -> ValueRef<'_> {
    match (value, affinity) {
        (ValueRef::Real(real), Affinity::Real) => ValueRef::Real(real + 0.0),
        (ValueRef::Real(real), _) => whole_integer(real).map_or(value, ValueRef::Integer),
        _ => value,
    }
}

/// The values of a packed key that this database made; none if the bytes are not one.
pub fn unpacked(packed: &[u8]) -> Option<Vec<Value>> {
    key::unpack(packed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_stand_in_the_order_of_keys() {
        let rowids = [i64::MIN, -1, 0, 1, i64::MAX].map(Key::Rowid);
        let long = [7; 16];
        let packed = [
            &[][..],
            &[0],
            &[0, 1],
            &[1],
            &long[..15],
            &long,
            &[&long[..], &[0]].concat(),
            &[8],
        ]
        .map(|bytes| Key::Packed(bytes.to_vec()));
        for keys in [&rowids[..], &packed] {
            assert!(keys.is_sorted());
            assert!(keys.is_sorted_by_key(Key::prefix));
        }
        assert!(rowids[1].prefix() < rowids[2].prefix());
        assert!(packed[4].prefix() < packed[5].prefix());
    }

    #[test]
    fn values_that_sqlite_holds_equal_have_one_form() {
        assert_eq!(
            canonical(ValueRef::Real(1.0), Affinity::None),
            ValueRef::Integer(1)
        );
        assert_eq!(
            canonical(ValueRef::Real(1.5), Affinity::None),
            ValueRef::Real(1.5)
        );
        assert_eq!(
            canonical(ValueRef::Real(1.0), Affinity::Real),
            ValueRef::Real(1.0)
        );
        let ValueRef::Real(zero) = canonical(ValueRef::Real(-0.0), Affinity::Real) else {
            panic!("a real stays a real");
        };
        assert!(zero.is_sign_positive());
    }
}
