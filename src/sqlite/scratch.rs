//! A database in memory of our own, beside the application's.

use super::api::{self, call};
use super::connection::Connection;
use crate::error::{Error, Result};
use std::ptr;

const OPEN_READWRITE: i32 = 0x2;
const OPEN_CREATE: i32 = 0x4;

/// An empty database in memory. It is gone when this is dropped.
#[derive(Debug)]
pub struct Scratch(Connection);

impl Scratch {
    /// Opens one.
    pub fn open() -> Result<Scratch> {
        let mut handle = ptr::null_mut();
        // SAFETY: the name is a text and `handle` a valid place; no other file system is asked for.
        let code = unsafe {
            call!(open_v2(
                c":memory:".as_ptr(),
                &mut handle,
                OPEN_READWRITE | OPEN_CREATE,
                ptr::null(),
            ))
        };
        if handle.is_null() {
            return Err(Error::out_of_memory());
        }
        // SAFETY: a handle that is not null must be closed, and `drop` is the only place that does.
        let scratch = Scratch(unsafe { Connection::from_handle(handle) });
        match code {
            api::SQLITE_OK => Ok(scratch),
            _ => Err(scratch.0.last_error(code)),
        }
    }

    /// The connection, while this lives.
    pub fn connection(&self) -> Connection {
        self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the handle comes from open_v2 and is closed once; a statement that is still there keeps it
        // alive until its own end.
        unsafe { call!(close_v2(self.0.handle())) };
    }
}
