//! Messages and their bytes.

use super::*;

fn every_part() -> Message {
    let range = KeyRange {
        table: "t".to_owned(),
        part: Part::Live,
        low: vec![],
        high: vec![0xff],
    };
    Message {
        round: 300,
        rows: vec![TableRows {
            table: "t".to_owned(),
            columns: vec!["a".to_owned(), "b".to_owned()],
            sites: vec![vec![7; 16]],
            rows: vec![SentRow {
                hops: 2,
                pk: vec![1, 9, 5],
                cl: CausalLength(3),
                site: 0,
                cells: [
                    Value::Null,
                    Value::Integer(-1),
                    Value::Real(0.5),
                    Value::Text(b"x".to_vec()),
                    Value::Blob(vec![0]),
                ]
                .into_iter()
                .map(|value| SentCell {
                    column: 1,
                    version: ColumnVersion(200),
                    site: 0,
                    value,
                })
                .collect(),
            }],
        }],
        items: vec![
            Item::Start([9; 32]),
            Item::Tables(
                String::new(),
                vec![TableSummary {
                    table: "t".to_owned(),
                    columns: [1; 8],
                    parts: [PartSummary {
                        rows: 1 << 40,
                        digest: [2; 16],
                    }; 2],
                }],
            ),
            Item::Nodes(
                range.clone(),
                [&b"\x20ab\0"[..], b"\x20abc\0", b"\xff"]
                    .into_iter()
                    .map(|last| SentNode {
                        last: last.to_vec(),
                        level: 2,
                        digest: [3; 16],
                    })
                    .collect(),
            ),
            Item::Want(range),
            Item::Rest(Place {
                table: "u".to_owned(),
                part: Part::Dead,
                key: vec![0x40, 1],
            }),
            Item::Unmatched(
                [Mismatch::OnlyThere, Mismatch::OnlyHere, Mismatch::Columns]
                    .map(|mismatch| Unmatched {
                        table: "v".to_owned(),
                        mismatch,
                    })
                    .to_vec(),
            ),
        ],
    }
}

/// Bytes with the checksum that belongs to them.
fn sealed(body: &[u8]) -> Vec<u8> {
    [body, &checksum(body)].concat()
}

#[test]
fn a_message_survives_its_bytes() {
    let message = every_part();
    assert_eq!(Message::decode(&message.encode()), Ok(message));
}

#[test]
fn the_bytes_of_a_first_message_are_these() {
    let message = Message {
        items: vec![Item::Start([9; 32])],
        ..Message::default()
    };
    let mut expected = vec![1, 0, 0, 1];
    expected.extend([9; 32]);
    expected.extend(checksum(&expected));
    assert_eq!(message.encode(), expected);
    assert_eq!(expected.len(), 44);
}

/// A message of today must be read for ever: where these bytes change, the format number does too.
#[test]
fn the_bytes_of_every_part_are_these() {
    let range = [1, b't', 0, 0, 1, 0xff];
    let part = [&[0x80, 0x80, 0x80, 0x80, 0x80, 0x20][..], &[2; 16]].concat();
    let expected = [
        // Format, round, tables with rows.
        &[1, 0xac, 2, 1][..],
        &[1, b't', 2, 1, b'a', 1, b'b', 1, 16],
        &[7; 16],
        // One row: hops, key, causal length, site, cells.
        &[1, 2, 3, 1, 9, 5, 3, 0, 5],
        &[1, 0xc8, 1, 0, 0],
        &[1, 0xc8, 1, 0, 1, 1],
        &[1, 0xc8, 1, 0, 2, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0],
        &[1, 0xc8, 1, 0, 3, 1, b'x'],
        &[1, 0xc8, 1, 0, 4, 1, 0],
        &[1],
        &[9; 32],
        &[2, 0, 1, 1, b't'],
        &[1; 8],
        &part,
        &part,
        &[3],
        &range,
        &[3, 0, 4, 0x20, b'a', b'b', 0, 2],
        &[3; 16],
        &[3, 2, b'c', 0, 2],
        &[3; 16],
        &[0, 1, 0xff, 2],
        &[3; 16],
        &[4],
        &range,
        &[5, 1, b'u', 1, 2, 0x40, 1],
        &[6, 3, 1, b'v', 0, 1, b'v', 1, 1, b'v', 2],
    ];
    assert_eq!(every_part().encode(), sealed(&expected.concat()));
}

