//! Streams of SQLite values: their classes, and for each class the values one behind the other.
//!
//! ```text
//! values := class:u8              all values are of this class, or MIXED
//!           class:u8{count}       only where MIXED
//!           block(integers)       where there may be any, likewise below
//!           block(reals)
//!           block(lengths) block(bytes)     of texts and blobs
//! reals  := 0 f64{count}          little-endian
//!         | 1 scale:u8 numbers    a real is its number divided by 10^scale
//! ```

use super::Defect;
use super::numbers::{self, NumberReader, Numbers, plain_len, put_block, take, take_block};
use crate::crdt::value::ValueRef;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;
const MIXED: u8 = 5;

const REALS_PLAIN: u8 = 0;
const REALS_DECIMAL: u8 = 1;

/// Powers of ten that reals are tried with: prices and coordinates have at most so many places.
const SCALES: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Whole numbers up to this one (2^53) are reals without loss.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Values that were collected.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    /// The class of all, as long as it is one
    class: u8,
    len: usize,
    /// The class of each, once they differ
    classes: Vec<u8>,
    integers: Numbers,
    reals: Vec<f64>,
    lengths: Numbers,
    bytes: Vec<u8>,
}

/// How many values of each stream precede a place.
#[derive(Clone, Copy, Default)]
struct Place {
    integers: usize,
    reals: usize,
    lengths: usize,
    bytes: usize,
}

