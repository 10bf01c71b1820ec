//! Virtual tables: the callbacks through which SQLite reaches a `Table`.

use super::api::{self, call};
use super::connection::{Connection, c_text};
use super::guard::guard;
use super::query::Query;
use super::table::{Cursor, Definition, Lost, Table};
use super::value::{Arguments, Context};
use crate::error::{Error, Result};
use sqlite_loadable::ext::{
    sqlite3, sqlite3_context, sqlite3_index_info, sqlite3_module, sqlite3_value, sqlite3_vtab,
    sqlite3_vtab_cursor,
};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::rc::Rc;

/// Registers `T` as an eponymous table under `name`, connected at once so that its end is told of too.
pub fn register<T: Table>(connection: Connection, name: &str, state: &Rc<T::State>) -> Result<()> {
    let state = Box::into_raw(Box::new(Rc::clone(state)));
    // SAFETY: the module is static; SQLite calls `drop_state` on the pointer exactly once, also when this fails.
    let code = unsafe {
        call!(create_module_v2(
            connection.handle(),
            c_text(name).as_ptr(),
            Module::<T>::reference(),
            state.cast(),
            Some(drop_state::<T>),
        ))
    };
    match code {
        api::SQLITE_OK => {
            drop(connection.prepare(&format!("SELECT 1 FROM {name} LIMIT 0"))?);
            Ok(())
        }
        _ => Err(connection
            .last_error(code)
            .during(format_args!("registering {name}"))),
    }
}

/// Takes a registration back.
pub fn unregister(connection: Connection, name: &str) {
    // SAFETY: the connection is open; without a module SQLite removes the one of this name.
    unsafe {
        call!(create_module_v2(
            connection.handle(),
            c_text(name).as_ptr(),
            ptr::null(),
            ptr::null_mut(),
            None
        ));
    }
}

pub(super) struct Module<T>(PhantomData<T>);

impl<T: Table> Module<T> {
    pub(super) const MODULE: sqlite3_module = sqlite3_module {
        iVersion: 2,
        // No xCreate: the table is there by itself and can't be made a second time. Tables that are made: `created`.
        xCreate: None,
        xConnect: Some(connect::<T>),
        xBestIndex: Some(best_index::<T>),
        xDisconnect: Some(disconnect::<T>),
        xDestroy: None,
        xOpen: Some(open::<T>),
        xClose: Some(close::<T>),
        xFilter: Some(filter::<T>),
        xNext: Some(next::<T>),
        xEof: Some(eof::<T>),
        xColumn: Some(column::<T>),
        xRowid: Some(rowid::<T>),
        xUpdate: Some(update::<T>),
        xBegin: if T::HEARS_OF_TRANSACTIONS {
            Some(begin::<T>)
        } else {
            None
        },
        xSync: if T::HEARS_OF_TRANSACTIONS {
            Some(sync::<T>)
        } else {
            None
        },
        xCommit: if T::HEARS_OF_TRANSACTIONS {
            Some(commit::<T>)
        } else {
            None
        },
        xRollback: if T::HEARS_OF_TRANSACTIONS {
            Some(rollback::<T>)
        } else {
            None
        },
        xFindFunction: None,
        xRename: None,
        xSavepoint: if T::HEARS_OF_TRANSACTIONS {
            Some(savepoint::<T>)
        } else {
            None
        },
        xRelease: if T::HEARS_OF_TRANSACTIONS {
            Some(release::<T>)
        } else {
            None
        },
        xRollbackTo: if T::HEARS_OF_TRANSACTIONS {
            Some(rollback_to::<T>)
        } else {
            None
        },
        xShadowName: None,
    };

    fn reference() -> *const sqlite3_module {
        const { &Self::MODULE }
    }
}

/// SQLite's view first, ours behind it.
#[repr(C)]
struct TableObject<T> {
    base: sqlite3_vtab,
    table: T,
}

/// SQLite's view first, ours behind it.
#[repr(C)]
struct CursorObject<T: Table> {
    base: sqlite3_vtab_cursor,
    cursor: T::Cursor,
    /// Why it is not known whether the scan is at its end: `xEof` can't tell
    failure: Option<Error>,
}

