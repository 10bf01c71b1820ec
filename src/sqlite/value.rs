//! Reading the values that SQLite passes to a callback, and giving results back.

use super::api::{self, call};
use super::connection::c_text;
use super::memory;
use crate::crdt::value::ValueRef;
use crate::error::Error;
use sqlite_loadable::ext::{sqlite3_context, sqlite3_value};
use std::slice;

/// The arguments of a callback, valid while it runs.
#[derive(Clone, Copy)]
pub struct Arguments<'a>(&'a [*mut sqlite3_value]);

impl<'a> Arguments<'a> {
    /// # Safety
    /// `values` points to `count` protected values that stay valid for `'a`.
    pub(super) unsafe fn new(count: i32, values: *mut *mut sqlite3_value) -> Arguments<'a> {
        if count <= 0 {
            return Arguments(&[]);
        }
        // SAFETY: promised by the caller.
        Arguments(unsafe { slice::from_raw_parts(values, count as usize) })
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The arguments from `start` on.
    pub fn from(self, start: usize) -> Arguments<'a> {
        Arguments(self.0.get(start..).unwrap_or_default())
    }

    /// The first `count` arguments.
    pub fn take(self, count: usize) -> Arguments<'a> {
        Arguments(self.0.get(..count).unwrap_or(self.0))
    }

    /// One value; NULL where there is no such argument.
    #[inline(always)]
    pub fn get(self, index: usize) -> ValueRef<'a> {
        match self.0.get(index) {
            // SAFETY: `new` was promised protected values, valid for 'a.
            Some(value) => unsafe { read(*value) },
            None => ValueRef::Null,
        }
    }

    /// One value as an integer by SQLite's conversion; 0 for NULL and for what is no number.
    pub fn integer(self, index: usize) -> i64 {
        match self.0.get(index) {
            // SAFETY: as in `get`.
            Some(value) => unsafe { call!(value_int64(*value)) },
            None => 0,
        }
    }

    /// All values in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = ValueRef<'a>> {
        (0..self.0.len()).map(move |index| self.get(index))
    }
}

/// # Safety
/// `value` is a protected value that stays valid and unchanged for `'a`.
// Inlined, it puts the parts of a value where they will be read, instead of copying them there together: a processor waits
// for such a copy of what was just written in parts.
#[inline(always)]
pub(super) unsafe fn read<'a>(value: *mut sqlite3_value) -> ValueRef<'a> {
    // SAFETY: promised by the caller; SQLite gives pointers that are valid for the length it reports.
    unsafe {
        match call!(value_type(value)) {
            api::SQLITE_INTEGER => ValueRef::Integer(call!(value_int64(value))),
            api::SQLITE_FLOAT => ValueRef::Real(call!(value_double(value))),
            api::SQLITE_TEXT => {
                let text = call!(value_text(value));
                // A text that had to be converted first, from UTF-16.
                memory::note_if(text.is_null());
                ValueRef::Text(bytes(text.cast(), call!(value_bytes(value))))
            }
            api::SQLITE_BLOB => {
                let blob = call!(value_blob(value));
                let length = call!(value_bytes(value));
                // Zeros that had to be written out first. No bytes are a null pointer, too.
                memory::note_if(blob.is_null() && length > 0);
                ValueRef::Blob(bytes(blob.cast(), length))
            }
            _ => ValueRef::Null,
        }
    }
}

/// # Safety
/// A pointer that is not null is valid for `length` bytes for `'a`.
unsafe fn bytes<'a>(pointer: *const u8, length: i32) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: promised by the caller.
        Ok(length) if !pointer.is_null() => unsafe { slice::from_raw_parts(pointer, length) },
        _ => &[],
    }
}

/// Where a callback puts its result.
#[derive(Clone, Copy)]
pub struct Context(*mut sqlite3_context);

impl Context {
    /// # Safety
    /// `context` is the one SQLite passed to the running callback.
    pub(super) unsafe fn new(context: *mut sqlite3_context) -> Context {
        Context(context)
    }

    /// Gives a value; SQLite copies it.
    pub fn result(self, value: ValueRef<'_>) {
        // SAFETY: the context is live; SQLITE_TRANSIENT makes SQLite copy the bytes before returning.
        unsafe {
            match value {
                ValueRef::Null => call!(result_null(self.0)),
                ValueRef::Integer(integer) => call!(result_int64(self.0, integer)),
                ValueRef::Real(real) => call!(result_double(self.0, real)),
                ValueRef::Text(text) => call!(result_text64(
                    self.0,
                    text.as_ptr().cast(),
                    text.len() as u64,
                    transient(),
                    api::SQLITE_UTF8 as u8,
                )),
                ValueRef::Blob(blob) => call!(result_blob64(
                    self.0,
                    dangling_if_empty(blob).cast(),
                    blob.len() as u64,
                    transient(),
                )),
            }
        }
    }

    /// Gives a column of a statement's current row.
    pub fn result_column(self, statement: &super::Statement, column: usize) {
        // SAFETY: the context and the statement are live; SQLite copies the value.
        unsafe {
            let value = call!(column_value(statement.handle(), column as i32));
            call!(result_value(self.0, value));
        }
    }

    /// Fails the statement that runs the callback.
    pub fn error(self, error: &Error) {
        let text = c_text(&error.to_string());
        // SAFETY: the context is live; SQLite copies the text. The code comes second, or it would be lost.
        unsafe {
            call!(result_error(self.0, text.as_ptr(), -1));
            call!(result_error_code(self.0, error.code()));
        }
    }
}

/// A pointer that is not null even for no bytes: SQLite reads a null pointer as NULL.
pub(super) fn dangling_if_empty(bytes: &[u8]) -> *const u8 {
    if bytes.is_empty() {
        c"".as_ptr().cast()
    } else {
        bytes.as_ptr()
    }
}

/// How long SQLite may use bytes it is given: none means for as long as they are bound.
pub(super) type Destructor = Option<unsafe extern "C" fn(*mut std::ffi::c_void)>;

/// SQLITE_TRANSIENT: SQLite copies the bytes at once.
pub(super) fn transient() -> Destructor {
    // SAFETY: SQLite compares this value and never calls it; Option<fn> has the size of a pointer.
    unsafe { std::mem::transmute::<isize, Destructor>(-1) }
}
