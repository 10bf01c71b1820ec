//! The arithmetic of positions: texts that sort by bytes, and between any two of which there is another.
//!
//! Pure, and the same for equal arguments everywhere. A position is an integer and perhaps a fraction, both in
//! base 95, the digits being the printable ASCII characters from the space on:
//! ```text
//! position  head digits fraction      the head, a letter, says how many digits belong to the integer:
//! a..z      1..26 digits, upwards     "a " is zero, "a~" + 1 = "b  ", and longer integers sort higher
//! Z..A      1..26 digits, downwards   "a " - 1 = "Z~", "Z " - 1 = "Y~~", and longer integers sort lower
//! ```
//! A fraction does not end in a space, so that there is one text for each value. The lowest integer stands for
//! no position, so that there is always a position before every other.

use std::fmt;

/// The lowest digit, zero.
const LOWEST: u8 = b' ';

/// The highest digit.
const HIGHEST: u8 = b'~';

/// How many digits there are.
const BASE: u8 = HIGHEST - LOWEST + 1;

/// The position in an empty list.
const ZERO: [u8; 2] = [b'a', LOWEST];

/// The head of the longest, lowest integers.
const LOWEST_HEAD: u8 = b'A';

/// Why a text is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It holds nothing
    Empty,
    /// It does not begin with a letter
    Head,
    /// Its head asks for more digits
    Short {
        /// The bytes that its integer should have
        expected: usize,
    },
    /// It holds a byte that is no digit
    Digit,
    /// Its fraction ends in a space
    TrailingSpace,
    /// It is the lowest integer
    Reserved,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Empty => f.write_str("it is empty"),
            Fault::Head => f.write_str("it does not begin with a letter from A to z"),
            Fault::Short { expected } => {
                write!(f, "its first letter asks for {expected} characters or more")
            }
            Fault::Digit => f.write_str("it holds something else than printable ASCII"),
            Fault::TrailingSpace => f.write_str("its fraction ends in a space"),
            Fault::Reserved => f.write_str("it is the lowest integer, which is kept free"),
        }
    }
}

/// A position, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<'a> {
    bytes: &'a [u8],
    integer: &'a [u8],
    fraction: &'a [u8],
}

/// How long an integer with this head is, the head included.
fn integer_length(head: u8) -> Option<usize> {
    match head {
        b'a'..=b'z' => Some(usize::from(head - b'a') + 2),
        b'A'..=b'Z' => Some(usize::from(b'Z' - head) + 2),
        _ => None,
    }
}

fn is_reserved(integer: &[u8]) -> bool {
    integer.split_first().is_some_and(|(head, digits)| {
        *head == LOWEST_HEAD && digits.iter().all(|digit| *digit == LOWEST)
    })
}