/// # Safety
/// `table` was made by `establish::<T>`.
pub(super) unsafe fn table_of<'a, T>(table: *mut sqlite3_vtab) -> &'a T {
    // SAFETY: promised by the caller; TableObject is repr(C) with the base first.
    unsafe { &(*table.cast::<TableObject<T>>()).table }
}

/// # Safety
/// `cursor` was made by `open::<T>`.
unsafe fn cursor_of<'a, T: Table>(cursor: *mut sqlite3_vtab_cursor) -> &'a mut CursorObject<T> {
    // SAFETY: promised by the caller; SQLite never runs two callbacks on one cursor at a time.
    unsafe { &mut *cursor.cast::<CursorObject<T>>() }
}

impl<T: Table> CursorObject<T> {
    /// The cursor, unless its scan went wrong where that could not be told.
    fn sound(&mut self) -> Result<&mut T::Cursor> {
        match &self.failure {
            None => Ok(&mut self.cursor),
            Some(failure) => Err(failure.clone()),
        }
    }
}

/// The code for SQLite, with the text left where it looks for one.
///
/// # Safety
/// `table` is live.
pub(super) unsafe fn report(table: *mut sqlite3_vtab, outcome: Result<()>) -> c_int {
    let Err(error) = outcome else {
        return api::SQLITE_OK;
    };
    // SAFETY: promised by the caller; the old text, if any, is SQLite's to free.
    unsafe {
        call!(free((*table).zErrMsg.cast()));
        (*table).zErrMsg = sqlite_text(&error.to_string());
    }
    error.code()
}

/// A copy on SQLite's heap; null when memory is short.
pub(super) fn sqlite_text(text: &str) -> *mut c_char {
    let text = c_text(text);
    let bytes = text.as_bytes_with_nul();
    // SAFETY: the allocation is as large as what is copied into it.
    unsafe {
        let copy: *mut c_char = call!(malloc64(bytes.len() as u64)).cast();
        if !copy.is_null() {
            ptr::copy_nonoverlapping(bytes.as_ptr().cast(), copy, bytes.len());
        }
        copy
    }
}

pub(super) unsafe extern "C" fn drop_state<T: Table>(state: *mut c_void) {
    // SAFETY: the pointer comes from Box::into_raw in `register`, and SQLite passes it here once.
    let state = unsafe { Box::from_raw(state.cast::<Rc<T::State>>()) };
    let _ = guard("xDestroy of a module", || {
        drop(state);
        Ok(())
    });
}

unsafe extern "C" fn connect<T: Table>(
    db: *mut sqlite3,
    state: *mut c_void,
    count: c_int,
    arguments: *const *const c_char,
    table: *mut *mut sqlite3_vtab,
    message: *mut *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes its own arguments.
    unsafe {
        let definition = Definition::read(count, arguments);
        establish(
            "xConnect",
            db,
            state,
            &definition,
            T::connect,
            table,
            message,
        )
    }
}

/// Declares a table and hands its object to SQLite.
///
/// # Safety
/// The connection is open, `state` was given at registration, `table` and `message` are valid places.
pub(super) unsafe fn establish<T: Table>(
    callback: &str,
    db: *mut sqlite3,
    state: *mut c_void,
    definition: &Definition,
    make: fn(&Rc<T::State>, &Definition) -> Result<T>,
    table: *mut *mut sqlite3_vtab,
    message: *mut *mut c_char,
) -> c_int {
    let outcome = guard(callback, || {
        // SAFETY: promised by the caller.
        unsafe {
            let state = &*state.cast::<Rc<T::State>>();
            let code = call!(declare_vtab(db, c_text(T::DECLARATION).as_ptr()));
            if code != api::SQLITE_OK {
                return Err(Connection::from_handle(db).last_error(code));
            }
            // Triggers and views may use it, whatever `trusted_schema` says.
            call!(vtab_config(db, api::SQLITE_VTAB_INNOCUOUS));
            Ok(Box::new(TableObject {
                base: std::mem::zeroed(),
                table: make(state, definition)?,
            }))
        }
    });
    match outcome {
        Ok(object) => {
            // SAFETY: `table` is a valid place.
            unsafe { *table = Box::into_raw(object).cast() };
            api::SQLITE_OK
        }
        Err(error) => {
            // SAFETY: `message` is a valid place, and SQLite frees what is put there.
            unsafe { *message = sqlite_text(&error.to_string()) };
            error.code()
        }
    }
}

