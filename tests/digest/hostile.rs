//! Messages from outside that are cut, altered or made up: an error that says what is wrong, no harm.

use rusqlite::Connection;

use crate::checks::{exec, refusal, text_of};
use crate::conversation::{answer, start};
use crate::random::Random;
use crate::sealed::message as sealed;
use crate::support::open_memory;
use crate::world::{assert_current, create, digest, digest_from_scratch, schedules, step};

const MAX: i64 = 1 << 16;

/// All messages of a conversation.
fn messages() -> Vec<Vec<u8>> {
    let (left, right) = (filled(3), filled(4));
    let mut said = vec![start(&left)];
    let mut listeners = [&right, &left].into_iter().cycle();
    while let Some(next) = answer(
        listeners.next().expect("a listener"),
        said.last().expect("a message"),
        MAX,
    )
    .expect("an answer")
    {
        said.push(next);
    }
    assert!(said.len() > 4);
    said
}

fn filled(seed: u64) -> Connection {
    let connection = open_memory();
    create(&connection);
    let mut random = Random::new(seed);
    (0..12).for_each(|_| step(&mut random, &connection, 300));
    connection
}

/// Gives the message to a database, which must take it or leave it as a whole.
fn give(connection: &Connection, message: &[u8], context: &str) -> bool {
    let before = digest(connection);
    match answer(connection, message, MAX) {
        Ok(_) => {
            assert_eq!(
                digest(connection),
                digest_from_scratch(connection),
                "{context}"
            );
            true
        }
        Err(error) => {
            let text = text_of(&error);
            assert!(text.starts_with("crsql: "), "{context}: {text}");
            assert!(!text.contains("internal error"), "{context}: {text}");
            assert_eq!(digest(connection), before, "{context}: {text}");
            false
        }
    }
}

#[test]
fn a_message_that_was_cut_or_altered_on_the_way_is_refused() {
    let connection = filled(5);
    let before = digest(&connection);
    for (number, message) in messages().into_iter().enumerate() {
        let mut random = Random::new(number as u64);
        for _ in 0..60 {
            let mut altered = message.clone();
            match random.below(3) {
                0 => altered.truncate(random.below(message.len())),
                1 => altered.push(random.below(256) as u8),
                _ => {
                    let at = random.below(message.len());
                    altered[at] ^= 1 << random.below(8);
                }
            }
            assert!(!give(&connection, &altered, &format!("message {number}")));
        }
    }
    assert_eq!(digest(&connection), before);
}

#[test]
fn a_made_up_message_does_no_harm() {
    let messages = messages();
    let mut refused = 0;
    for seed in 0..schedules() * 5 {
        let mut random = Random::new(seed);
        let connection = filled(6);
        let message = random.pick(&messages).clone();
        let mut body = message[..message.len() - 8].to_vec();
        for _ in 0..random.between(1, 6) {
            let at = random.below(body.len());
            match random.below(5) {
                0 => body[at] = random.below(256) as u8,
                1 => body[at] = 0xff,
                2 => body.truncate(at.max(1)),
                3 => body.insert(at, random.below(256) as u8),
                _ => {
                    let piece: Vec<u8> = body[at..].iter().take(40).copied().collect();
                    let to = random.below(body.len());
                    body.splice(to..to, piece);
                }
            }
        }
        refused += usize::from(!give(&connection, &sealed(body), &format!("seed {seed}")));
    }
    assert!(refused > 0);
}

#[test]
fn claimed_lengths_set_no_memory_aside() {
    let connection = filled(7);
    // Format, round, then counts and lengths of 2^63 and more where lists and bytes begin.
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let parts: [&[u8]; 6] = [
        &[1, 0],
        &[1, 0, 1],
        &[1, 0, 1, 1, b't'],
        &[1, 0, 1, 1, b't', 0, 0],
        &[1, 0, 0, 2, 0],
        &[1, 0, 0, 3, 3, b'n', b'u', b'm', 0, 0, 1, 0xff],
    ];
    for part in parts {
        let message = sealed([part, &huge].concat());
        let error = answer(&connection, &message, MAX).expect_err("a defect");
        assert!(
            text_of(&error).starts_with("crsql: this is no message of crsql_reconcile: it "),
            "{error}"
        );
    }
}

#[test]
fn wrong_calls_say_what_to_do() {
    let connection = filled(8);
    let refusal = |call: &str| refusal(&connection, &format!("SELECT {call}"));
    assert_eq!(
        refusal("crsql_reconcile(x'')"),
        "crsql: this is no message of crsql_reconcile: it ends too early; begin anew with crsql_reconcile()"
    );
    for bytes in ["1000", "-1", "'many'", "2000.0", "x'00'"] {
        assert_eq!(
            refusal(&format!("crsql_reconcile(crsql_reconcile(), {bytes})")),
            "crsql: max_bytes of crsql_reconcile must be an integer of at least 1024"
        );
    }
    let usage = "crsql: call crsql_reconcile() to begin, then crsql_reconcile(message) or crsql_reconcile(message, \
                 max_bytes) with each message of the other side until it gives NULL";
    for call in [
        "crsql_reconcile('text')",
        "crsql_reconcile(1, 2000)",
        "crsql_reconcile(1, 2, 3)",
    ] {
        assert_eq!(refusal(call), usage);
    }
    exec(
        &connection,
        "CREATE TEMP TABLE end AS SELECT crsql_reconcile(NULL) AS said",
    );
    for end in [
        "SELECT count(*) FROM end WHERE said IS NULL",
        "SELECT crsql_reconcile(crsql_reconcile(), NULL) IS NULL",
    ] {
        assert_eq!(crate::checks::one::<i64>(&connection, end), 1);
    }
    assert_current(&connection, "after wrong calls");
}

#[test]
fn a_message_can_come_twice_or_late() {
    let (left, right) = (filled(9), filled(10));
    let mut old = Vec::new();
    let mut message = Some(start(&left));
    let mut listeners = [&right, &left].into_iter().cycle();
    while let Some(said) = message {
        let listener = listeners.next().expect("a listener");
        message = answer(listener, &said, MAX).expect("an answer");
        answer(listener, &said, MAX).expect("the same message again");
        old.push(said);
    }
    assert_eq!(digest(&left), digest(&right));
    for said in old {
        answer(&left, &said, MAX).expect("a late message");
        answer(&right, &said, MAX).expect("a late message");
    }
    assert_eq!(digest(&left), digest(&right));
}