impl<'a> Position<'a> {
    /// Reads a position.
    pub fn parse(bytes: &'a [u8]) -> Result<Position<'a>, Fault> {
        let head = *bytes.first().ok_or(Fault::Empty)?;
        let expected = integer_length(head).ok_or(Fault::Head)?;
        let (integer, fraction) = bytes
            .split_at_checked(expected)
            .ok_or(Fault::Short { expected })?;
        if bytes.iter().any(|byte| !(LOWEST..=HIGHEST).contains(byte)) {
            return Err(Fault::Digit);
        }
        if fraction.last() == Some(&LOWEST) {
            return Err(Fault::TrailingSpace);
        }
        if is_reserved(integer) && fraction.is_empty() {
            return Err(Fault::Reserved);
        }
        Ok(Position {
            bytes,
            integer,
            fraction,
        })
    }
}

/// A position between two others, of which the first must be the lower one; none stands for an open end.
/// None if they are not in order.
pub fn between(low: Option<Position<'_>>, high: Option<Position<'_>>) -> Option<String> {
    let bytes = match (low, high) {
        (None, None) => ZERO.to_vec(),
        (None, Some(high)) => before(high),
        (Some(low), None) => after(low),
        (Some(low), Some(high)) if low.bytes < high.bytes => within(low, high),
        _ => return None,
    };
    Some(bytes.into_iter().map(char::from).collect())
}

fn before(high: Position<'_>) -> Vec<u8> {
    if !high.fraction.is_empty() {
        if is_reserved(high.integer) {
            return joined(high.integer, midpoint(&[], Some(high.fraction)));
        }
        return high.integer.to_vec();
    }
    match decrement(high.integer) {
        Some(integer) if !is_reserved(&integer) => integer,
        Some(lowest) => joined(&lowest, midpoint(&[], None)),
        None => joined(high.integer, midpoint(&[], Some(high.fraction))),
    }
}

fn after(low: Position<'_>) -> Vec<u8> {
    increment(low.integer).unwrap_or_else(|| joined(low.integer, midpoint(low.fraction, None)))
}

fn within(low: Position<'_>, high: Position<'_>) -> Vec<u8> {
    if low.integer == high.integer {
        return joined(low.integer, midpoint(low.fraction, Some(high.fraction)));
    }
    match increment(low.integer) {
        Some(next) if next.as_slice() < high.bytes => next,
        _ => joined(low.integer, midpoint(low.fraction, None)),
    }
}

fn joined(integer: &[u8], fraction: Vec<u8>) -> Vec<u8> {
    [integer, &fraction].concat()
}

/// A fraction between two others, as short as the first difference allows; none is the open end, one.
fn midpoint(low: &[u8], high: Option<&[u8]>) -> Vec<u8> {
    let mut middle = Vec::new();
    let (mut low, mut high) = (low, high);
    loop {
        let low_digit = low.first().map_or(0, |byte| byte - LOWEST);
        let high_digit = match high {
            None => BASE,
            // Beyond its end a fraction goes on with zeros. The higher one does not end before it differs.
            Some(high) => high.first().map_or(0, |byte| byte - LOWEST),
        };
        let rest = high.and_then(|high| high.get(1..)).unwrap_or_default();
        if high_digit > low_digit + 1 {
            middle.push(LOWEST + (low_digit + high_digit).div_ceil(2));
            return middle;
        }
        if high_digit > low_digit {
            if !rest.is_empty() {
                middle.push(LOWEST + high_digit);
                return middle;
            }
            high = None;
        } else {
            high = Some(rest);
        }
        middle.push(LOWEST + low_digit);
        low = low.get(1..).unwrap_or_default();
    }
}

/// The next integer; none after the highest.
fn increment(integer: &[u8]) -> Option<Vec<u8>> {
    let mut next = integer.to_vec();
    let (head, digits) = next.split_first_mut()?;
    for digit in digits.iter_mut().rev() {
        if *digit < HIGHEST {
            *digit += 1;
            return Some(next);
        }
        *digit = LOWEST;
    }
    match *head {
        b'Z' => return Some(ZERO.to_vec()),
        b'z' => return None,
        _ => *head += 1,
    }
    let length = integer_length(*head)?;
    next.resize(length, LOWEST);
    Some(next)
}

/// The integer before; none before the lowest.
fn decrement(integer: &[u8]) -> Option<Vec<u8>> {
    let mut previous = integer.to_vec();
    let (head, digits) = previous.split_first_mut()?;
    for digit in digits.iter_mut().rev() {
        if *digit > LOWEST {
            *digit -= 1;
            return Some(previous);
        }
        *digit = HIGHEST;
    }
    match *head {
        b'a' => *head = b'Z',
        LOWEST_HEAD => return None,
        _ => *head -= 1,
    }
    let length = integer_length(*head)?;
    previous.resize(length, HIGHEST);
    Some(previous)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A position between two texts; NULL is written as a dash, as no position can be.
    fn of(low: &str, high: &str) -> String {
        let position =
            |text: &'static str| Some(Position::parse(text.as_bytes()).expect("a position"));
        let end = |text: &str| match text {
            "-" => None,
            text => position(text.to_owned().leak()),
        };
        between(end(low), end(high)).expect("two positions in order")
    }

    #[test]
    fn ends_are_open() {
        assert_eq!(of("-", "-"), "a ");
        assert_eq!(of("a ", "-"), "a!");
        assert_eq!(of("a P", "-"), "a!");
        assert_eq!(of("a~", "-"), "b  ");
        assert_eq!(of("Z~", "-"), "a ");
        assert_eq!(of("Y~~", "-"), "Z ");
        assert_eq!(of("-", "a "), "Z~");
        assert_eq!(of("-", "Z "), "Y~~");
        assert_eq!(of("-", "b  "), "a~");
        assert_eq!(of("-", "ab!c"), "ab");
    }

    #[test]
    fn two_neighbours_get_the_middle() {
        assert_eq!(of("Z~", "a "), "Z~P");
        assert_eq!(of("a ", "a!"), "a P");
        assert_eq!(of("a ", "a P"), "a 8");
        assert_eq!(of("a ", "a !"), "a  P");
        assert_eq!(of("a~", "b  "), "a~P");
        assert_eq!(of("ab!c", "ab!d"), "ab!cP");
        assert_eq!(of("a ", "a\""), "a!");
        assert_eq!(of("a~P", "b  P"), "b  ");
        assert_eq!(of("a ~~", "a!"), "a ~~P");
        assert_eq!(of("a  !", "a !"), "a  P");
        assert_eq!(of("a !", "a \"P"), "a \"");
        assert_eq!(of("ZmG", "ZmV"), "ZmO");
    }

    #[test]
    fn the_highest_and_the_lowest_integer_go_on_in_fractions() {
        let highest = format!("z{}", "~".repeat(26));
        assert_eq!(of(&highest, "-"), format!("{highest}P"));
        assert_eq!(of(&format!("{highest}P"), "-"), format!("{highest}h"));
        let reserved = format!("A{}", " ".repeat(26));
        assert_eq!(
            of("-", &format!("A{}!", " ".repeat(25))),
            format!("{reserved}P")
        );
        assert_eq!(of("-", &format!("{reserved}P")), format!("{reserved}8"));
        assert_eq!(of("-", &format!("{reserved}!")), format!("{reserved} P"));
    }

    #[test]
    fn what_is_no_position_is_told_apart() {
        let fault = |text: &str| Position::parse(text.as_bytes()).expect_err("no position");
        assert_eq!(fault(""), Fault::Empty);
        assert_eq!(fault("1"), Fault::Head);
        assert_eq!(fault(" a"), Fault::Head);
        assert_eq!(fault("\u{e9}"), Fault::Head);
        assert_eq!(fault("["), Fault::Head);
        assert_eq!(fault("a"), Fault::Short { expected: 2 });
        assert_eq!(fault("z"), Fault::Short { expected: 27 });
        assert_eq!(fault("a\u{e9}"), Fault::Digit);
        assert_eq!(fault("a b\u{7f}c"), Fault::Digit);
        assert_eq!(fault("a\n"), Fault::Digit);
        assert_eq!(fault("a P "), Fault::TrailingSpace);
        assert_eq!(fault("a  "), Fault::TrailingSpace);
        assert_eq!(fault(&format!("A{}", " ".repeat(26))), Fault::Reserved);
    }

    #[test]
    fn equal_or_swapped_positions_have_nothing_between() {
        let zero = Position::parse(b"a ").ok();
        let one = Position::parse(b"a!").ok();
        assert!(zero.is_some() && one.is_some());
        assert_eq!(between(zero, zero), None);
        assert_eq!(between(one, zero), None);
    }

    #[test]
    fn a_hundred_on_one_side_stay_short() {
        let (mut last, mut first) = ("a ".to_owned(), "a ".to_owned());
        for _ in 0..100 {
            last = of(&last, "-");
            first = of("-", &first);
        }
        assert_eq!(last, "b %");
        assert_eq!(first, "Y~z");
    }

    /// Numbers that look random; the same in each run (xorshift64).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % bound as u64) as usize
        }
    }

    /// A position of any head, with digits from both ends of their range more often than chance has it.
    fn any_position(numbers: &mut Numbers) -> String {
        let heads = b"AAABYZZZaaabyzz";
        loop {
            let head = heads[numbers.below(heads.len())];
            let digits = integer_length(head).expect("a head") - 1 + numbers.below(4);
            let text: String = std::iter::once(head)
                .chain((0..digits).map(|_| match numbers.below(4) {
                    0 | 1 => LOWEST + numbers.below(2) as u8,
                    2 => HIGHEST - numbers.below(2) as u8,
                    _ => LOWEST + numbers.below(usize::from(BASE)) as u8,
                }))
                .map(char::from)
                .collect();
            if Position::parse(text.as_bytes()).is_ok() {
                return text;
            }
        }
    }

    /// Fails unless the new position is one, and strictly between.
    fn check(low: &str, high: &str) -> String {
        let middle = of(low, high);
        assert_eq!(
            Position::parse(middle.as_bytes()).err(),
            None,
            "{middle:?} between {low:?} and {high:?}"
        );
        assert!(
            low == "-" || low < middle.as_str(),
            "{middle:?} after {low:?}"
        );
        assert!(
            high == "-" || middle.as_str() < high,
            "{middle:?} before {high:?}"
        );
        middle
    }

    #[test]
    fn whatever_is_between_two_positions_is_a_position_between_them() {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for _ in 0..20_000 {
            let (one, other) = (any_position(&mut numbers), any_position(&mut numbers));
            check("-", &one);
            check(&one, "-");
            if one != other {
                let (low, high) = if one < other {
                    (one, other)
                } else {
                    (other, one)
                };
                let middle = check(&low, &high);
                check(&low, &middle);
                check(&middle, &high);
            }
        }
    }

    #[test]
    fn a_list_edited_anywhere_stays_sorted() {
        let mut numbers = Numbers(42);
        let mut list: Vec<String> = Vec::new();
        for step in 0..3_000 {
            // A third at the ends, a third at one place, a third anywhere.
            let place = match step % 3 {
                0 => [0, list.len()][numbers.below(2)],
                1 => list.len() / 2,
                _ => numbers.below(list.len() + 1),
            };
            let low = place
                .checked_sub(1)
                .map_or("-".to_owned(), |p| list[p].clone());
            let high = list.get(place).map_or("-", String::as_str);
            list.insert(place, check(&low, high));
        }
        assert!(list.is_sorted());
    }
}