pub(super) unsafe extern "C" fn disconnect<T: Table>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: made by `establish::<T>`, and SQLite passes it here once.
    let object = unsafe { Box::from_raw(table.cast::<TableObject<T>>()) };
    let disconnect = || {
        guard("xDisconnect", || {
            object.table.disconnect();
            Ok(())
        })
    };
    // SAFETY: the text, if any, is on SQLite's heap: it belongs to a callback whose texts SQLite does not take.
    unsafe { call!(free(object.base.zErrMsg.cast())) };
    // What is not let go of keeps the connection from closing, and nobody can be told.
    let _ = disconnect().or_else(|_| disconnect());
    let _ = guard("xDisconnect", || {
        drop(object);
        Ok(())
    });
    api::SQLITE_OK
}

unsafe extern "C" fn best_index<T: Table>(
    table: *mut sqlite3_vtab,
    info: *mut sqlite3_index_info,
) -> c_int {
    // SAFETY: SQLite passes its own live objects.
    unsafe {
        let mut query = Query::new(&mut *info);
        let outcome = guard("xBestIndex", || {
            table_of::<T>(table).best_index(&mut query)?;
            query.finish()
        });
        report(table, outcome)
    }
}

unsafe extern "C" fn open<T: Table>(
    table: *mut sqlite3_vtab,
    cursor: *mut *mut sqlite3_vtab_cursor,
) -> c_int {
    // SAFETY: SQLite passes its own live objects; `cursor` is a valid place.
    unsafe {
        let outcome = guard("xOpen", || {
            let opened = table_of::<T>(table).open()?;
            Ok(Box::new(CursorObject::<T> {
                base: std::mem::zeroed(),
                cursor: opened,
                failure: None,
            }))
        });
        let taken = outcome.map(|object| *cursor = Box::into_raw(object).cast());
        report(table, taken)
    }
}

unsafe extern "C" fn close<T: Table>(cursor: *mut sqlite3_vtab_cursor) -> c_int {
    // SAFETY: made by `open::<T>`, and SQLite passes it here once.
    let object = unsafe { Box::from_raw(cursor.cast::<CursorObject<T>>()) };
    let _ = guard("xClose", || {
        drop(object);
        Ok(())
    });
    api::SQLITE_OK
}

unsafe extern "C" fn filter<T: Table>(
    cursor: *mut sqlite3_vtab_cursor,
    plan: c_int,
    plan_text: *const c_char,
    count: c_int,
    values: *mut *mut sqlite3_value,
) -> c_int {
    // SAFETY: SQLite passes its own live objects and the text that `best_index` gave.
    unsafe {
        let text = if plan_text.is_null() {
            c""
        } else {
            CStr::from_ptr(plan_text)
        };
        let outcome = guard("xFilter", || {
            let arguments = Arguments::new(count, values);
            let object = cursor_of::<T>(cursor);
            object.failure = None;
            object
                .cursor
                .filter(plan, &text.to_string_lossy(), arguments)
        });
        report((*cursor).pVtab, outcome)
    }
}

unsafe extern "C" fn next<T: Table>(cursor: *mut sqlite3_vtab_cursor) -> c_int {
    // SAFETY: SQLite passes its own live objects.
    unsafe {
        report(
            (*cursor).pVtab,
            guard("xNext", || cursor_of::<T>(cursor).sound()?.next()),
        )
    }
}

unsafe extern "C" fn eof<T: Table>(cursor: *mut sqlite3_vtab_cursor) -> c_int {
    // SAFETY: SQLite passes its own live objects.
    let object = unsafe { cursor_of::<T>(cursor) };
    match guard("xEof", || Ok(object.cursor.is_at_end())) {
        Ok(is_at_end) => c_int::from(is_at_end),
        // At the end, rows that are not read would be missed in silence. So the scan goes on, to its next callback.
        Err(error) => {
            object.failure = Some(error);
            0
        }
    }
}

unsafe extern "C" fn column<T: Table>(
    cursor: *mut sqlite3_vtab_cursor,
    context: *mut sqlite3_context,
    index: c_int,
) -> c_int {
    // SAFETY: SQLite passes its own live objects.
    let (context, cursor) = unsafe { (Context::new(context), cursor_of::<T>(cursor)) };
    if let Err(error) = guard("xColumn", || {
        cursor.sound()?.column(index as usize, context)
    }) {
        context.error(&error);
    }
    api::SQLITE_OK
}

