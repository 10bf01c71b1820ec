//! Keys that never collide and ascend: UUIDs of version 7 (RFC 9562) and ULIDs, as functions of time and randomness.
//!
//! ```text
//! uuid   time:48  version:4  counter:12  variant:2  counter:30  random:32
//! ulid   time:48  counter:48                                    random:32
//! ```
//! Within one millisecond the counter goes up by one (RFC 9562, section 6.2, method 1), so that keys made one after
//! the other ascend. It starts at a random value whose highest bit is 0, which leaves 2^41 keys at least. A clock that
//! goes back counts as one that stands still.

/// Milliseconds since 1970 that 48 bits hold: the year 10889.
const TIME_MAX: u64 = (1 << 48) - 1;

const UUID_COUNTER_BITS: u32 = 42;
const ULID_COUNTER_BITS: u32 = 48;

/// Bytes of randomness that one key needs: eight for a counter, four for its end.
pub const RANDOM_BYTES: usize = 12;

/// Crockford's alphabet: no I, L, O, U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a ULID.
const ULID_CHARACTERS: usize = 26;

/// The keys that one connection makes.
#[derive(Debug)]
pub struct Unique {
    uuid: Sequence,
    ulid: Sequence,
}

impl Default for Unique {
    fn default() -> Unique {
        Unique {
            uuid: Sequence::new(UUID_COUNTER_BITS),
            ulid: Sequence::new(ULID_COUNTER_BITS),
        }
    }
}

impl Unique {
    /// The next UUID; none after the year 10889.
    pub fn next_uuid(&mut self, now: u64, random: [u8; RANDOM_BYTES]) -> Option<[u8; 16]> {
        let Point { time, counter, end } = self.uuid.next(now, random)?;
        let (high, low) = (counter >> 30, counter & ((1 << 30) - 1));
        let bits = u128::from(time) << 80
            | 0b0111 << 76
            | u128::from(high) << 64
            | 0b10 << 62
            | u128::from(low) << 32
            | u128::from(end);
        Some(bits.to_be_bytes())
    }

    /// The next ULID; none after the year 10889.
    pub fn next_ulid(&mut self, now: u64, random: [u8; RANDOM_BYTES]) -> Option<String> {
        let Point { time, counter, end } = self.ulid.next(now, random)?;
        let bits = u128::from(time) << 80 | u128::from(counter) << 32 | u128::from(end);
        let digit = |place: usize| {
            let digit = bits >> (5 * (ULID_CHARACTERS - 1 - place)) & 31;
            char::from(CROCKFORD[digit as usize])
        };
        Some((0..ULID_CHARACTERS).map(digit).collect())
    }
}

/// What one key is made of.
struct Point {
    time: u64,
    counter: u64,
    end: u32,
}

/// Ascending pairs of a time and a counter.
#[derive(Debug)]
struct Sequence {
    counter_max: u64,
    /// None before the first key
    last: Option<(u64, u64)>,
}

impl Sequence {
    fn new(counter_bits: u32) -> Sequence {
        Sequence {
            counter_max: (1 << counter_bits) - 1,
            last: None,
        }
    }

    fn next(&mut self, now: u64, random: [u8; RANDOM_BYTES]) -> Option<Point> {
        let [a, b, c, d, e, f, g, h, end @ ..] = random;
        let start = u64::from_be_bytes([a, b, c, d, e, f, g, h]) & self.counter_max >> 1;
        let (time, counter) = match self.last {
            Some((time, counter)) if now <= time => {
                if counter < self.counter_max {
                    (time, counter + 1)
                } else {
                    (time + 1, start)
                }
            }
            _ => (now, start),
        };
        if time > TIME_MAX {
            return None;
        }
        self.last = Some((time, counter));
        Some(Point {
            time,
            counter,
            end: u32::from_be_bytes(end),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2022-02-22T19:22:22Z, the time of the examples of RFC 9562.
    const NOW: u64 = 0x017F_22E2_79B0;

    #[test]
    fn a_uuid_holds_time_version_and_variant() {
        let uuid = Unique::default().next_uuid(NOW, [0xff; 12]).unwrap();
        assert_eq!(
            uuid,
            [
                0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0, 0x77, 0xff, 0xbf, 0xff, 0xff, 0xff, 0xff, 0xff,
                0xff, 0xff
            ]
        );
        let uuid = Unique::default().next_uuid(NOW, [0; 12]).unwrap();
        assert_eq!((uuid[6], uuid[8]), (0x70, 0x80));
    }

    #[test]
    fn a_ulid_starts_with_its_time() {
        // The time of the example of the ULID specification, 01ARZ3NDEK.
        let ulid = Unique::default()
            .next_ulid(1_469_922_850_259, [0; 12])
            .unwrap();
        assert_eq!(ulid, "01ARZ3NDEK0000000000000000");
        let last = Unique::default().next_ulid(TIME_MAX, [0xff; 12]).unwrap();
        assert_eq!(last, "7ZZZZZZZZZFZZZZZZZZZZZZZZZ");
    }

    #[test]
    fn keys_ascend_while_the_clock_stands_still_or_goes_back() {
        let mut unique = Unique::default();
        let times = [NOW, NOW, NOW + 1, NOW - 5000, NOW, 0, NOW + 2];
        let ends = [
            [7; 12], [0; 12], [9; 12], [3; 12], [200; 12], [1; 12], [0; 12],
        ];
        let mut uuids = Vec::new();
        let mut ulids = Vec::new();
        for (time, random) in times.into_iter().zip(ends) {
            uuids.push(unique.next_uuid(time, random).unwrap());
            ulids.push(unique.next_ulid(time, random).unwrap());
        }
        assert!(uuids.is_sorted_by(|one, next| one < next), "{uuids:x?}");
        assert!(ulids.is_sorted_by(|one, next| one < next), "{ulids:?}");
    }

    #[test]
    fn a_counter_at_its_end_goes_on_in_the_next_millisecond() {
        let mut sequence = Sequence::new(UUID_COUNTER_BITS);
        sequence.last = Some((NOW, sequence.counter_max));
        let point = sequence.next(NOW, [0xff; 12]).unwrap();
        assert_eq!((point.time, point.counter), (NOW + 1, (1 << 41) - 1));
    }

    #[test]
    fn a_time_that_48_bits_cannot_hold_gives_no_key() {
        let mut unique = Unique::default();
        assert_eq!(unique.next_uuid(TIME_MAX + 1, [0; 12]), None);
        assert_eq!(unique.next_ulid(TIME_MAX + 1, [0; 12]), None);
    }
}
