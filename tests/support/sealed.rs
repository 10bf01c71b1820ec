//! Altered bytes with the right checksum, so that they get past it.
#![allow(dead_code)] // each test binary uses its own part of this module

/// Puts the right length and checksum in front of a changeset of at least 17 bytes.
pub fn changeset(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    let length = (bytes.len() - 17) as u64;
    sealed[5..13].copy_from_slice(&length.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sealed[5..13]);
    hasher.update(&sealed[17..]);
    sealed[13..17].copy_from_slice(&hasher.finalize().to_le_bytes());
    sealed
}

/// Puts the right checksum behind a message without one.
pub fn message(mut body: Vec<u8>) -> Vec<u8> {
    let check = crate::crdt::digest::checksum(&body);
    body.extend_from_slice(&check);
    body
}
