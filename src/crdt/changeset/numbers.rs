//! Streams of whole numbers: a constant, equal steps, differences, or the numbers themselves.
//!
//! ```text
//! varint  := 7 bits a byte, the lowest first; the high bit says that another byte follows; at most 10 bytes
//! numbers := form:u8 body          every number of the body is zig-zag coded: 0, -1, 1, -2, ... are 0, 1, 2, 3, ...
//! ```

use super::Defect;

/// All numbers are equal: the number.
const CONSTANT: u8 = 0;
/// Each is the one before plus a step: the first, the step.
const STEPS: u8 = 1;
/// The difference of each to the one before, which for the first is 0.
const DIFFERENCES: u8 = 2;
/// The numbers.
const PLAIN: u8 = 3;

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(coded: u64) -> i64 {
    (coded >> 1) as i64 ^ -((coded & 1) as i64)
}

/// The bytes that `put_varint` takes.
fn varint_len(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

/// The bytes that a number takes in the plain form.
pub(super) fn plain_len(number: i64) -> usize {
    varint_len(zigzag(number))
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn take_varint(rest: &mut &[u8]) -> Result<u64, Defect> {
    let mut number = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(Defect::Short)?;
        *rest = tail;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Defect::WideNumber)
}

/// Takes `length` bytes.
pub(super) fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], Defect> {
    let length = usize::try_from(length).map_err(|_| Defect::Short)?;
    let (head, tail) = rest.split_at_checked(length).ok_or(Defect::Short)?;
    *rest = tail;
    Ok(head)
}

/// Takes a block: its length in bytes, then the bytes.
pub(super) fn take_block<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Defect> {
    let length = take_varint(rest)?;
    take(rest, length)
}

/// Puts what `write` writes behind its length in bytes.
pub(super) fn put_block(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut block = Vec::new();
    write(&mut block);
    put_varint(out, block.len() as u64);
    out.extend_from_slice(&block);
}

/// Numbers that were collected. Equal steps take no memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    len: usize,
    first: i64,
    step: i64,
    /// All of them, once they are not of equal steps
    uneven: Vec<i64>,
}

impl Numbers {
    pub(super) fn push(&mut self, number: i64) {
        if !self.uneven.is_empty() {
            self.uneven.push(number);
        } else if self.len == 0 {
            (self.first, self.step) = (number, 0);
        } else if self.len == 1 {
            self.step = number.wrapping_sub(self.first);
        } else if number != self.even(self.len) {
            self.uneven.reserve(self.len + 1);
            for index in 0..self.len {
                self.uneven.push(self.even(index));
            }
            self.uneven.push(number);
        }
        self.len += 1;
    }

    fn even(&self, index: usize) -> i64 {
        self.first
            .wrapping_add(self.step.wrapping_mul(index as i64))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, index: usize) -> i64 {
        match self.uneven.get(index) {
            Some(number) => *number,
            None => self.even(index),
        }
    }

    /// Writes those from `start` to before `end`.
    pub(super) fn write(&self, start: usize, end: usize, out: &mut Vec<u8>) {
        write(end - start, |index| self.get(start + index), out);
    }
}

/// Writes `count` numbers in the shortest form.
pub(super) fn write(count: usize, get: impl Fn(usize) -> i64, out: &mut Vec<u8>) {
    if count == 0 {
        return;
    }
    let first = get(0);
    let step = if count > 1 {
        get(1).wrapping_sub(first)
    } else {
        0
    };
    let is_even = (2..count).all(|index| get(index).wrapping_sub(get(index - 1)) == step);
    if is_even {
        out.push(if step == 0 { CONSTANT } else { STEPS });
        put_varint(out, zigzag(first));
        if step != 0 {
            put_varint(out, zigzag(step));
        }
        return;
    }
    let (mut differences, mut plain, mut before) = (0, 0, 0i64);
    for index in 0..count {
        let number = get(index);
        differences += varint_len(zigzag(number.wrapping_sub(before)));
        plain += varint_len(zigzag(number));
        before = number;
    }
    let is_plain = plain <= differences;
    out.reserve(1 + plain.min(differences));
    out.push(if is_plain { PLAIN } else { DIFFERENCES });
    before = 0;
    for index in 0..count {
        let number = get(index);
        put_varint(out, zigzag(number.wrapping_sub(before)));
        if !is_plain {
            before = number;
        }
    }
}

