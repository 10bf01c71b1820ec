//! Reading a message.

use super::{
    HOPS_MAX, Item, KeyRange, MessageDefect, Mismatch, PartSummary, Place, SHARED_MAX, SentCell,
    SentNode, SentRow, TableRows, TableSummary, Unmatched, kind,
};
use crate::crdt::change::{COUNTER_MAX, CausalLength, ColumnVersion};
use crate::crdt::digest::{LEVEL_MAX, Part};
use crate::crdt::order;
use crate::crdt::value::Value;

/// What is left of a message.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

pub(super) type Read<T> = Result<T, MessageDefect>;

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(MessageDefect::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(MessageDefect::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Read<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(MessageDefect::Number)
    }

    fn counter(&mut self) -> Read<u64> {
        let number = self.number()?;
        (number <= COUNTER_MAX as u64)
            .then_some(number)
            .ok_or(MessageDefect::Number)
    }

    fn bytes(&mut self) -> Read<&'a [u8]> {
        let length = usize::try_from(self.number()?).map_err(|_| MessageDefect::Truncated)?;
        self.take(length)
    }

    fn name(&mut self) -> Read<String> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| MessageDefect::Name)
    }

    /// A list grows as its entries are read: its claimed length sets nothing aside.
    pub(super) fn list<T>(&mut self, read: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.number()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(read(self)?);
        }
        Ok(entries)
    }

    fn index(&mut self, length: usize) -> Read<usize> {
        let index = usize::try_from(self.number()?).map_err(|_| MessageDefect::Index)?;
        (index < length)
            .then_some(index)
            .ok_or(MessageDefect::Index)
    }

    fn part(&mut self) -> Read<Part> {
        Part::from_number(self.byte()?).ok_or(MessageDefect::Kind)
    }

    fn value(&mut self) -> Read<Value> {
        match self.byte()? {
            0 => Ok(Value::Null),
            1 => {
                let folded = self.number()?;
                Ok(Value::Integer(
                    (folded >> 1) as i64 ^ -((folded & 1) as i64),
                ))
            }
            2 => {
                let real = f64::from_be_bytes(self.array()?);
                match real.is_nan() {
                    true => Err(MessageDefect::Number),
                    false => Ok(Value::Real(real)),
                }
            }
            3 => Ok(Value::Text(self.bytes()?.to_vec())),
            4 => Ok(Value::Blob(self.bytes()?.to_vec())),
            _ => Err(MessageDefect::Kind),
        }
    }

    pub(super) fn rows(&mut self) -> Read<TableRows> {
        let table = self.name()?;
        let columns = self.list(Reader::name)?;
        let sites = self.list(|reader| reader.bytes().map(<[u8]>::to_vec))?;
        let rows = self.list(|reader| reader.row(columns.len(), sites.len()))?;
        Ok(TableRows {
            table,
            columns,
            sites,
            rows,
        })
    }

    fn row(&mut self, columns: usize, sites: usize) -> Read<SentRow> {
        let hops = self.byte()?;
        if hops > HOPS_MAX {
            return Err(MessageDefect::Number);
        }
        Ok(SentRow {
            hops,
            pk: self.bytes()?.to_vec(),
            cl: CausalLength(self.counter()?),
            site: self.index(sites)?,
            cells: self.list(|reader| {
                Ok(SentCell {
                    column: reader.index(columns)?,
                    version: ColumnVersion(reader.counter()?),
                    site: reader.index(sites)?,
                    value: reader.value()?,
                })
            })?,
        })
    }

    /// A key as bytes that sort. An answer about what follows the last one could not be read.
    fn key(&mut self) -> Read<Vec<u8>> {
        let key = self.bytes()?;
        (key <= order::LAST)
            .then(|| key.to_vec())
            .ok_or(MessageDefect::Order)
    }

    fn range(&mut self) -> Read<KeyRange> {
        let range = KeyRange {
            table: self.name()?,
            part: self.part()?,
            low: self.key()?,
            high: self.key()?,
        };
        (range.low < range.high)
            .then_some(range)
            .ok_or(MessageDefect::Order)
    }

    fn nodes(&mut self, range: &KeyRange) -> Read<Vec<SentNode>> {
        let count = self.number()?;
        let mut nodes: Vec<SentNode> = Vec::new();
        for _ in 0..count {
            let before = nodes.last().map_or(&range.low, |node| &node.last);
            let shared = self.index(SHARED_MAX + 1)?;
            let shared = before.get(..shared).ok_or(MessageDefect::Index)?;
            let last = [shared, self.bytes()?].concat();
            if last <= *before || last > range.high {
                return Err(MessageDefect::Order);
            }
            let level = self.byte()?;
            if level > LEVEL_MAX + 1 {
                return Err(MessageDefect::Number);
            }
            nodes.push(SentNode {
                last,
                level,
                digest: self.array()?,
            });
        }
        Ok(nodes)
    }

    fn unmatched(&mut self) -> Read<Unmatched> {
        Ok(Unmatched {
            table: self.name()?,
            mismatch: match self.byte()? {
                0 => Mismatch::OnlyThere,
                1 => Mismatch::OnlyHere,
                2 => Mismatch::Columns,
                _ => return Err(MessageDefect::Kind),
            },
        })
    }

    pub(super) fn item(&mut self) -> Read<Item> {
        match self.byte()? {
            kind::START => self.array().map(Item::Start),
            kind::TABLES => {
                let from = self.name()?;
                let tables = self.list(|reader| {
                    let part = |reader: &mut Reader<'_>| {
                        Ok(PartSummary {
                            rows: reader.number()?,
                            digest: reader.array()?,
                        })
                    };
                    Ok(TableSummary {
                        table: reader.name()?,
                        columns: reader.array()?,
                        parts: [part(reader)?, part(reader)?],
                    })
                })?;
                Ok(Item::Tables(from, tables))
            }
            kind::NODES => {
                let range = self.range()?;
                let nodes = self.nodes(&range)?;
                Ok(Item::Nodes(range, nodes))
            }
            kind::WANT => self.range().map(Item::Want),
            kind::REST => Ok(Item::Rest(Place {
                table: self.name()?,
                part: self.part()?,
                key: self.key()?,
            })),
            kind::UNMATCHED => self.list(Reader::unmatched).map(Item::Unmatched),
            _ => Err(MessageDefect::Kind),
        }
    }
}
