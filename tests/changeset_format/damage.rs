//! What a reader makes of damaged and crafted changesets.

use crate::sealed::changeset as sealed;

use super::{Dice, GOLDEN, dumped, many_rows, read, written};
use crsql::crdt::changeset::{Defect, Reader};

#[test]
fn no_altered_byte_goes_unnoticed() {
    for level in [0, 3] {
        let bytes = written(&many_rows(60), level);
        for at in 0..bytes.len() {
            for bit in [1, 0x80] {
                let mut altered = bytes.clone();
                altered[at] ^= bit;
                assert!(Reader::open(&altered).is_err(), "byte {at}");
            }
            assert!(Reader::open(&bytes[..at]).is_err(), "{at} bytes");
        }
        assert!(Reader::open(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn crafted_bytes_are_refused_or_read() {
    for level in [0, 3] {
        let bytes = written(&many_rows(30), level);
        for at in 17..bytes.len() {
            for value in [
                0,
                1,
                4,
                5,
                0x7f,
                0x80,
                0xfb,
                0xfc,
                0xfd,
                0xff,
                bytes[at] ^ 1,
            ] {
                let mut altered = bytes.clone();
                altered[at] = value;
                let _ = read(&sealed(&altered));
            }
            assert!(read(&sealed(&bytes[..at])).is_err(), "{at} bytes");
        }
    }
}

#[test]
fn random_damage_is_refused_or_read() {
    let mut dice = Dice(1);
    for round in 0..3000 {
        let mut bytes = written(
            &many_rows(5 + round % 20),
            if round % 3 == 0 { 3 } else { 0 },
        );
        for _ in 0..=dice.roll(4) {
            let at = 17 + dice.roll(bytes.len() as u64 - 17) as usize;
            match dice.roll(3) {
                0 => bytes[at] = dice.roll(256) as u8,
                1 => drop(bytes.drain(at..(at + dice.roll(9) as usize).min(bytes.len()))),
                _ => bytes.insert(at, dice.roll(256) as u8),
            }
            bytes.resize(bytes.len().max(18), 0);
        }
        let _ = read(&sealed(&bytes));
    }
}

/// The golden changeset with some bytes of its dump replaced.
fn crafted(old: &str, new: &str) -> Vec<u8> {
    assert_eq!(GOLDEN.matches(old).count(), 1, "{old:?} names one place");
    let mut bytes = sealed(&dumped(&GOLDEN.replace(old, new)));
    let stored = "00 70  ";
    assert!(GOLDEN.contains(stored.trim()), "the length of the chunk");
    let difference =
        dumped(&format!("{new}  ")).len() as i64 - dumped(&format!("{old}  ")).len() as i64;
    let at = bytes.windows(3).position(|window| window == [0, 0x70, 3]);
    if let Some(at) = at {
        bytes[at + 1] = (0x70 + difference) as u8;
    }
    sealed(&bytes)
}

#[test]
fn every_defect_has_a_name() {
    for (old, new, defect) in [
        ("43525351 01 ", "43525351 02 ", Defect::Format(2)),
        ("43525351 01 ", "43525352 01 ", Defect::Magic),
        (
            "00                              header",
            "01                              header",
            Defect::Features,
        ),
        ("01 61 00 01 62 00", "01 61 07 01 62 00", Defect::Kind(7)),
        (
            "00 02 00 01 02 ",
            "01 02 00 01 02 ",
            Defect::Unlisted("table"),
        ),
        (
            "00 02 00 01 02 ",
            "00 02 00 02 02 ",
            Defect::Unlisted("column"),
        ),
        ("00 02 00 01 02 ", "00 02 01 01 02 ", Defect::Repeated),
        (
            "00 02 00 01 02 ",
            "00 02 00 01 fc ffffffff ",
            Defect::TooMany,
        ),
        (
            "02 00 00                        group 0",
            "02 00 04                        group 0",
            Defect::Unlisted("author"),
        ),
        (
            "03 00 02 01 01 02 01 ",
            "03 00 03 01 01 02 01 ",
            Defect::Order,
        ),
        (
            "03 00 02 01 01 02 01 ",
            "03 00 02 01 01 09 01 ",
            Defect::Order,
        ),
        ("03 00 02 01 01 02 01 ", "02 00 02 01 01 ", Defect::Order),
        (
            "02 00 00 02 00 10 02 00 00 02 00 04",
            "02 00 00 02 00 10 02 00 00 02 00 00",
            Defect::Counter("the causal length"),
        ),
        (
            "02 00 00 02 00 10 02 00 00 02 00 04",
            "02 00 00 0a 00 ffffffffffffffff1f 02 00 00 02 00 04",
            Defect::Counter("the version"),
        ),
        (
            "02 00 04 02 00 00 ",
            "02 00 05 02 00 00 ",
            Defect::Counter("a column version"),
        ),
        (
            "02 00 04 02 00 00 ",
            "02 00 04 0a 00 ffffffffffffffff1f ",
            Defect::Counter("the seq"),
        ),
        ("02 04 01 01 00 32", "02 04 01 0f 00 32", Defect::Form(15)),
        ("02 04 01 01 00 32", "09 04 01 01 00 32", Defect::Class(9)),
        (
            "02 04 01 01 00 32",
            "02 09 00 000000000000f87f",
            Defect::NotANumber,
        ),
        (
            "03 02 00 06 06 6f6e6574776f",
            "03 02 00 08 06 6f6e6574776f",
            Defect::Short,
        ),
        (
            "03 02 00 06 06 6f6e6574776f",
            "03 02 00 04 06 6f6e6574776f",
            Defect::Long,
        ),
    ] {
        let bytes = crafted(old, new);
        let bytes = if matches!(defect, Defect::Format(_) | Defect::Magic) {
            dumped(&GOLDEN.replace(old, new))
        } else {
            bytes
        };
        assert_eq!(read(&bytes), Err(defect), "{old} -> {new}");
    }
}

#[test]
fn a_few_bytes_do_not_make_many() {
    let bytes = written(&many_rows(40), 3);
    let at = bytes
        .windows(4)
        .position(|window| window == [0x28, 0xb5, 0x2f, 0xfd])
        .expect("a frame of zstd");
    // The length of the chunk without compression stands before the frame.
    let large = [
        &bytes[..at - 2],
        &[0xff, 0xff, 0xff, 0xff, 0x7f],
        &bytes[at..],
    ]
    .concat();
    assert_eq!(read(&sealed(&large)), Err(Defect::Expansion(0x7_ffff_ffff)));
    let other = [&bytes[..at - 2], &[0xff, 0x7f], &bytes[at..]].concat();
    assert_eq!(read(&sealed(&other)), Err(Defect::Compression));
}