#[test]
fn a_key_leaves_out_what_it_shares_with_the_one_before() {
    let range = KeyRange {
        table: "t".to_owned(),
        part: Part::Live,
        low: b"abc".to_vec(),
        high: vec![0xff],
    };
    let node = |last: &[u8]| SentNode {
        last: last.to_vec(),
        level: 1,
        digest: [3; 16],
    };
    let message = Message {
        items: vec![Item::Nodes(range, vec![node(b"abd"), node(b"abdx")])],
        ..Message::default()
    };
    let bytes = message.encode();
    let head = [
        1, 0, 0, 3, 1, b't', 0, 3, b'a', b'b', b'c', 1, 0xff, 2, 2, 1, b'd', 1,
    ];
    assert_eq!(bytes[..head.len()], head);
    assert_eq!(bytes[head.len() + 16..][..4], [3, 1, b'x', 1]);
}

#[test]
fn every_cut_of_a_message_is_refused() {
    let bytes = every_part().encode();
    for length in 0..bytes.len() {
        assert!(Message::decode(&bytes[..length]).is_err(), "{length} bytes");
    }
    let body = &bytes[..bytes.len() - 8];
    let cuts = (1..body.len()).filter(|length| Message::decode(&sealed(&body[..*length])).is_ok());
    // Between two items a message could have ended.
    assert_eq!(cuts.count(), 6);
}

#[test]
fn what_is_no_message_is_refused_by_its_defect() {
    let of = |body: &[u8]| Message::decode(&sealed(body)).map(drop);
    let want = |low: &[u8], high: &[u8]| {
        let range = [&[low.len() as u8], low, &[high.len() as u8], high].concat();
        [&[1, 0, 0, 4, 1, b't', 0][..], &range].concat()
    };
    assert_eq!(of(&[2, 0, 0]), Err(MessageDefect::Format));
    assert_eq!(Message::decode(&[1; 20]), Err(MessageDefect::Checksum));
    assert_eq!(Message::decode(&[1; 7]), Err(MessageDefect::Truncated));
    assert_eq!(of(&[1, 0, 0, 9]), Err(MessageDefect::Kind));
    assert_eq!(of(&[1, 0, 0, 1, 0]), Err(MessageDefect::Truncated));
    assert_eq!(
        of(&[1, 0xff, 0xff, 0xff, 0xff, 1, 0]),
        Err(MessageDefect::Number)
    );
    assert_eq!(of(&[1, 0, 0, 5, 1, 0xff, 0, 0]), Err(MessageDefect::Name));
    assert_eq!(of(&[1, 0, 0, 5, 1, b't', 2, 0]), Err(MessageDefect::Kind));
    assert_eq!(of(&[1, 0, 0, 6, 1, 1, b't', 2]), Ok(()));
    assert_eq!(of(&[1, 0, 0, 6, 1, 1, b't', 3]), Err(MessageDefect::Kind));
    assert_eq!(of(&want(b"a", b"b")), Ok(()));
    assert_eq!(of(&want(b"b", b"b")), Err(MessageDefect::Order));
    assert_eq!(of(&want(b"b", b"\xff")), Ok(()));
    assert_eq!(of(&want(b"b", b"\xff\0")), Err(MessageDefect::Order));
    let rest = |last: &[u8]| of(&[&[1, 0, 0, 5, 1, b't', 0], last].concat());
    assert_eq!(rest(&[1, 0xff]), Ok(()));
    assert_eq!(rest(&[2, 0xff, 0]), Err(MessageDefect::Order));
    let rows = [1, 0, 1, 1, b't', 0, 0, 1, 0, 1, 5, 1, 0, 0];
    assert_eq!(of(&rows), Err(MessageDefect::Index), "no site 0");
    let hops = [1, 0, 1, 1, b't', 0, 1, 0, 1, HOPS_MAX + 1, 1, 5, 1, 0, 0];
    assert_eq!(of(&hops), Err(MessageDefect::Number));
}