/// Reads numbers one by one.
#[derive(Debug, Clone)]
pub(super) struct NumberReader<'a> {
    next: i64,
    step: i64,
    /// Whether `next` is the number before, to which a difference is added
    is_sum: bool,
    /// None where all follow from the first
    coded: Option<&'a [u8]>,
}

impl<'a> NumberReader<'a> {
    /// Reads the stream that `block` is; it may be empty if no number will be asked for.
    pub(super) fn new(block: &'a [u8]) -> Result<NumberReader<'a>, Defect> {
        let mut reader = NumberReader {
            next: 0,
            step: 0,
            is_sum: false,
            coded: Some(block),
        };
        let Some((&form, mut rest)) = block.split_first() else {
            return Ok(reader);
        };
        match form {
            CONSTANT | STEPS => {
                reader.next = unzigzag(take_varint(&mut rest)?);
                if form == STEPS {
                    reader.step = unzigzag(take_varint(&mut rest)?);
                }
                if !rest.is_empty() {
                    return Err(Defect::Long);
                }
                reader.coded = None;
            }
            DIFFERENCES | PLAIN => {
                reader.is_sum = form == DIFFERENCES;
                reader.coded = Some(rest);
            }
            _ => return Err(Defect::Form(form)),
        }
        Ok(reader)
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<i64, Defect> {
        let Some(rest) = &mut self.coded else {
            let number = self.next;
            self.next = number.wrapping_add(self.step);
            return Ok(number);
        };
        let mut number = match rest.split_first() {
            Some((&byte, tail)) if byte < 0x80 => {
                *rest = tail;
                unzigzag(u64::from(byte))
            }
            _ => unzigzag(take_varint(rest)?),
        };
        if self.is_sum {
            number = self.next.wrapping_add(number);
            self.next = number;
        }
        Ok(number)
    }

    /// Whether all bytes were used.
    pub(super) fn finish(&self) -> Result<(), Defect> {
        match self.coded {
            Some([_, ..]) => Err(Defect::Long),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(numbers: &[i64]) -> Vec<u8> {
        let mut collected = Numbers::default();
        numbers.iter().for_each(|number| collected.push(*number));
        let mut out = Vec::new();
        collected.write(0, numbers.len(), &mut out);
        let mut reader = NumberReader::new(&out).unwrap();
        let read: Vec<i64> = numbers.iter().map(|_| reader.next().unwrap()).collect();
        assert_eq!(read, numbers);
        assert_eq!(reader.finish(), Ok(()));
        out
    }

    #[test]
    fn the_shortest_form_is_taken() {
        assert_eq!(coded(&[5, 5, 5]), [CONSTANT, 10]);
        assert_eq!(coded(&[5, 7, 9, 11]), [STEPS, 10, 4]);
        assert_eq!(
            coded(&[1000, 1001, 1003]),
            [DIFFERENCES, 0xd0, 0x0f, 2, 4],
            "1000 zig-zag is 2000"
        );
        assert_eq!(coded(&[1, -40, 60]), [PLAIN, 2, 79, 120]);
        assert!(coded(&[]).is_empty());
    }

    #[test]
    fn the_ends_of_the_range_come_back() {
        coded(&[i64::MIN, i64::MAX, 0, -1, i64::MIN, i64::MIN]);
        coded(&[i64::MAX, i64::MIN]);
    }

    #[test]
    fn a_part_can_be_written() {
        let mut collected = Numbers::default();
        [3, 4, 5, 9].into_iter().for_each(|n| collected.push(n));
        let mut out = Vec::new();
        collected.write(1, 3, &mut out);
        assert_eq!(out, [STEPS, 8, 2]);
    }

    #[test]
    fn wide_and_short_numbers_are_refused() {
        assert_eq!(take_varint(&mut &[0x80][..]), Err(Defect::Short));
        assert_eq!(take_varint(&mut &[0xff; 10][..]), Err(Defect::WideNumber));
        let mut most = [0xff; 10];
        most[9] = 1;
        assert_eq!(take_varint(&mut &most[..]), Ok(u64::MAX));
        assert_eq!(NumberReader::new(&[9]).unwrap_err(), Defect::Form(9));
        assert_eq!(NumberReader::new(&[0, 2, 2]).unwrap_err(), Defect::Long);
    }
}