impl Values {
    /// Takes in a value; gives about the bytes that it takes, rather more than less.
    pub(super) fn push(&mut self, value: ValueRef<'_>) -> usize {
        let (class, size) = match value {
            ValueRef::Null => (NULL, 0),
            ValueRef::Integer(integer) => {
                self.integers.push(integer);
                (INTEGER, plain_len(integer))
            }
            ValueRef::Real(real) => {
                self.reals.push(real);
                (REAL, 9)
            }
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                self.lengths.push(bytes.len() as i64);
                self.bytes.extend_from_slice(bytes);
                let class = match value {
                    ValueRef::Text(_) => TEXT,
                    _ => BLOB,
                };
                (class, bytes.len() + plain_len(bytes.len() as i64))
            }
        };
        if self.len == 0 {
            self.class = class;
        }
        if !self.classes.is_empty() {
            self.classes.push(class);
        } else if class != self.class {
            self.classes = vec![self.class; self.len];
            self.classes.push(class);
        }
        self.len += 1;
        size + 1
    }

    fn class(&self, index: usize) -> u8 {
        self.classes.get(index).copied().unwrap_or(self.class)
    }

    fn place(&self, end: usize) -> Place {
        let mut place = Place::default();
        for index in 0..end {
            match self.class(index) {
                INTEGER => place.integers += 1,
                REAL => place.reals += 1,
                TEXT | BLOB => {
                    place.bytes += self.lengths.get(place.lengths) as usize;
                    place.lengths += 1;
                }
                _ => {}
            }
        }
        place
    }

    /// Writes those from `start` to before `end`.
    pub(super) fn write(&self, start: usize, end: usize, out: &mut Vec<u8>) {
        let is_whole = end == self.len;
        let (from, to) = match (start, is_whole) {
            (0, true) => (Place::default(), self.end()),
            (0, false) => (Place::default(), self.place(end)),
            (_, true) => (self.place(start), self.end()),
            _ => (self.place(start), self.place(end)),
        };
        let first = self.class(start);
        let is_mixed = (start..end).any(|index| self.class(index) != first);
        if is_mixed {
            out.push(MIXED);
            out.extend((start..end).map(|index| self.class(index)));
        } else {
            out.push(first);
        }
        if is_mixed || first == INTEGER {
            put_block(out, |out| {
                self.integers.write(from.integers, to.integers, out);
            });
        }
        if is_mixed || first == REAL {
            put_block(out, |out| {
                let reals = self.reals.get(from.reals..to.reals).unwrap_or_default();
                write_reals(reals, out);
            });
        }
        if is_mixed || first == TEXT || first == BLOB {
            put_block(out, |out| self.lengths.write(from.lengths, to.lengths, out));
            let bytes = self.bytes.get(from.bytes..to.bytes).unwrap_or_default();
            numbers::put_varint(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
    }

    fn end(&self) -> Place {
        Place {
            integers: self.integers.len(),
            reals: self.reals.len(),
            lengths: self.lengths.len(),
            bytes: self.bytes.len(),
        }
    }
}

/// The whole number that `real` is times `power`, if the division gives it back bit by bit. Both operands of that
/// are exact, so every machine gets the same.
fn to_decimal(real: f64, power: f64) -> Option<i64> {
    let scaled = (real * power).round();
    let number = scaled as i64;
    let is_same = || (number as f64 / power).to_bits() == real.to_bits();
    (scaled.abs() <= EXACT_MAX && is_same()).then_some(number)
}

/// The reals as whole numbers and the scale they share, if there is one.
fn decimals(reals: &[f64]) -> Option<(u8, Vec<i64>)> {
    let mut scale = 0;
    for real in reals {
        while to_decimal(*real, *SCALES.get(scale)?).is_none() {
            scale += 1;
        }
    }
    // What was whole at a smaller scale may have too many digits at this one.
    let power = SCALES[scale];
    let numbers = reals.iter().map(|real| to_decimal(*real, power));
    Some((scale as u8, numbers.collect::<Option<_>>()?))
}

fn write_reals(reals: &[f64], out: &mut Vec<u8>) {
    match decimals(reals) {
        _ if reals.is_empty() => {}
        Some((scale, decimals)) => {
            out.extend([REALS_DECIMAL, scale]);
            numbers::write(decimals.len(), |index| decimals[index], out);
        }
        None => {
            out.push(REALS_PLAIN);
            out.extend(reals.iter().flat_map(|real| real.to_le_bytes()));
        }
    }
}

#[derive(Debug, Clone)]
enum RealReader<'a> {
    Plain(&'a [u8]),
    Decimal(f64, NumberReader<'a>),
}

impl<'a> RealReader<'a> {
    fn new(block: &'a [u8]) -> Result<RealReader<'a>, Defect> {
        match block {
            [] => Ok(RealReader::Plain(block)),
            [REALS_PLAIN, plain @ ..] => Ok(RealReader::Plain(plain)),
            [REALS_DECIMAL, scale, numbers @ ..] => {
                let power = SCALES.get(usize::from(*scale));
                let power = power.ok_or(Defect::Form(*scale))?;
                Ok(RealReader::Decimal(*power, NumberReader::new(numbers)?))
            }
            [form, ..] => Err(Defect::Form(*form)),
        }
    }

    fn next(&mut self) -> Result<f64, Defect> {
        match self {
            RealReader::Plain(rest) => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(take(rest, 8)?);
                let real = f64::from_le_bytes(bytes);
                if real.is_nan() {
                    return Err(Defect::NotANumber);
                }
                Ok(real)
            }
            RealReader::Decimal(power, numbers) => Ok(numbers.next()? as f64 / *power),
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        match self {
            RealReader::Plain([]) => Ok(()),
            RealReader::Plain(_) => Err(Defect::Long),
            RealReader::Decimal(_, numbers) => numbers.finish(),
        }
    }
}

/// Reads values one by one.
#[derive(Debug, Clone)]
pub(super) struct ValueReader<'a> {
    class: u8,
    classes: &'a [u8],
    integers: NumberReader<'a>,
    reals: RealReader<'a>,
    lengths: NumberReader<'a>,
    bytes: &'a [u8],
}

impl<'a> ValueReader<'a> {
    /// Takes the stream of `count` values.
    pub(super) fn take(rest: &mut &'a [u8], count: u64) -> Result<ValueReader<'a>, Defect> {
        let class = take(rest, 1)?[0];
        if class > MIXED {
            return Err(Defect::Class(class));
        }
        let mut reader = ValueReader {
            class,
            classes: &[],
            integers: NumberReader::new(&[])?,
            reals: RealReader::Plain(&[]),
            lengths: NumberReader::new(&[])?,
            bytes: &[],
        };
        let is_mixed = class == MIXED;
        if is_mixed {
            reader.classes = take(rest, count)?;
        }
        if is_mixed || class == INTEGER {
            reader.integers = NumberReader::new(take_block(rest)?)?;
        }
        if is_mixed || class == REAL {
            reader.reals = RealReader::new(take_block(rest)?)?;
        }
        if is_mixed || class == TEXT || class == BLOB {
            reader.lengths = NumberReader::new(take_block(rest)?)?;
            reader.bytes = take_block(rest)?;
        }
        Ok(reader)
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<ValueRef<'a>, Defect> {
        let mut class = self.class;
        if class == MIXED {
            let (first, rest) = self.classes.split_first().ok_or(Defect::Short)?;
            (class, self.classes) = (*first, rest);
        }
        Ok(match class {
            NULL => ValueRef::Null,
            INTEGER => ValueRef::Integer(self.integers.next()?),
            REAL => ValueRef::Real(self.reals.next()?),
            TEXT => ValueRef::Text(self.next_bytes()?),
            BLOB => ValueRef::Blob(self.next_bytes()?),
            _ => return Err(Defect::Class(class)),
        })
    }

    fn next_bytes(&mut self) -> Result<&'a [u8], Defect> {
        let length = u64::try_from(self.lengths.next()?).map_err(|_| Defect::Short)?;
        take(&mut self.bytes, length)
    }

    /// Whether all bytes were used.
    pub(super) fn finish(&self) -> Result<(), Defect> {
        self.integers.finish()?;
        self.reals.finish()?;
        self.lengths.finish()?;
        match (self.bytes, self.classes) {
            ([], []) => Ok(()),
            _ => Err(Defect::Long),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(values: &[ValueRef<'_>]) -> Vec<u8> {
        let mut collected = Values::default();
        values.iter().for_each(|value| {
            collected.push(*value);
        });
        let mut out = Vec::new();
        collected.write(0, values.len(), &mut out);
        let mut rest = &out[..];
        let mut reader = ValueReader::take(&mut rest, values.len() as u64).unwrap();
        for value in values {
            let read = reader.next().unwrap();
            match (read, *value) {
                (ValueRef::Real(a), ValueRef::Real(b)) => assert_eq!(a.to_bits(), b.to_bits()),
                _ => assert_eq!(read, *value),
            }
        }
        assert_eq!((reader.finish(), rest), (Ok(()), &[][..]));
        out
    }

    #[test]
    fn values_of_one_class_name_it_once() {
        assert_eq!(coded(&[ValueRef::Null; 3]), [NULL]);
        assert_eq!(coded(&[ValueRef::Integer(7); 2]), [INTEGER, 2, 0, 14]);
        assert_eq!(
            coded(&[ValueRef::Text(b"ab"), ValueRef::Text(b"")]),
            [TEXT, 3, 1, 4, 3, 2, b'a', b'b'],
            "lengths 2 and 0: steps from 2 by -2"
        );
    }

    #[test]
    fn mixed_values_name_each_class() {
        let mixed = [
            ValueRef::Integer(-1),
            ValueRef::Null,
            ValueRef::Blob(b"\xff"),
            ValueRef::Real(0.5),
        ];
        let expected = [
            &[MIXED, INTEGER, NULL, BLOB, REAL][..],
            &[2, 0, 1],
            &[4, REALS_DECIMAL, 1, 0, 10],
            &[2, 0, 2],
            &[1, 0xff],
        ];
        assert_eq!(coded(&mixed), expected.concat());
    }

    #[test]
    fn reals_come_back_bit_by_bit() {
        let reals =
            |reals: &[f64]| coded(&reals.iter().map(|r| ValueRef::Real(*r)).collect::<Vec<_>>());
        assert_eq!(reals(&[12.34, 0.5])[2], REALS_DECIMAL);
        assert_eq!(reals(&[0.1 + 0.2])[2], REALS_PLAIN);
        assert_eq!(reals(&[-0.0])[2], REALS_PLAIN);
        reals(&[f64::MAX, f64::MIN_POSITIVE, f64::INFINITY, -1e300]);
        reals(&[1e15, 0.123_456_789]);
    }

    #[test]
    fn a_part_can_be_written() {
        let mut collected = Values::default();
        for value in [
            ValueRef::Text(b"a"),
            ValueRef::Integer(1),
            ValueRef::Text(b"bc"),
        ] {
            collected.push(value);
        }
        let mut out = Vec::new();
        collected.write(2, 3, &mut out);
        assert_eq!(out, [TEXT, 2, 0, 4, 2, b'b', b'c']);
    }

    #[test]
    fn a_nan_is_refused() {
        let mut out = vec![REAL, 9, REALS_PLAIN];
        out.extend(f64::NAN.to_le_bytes());
        let mut reader = ValueReader::take(&mut &out[..], 1).unwrap();
        assert_eq!(reader.next(), Err(Defect::NotANumber));
    }
}