unsafe extern "C" fn rowid<T: Table>(cursor: *mut sqlite3_vtab_cursor, rowid: *mut i64) -> c_int {
    // SAFETY: SQLite passes its own live objects; `rowid` is a valid place.
    unsafe {
        let outcome = guard("xRowid", || {
            *rowid = cursor_of::<T>(cursor).sound()?.rowid();
            Ok(())
        });
        report((*cursor).pVtab, outcome)
    }
}

unsafe extern "C" fn update<T: Table>(
    table: *mut sqlite3_vtab,
    count: c_int,
    values: *mut *mut sqlite3_value,
    rowid: *mut i64,
) -> c_int {
    // SAFETY: SQLite passes its own live objects; for an insert `rowid` is a valid place.
    unsafe {
        let outcome = guard("xUpdate", || {
            let arguments = Arguments::new(count, values);
            let is_insert =
                count > 1 && matches!(arguments.get(0), crate::crdt::value::ValueRef::Null);
            if !is_insert {
                return Err(T::is_read_only());
            }
            *rowid = table_of::<T>(table).insert(arguments.from(2))?;
            Ok(())
        });
        report(table, outcome)
    }
}

unsafe extern "C" fn begin<T: Table>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: SQLite passes its own live table.
    unsafe {
        let object = table_of::<T>(table);
        let outcome = guard("xBegin", || object.begin());
        if outcome.is_err() {
            // SQLite does not tell of a transaction that it could not begin.
            recover("xBegin", object, Lost::End);
        }
        report(table, outcome)
    }
}

unsafe extern "C" fn sync<T: Table>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: SQLite passes its own live table.
    unsafe { report(table, guard("xSync", || table_of::<T>(table).sync())) }
}

fn recover<T: Table>(callback: &str, table: &T, lost: Lost) {
    let _ = guard(callback, || {
        table.recover(lost);
        Ok(())
    });
}

/// Runs a callback that tells of a savepoint.
///
/// # Safety
/// `table` was made by `establish::<T>`.
unsafe fn notify<T: Table>(
    callback: &str,
    table: *mut sqlite3_vtab,
    tell: impl FnOnce(&T) -> Result<()>,
) -> c_int {
    // SAFETY: promised by the caller.
    unsafe {
        let object = table_of::<T>(table);
        let outcome = guard(callback, || tell(object));
        if let Err(Error::Internal(_)) = outcome {
            recover(callback, object, Lost::Savepoint);
        }
        report(table, outcome)
    }
}

/// Runs a callback that tells of the end of a transaction. SQLite takes no answer.
///
/// # Safety
/// `table` was made by `establish::<T>`.
unsafe fn end<T: Table>(callback: &str, table: *mut sqlite3_vtab, tell: fn(&T)) -> c_int {
    // SAFETY: promised by the caller.
    let object = unsafe { table_of::<T>(table) };
    let told = guard(callback, || {
        tell(object);
        Ok(())
    });
    if told.is_err() {
        recover(callback, object, Lost::End);
    }
    api::SQLITE_OK
}

unsafe extern "C" fn commit<T: Table>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: SQLite passes its own live table.
    unsafe { end::<T>("xCommit", table, T::commit) }
}

unsafe extern "C" fn rollback<T: Table>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: SQLite passes its own live table.
    unsafe { end::<T>("xRollback", table, T::rollback) }
}

unsafe extern "C" fn savepoint<T: Table>(table: *mut sqlite3_vtab, index: c_int) -> c_int {
    // SAFETY: SQLite passes its own live table.
    unsafe { notify::<T>("xSavepoint", table, |table| table.savepoint(index)) }
}

unsafe extern "C" fn release<T: Table>(table: *mut sqlite3_vtab, index: c_int) -> c_int {
    let tell = |table: &T| {
        table.release(index);
        Ok(())
    };
    // SAFETY: SQLite passes its own live table.
    unsafe { notify::<T>("xRelease", table, tell) }
}

unsafe extern "C" fn rollback_to<T: Table>(table: *mut sqlite3_vtab, index: c_int) -> c_int {
    let tell = |table: &T| {
        table.rollback_to(index);
        Ok(())
    };
    // SAFETY: SQLite passes its own live table.
    unsafe { notify::<T>("xRollbackTo", table, tell) }
}
