//! The VFS through which SQLite, and so the extension, uses a `Disk`.
//!
//! Files are called `/<number of the disk>/<name>`. What has no name, as the journal of a statement, belongs to
//! the disk that its thread used last. Libraries are loaded, and time is told, by the default VFS.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::size_of;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use rusqlite::ffi;
use rusqlite::{Connection, OpenFlags};

use super::disk::{Disk, Failed, Failure, REGION_WORDS};

const NAME: &CStr = c"crsql_faults";

static DISKS: Mutex<BTreeMap<u64, Arc<Disk>>> = Mutex::new(BTreeMap::new());

thread_local! {
    static LATEST: Cell<u64> = const { Cell::new(0) };
}

/// A disk that connections can open files of, for as long as this lives.
pub struct Mounted {
    pub disk: Arc<Disk>,
    number: u64,
}

impl Mounted {
    pub fn new(disk: Disk) -> Mounted {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        super::allocator::install();
        register();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let disk = Arc::new(disk);
        let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        disks.insert(number, Arc::clone(&disk));
        Mounted { disk, number }
    }

    /// Opens a database file of the disk.
    pub fn open(&self, name: &str) -> rusqlite::Result<Connection> {
        LATEST.set(self.number);
        let path = format!("/{}/{name}", self.number);
        Connection::open_with_flags_and_vfs(path, OpenFlags::default(), NAME)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        disks.remove(&self.number);
    }
}

/// An open file, in the place that SQLite keeps for it.
#[repr(C)]
struct Handle {
    base: ffi::sqlite3_file,
    opened: *mut Opened,
}

struct Opened {
    disk: Arc<Disk>,
    name: String,
    id: u64,
    is_private: bool,
}

fn find(path: &str) -> Option<(Arc<Disk>, String)> {
    let (number, name) = path.strip_prefix('/')?.split_once('/')?;
    let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    let disk = disks.get(&number.parse().ok()?)?;
    Some((Arc::clone(disk), name.to_owned()))
}

/// # Safety
/// `path` is null or a text.
unsafe fn find_text(path: *const c_char) -> Option<(Arc<Disk>, String)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    find(&unsafe { CStr::from_ptr(path) }.to_string_lossy())
}

/// # Safety
/// `file` was opened by `open` and not closed since.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> &'a Opened {
    // SAFETY: promised by the caller; Handle is repr(C) with the base first.
    unsafe { &*(*file.cast::<Handle>()).opened }
}

fn code(outcome: Result<(), Failed>, io_error: c_int) -> c_int {
    match outcome {
        Ok(()) => ffi::SQLITE_OK,
        Err(Failed(Failure::Full)) => ffi::SQLITE_FULL,
        Err(Failed(Failure::Busy)) => ffi::SQLITE_BUSY,
        Err(_) => io_error,
    }
}

fn default_vfs() -> *mut ffi::sqlite3_vfs {
    // SAFETY: without a name it is the default one, which is there for ever.
    unsafe { ffi::sqlite3_vfs_find(ptr::null()) }
}

fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: an object of C that may be all zero; it is never freed, as SQLite keeps it.
        let vfs: &'static mut ffi::sqlite3_vfs = Box::leak(Box::new(unsafe { std::mem::zeroed() }));
        vfs.iVersion = 2;
        vfs.szOsFile = size_of::<Handle>() as c_int;
        vfs.mxPathname = 200;
        vfs.zName = NAME.as_ptr();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        vfs.xFullPathname = Some(full_path);
        vfs.xDlOpen = Some(dl_open);
        vfs.xDlError = Some(dl_error);
        vfs.xDlSym = Some(dl_sym);
        vfs.xDlClose = Some(dl_close);
        vfs.xRandomness = Some(randomness);
        vfs.xSleep = Some(sleep);
        vfs.xCurrentTimeInt64 = Some(current_time);
        // SAFETY: the object stays, and is complete for its version.
        assert_eq!(unsafe { ffi::sqlite3_vfs_register(vfs, 0) }, ffi::SQLITE_OK);
    });
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes a text or null, a place of the size asked for, and a place for flags or null.
    unsafe {
        (*file).pMethods = ptr::null();
        let is_private = path.is_null();
        let found = if is_private {
            static NEXT: AtomicU64 = AtomicU64::new(1);
            let name = format!("private-{}", NEXT.fetch_add(1, Ordering::Relaxed));
            find(&format!("/{}/{name}", LATEST.get()))
        } else {
            find_text(path)
        };
        let Some((disk, name)) = found else {
            return ffi::SQLITE_CANTOPEN;
        };
        let id = match disk.open(&name, flags & ffi::SQLITE_OPEN_CREATE != 0, true) {
            Ok(Some(id)) => id,
            Ok(None) => return ffi::SQLITE_CANTOPEN,
            Err(failed) => return code(Err(failed), ffi::SQLITE_CANTOPEN),
        };
        if !flags_out.is_null() {
            *flags_out = flags;
        }
        let opened = Opened {
            disk,
            name,
            id,
            is_private: is_private || flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0,
        };
        (*file.cast::<Handle>()).opened = Box::into_raw(Box::new(opened));
        (*file).pMethods = &METHODS;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: `open` made the box, and SQLite closes a file once.
    let opened = unsafe { Box::from_raw((*file.cast::<Handle>()).opened) };
    opened.disk.release(&opened.name, opened.id, 0);
    if opened.is_private {
        opened.disk.forget(&opened.name);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    count: c_int,
    at: i64,
) -> c_int {
    // SAFETY: SQLite passes its own open file and a buffer of that length.
    let (opened, into) = unsafe {
        (
            opened(file),
            slice::from_raw_parts_mut(into.cast::<u8>(), count as usize),
        )
    };
    match opened.disk.read(&opened.name, at as usize, into) {
        Ok(found) if found == into.len() => ffi::SQLITE_OK,
        Ok(_) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(failed) => code(Err(failed), ffi::SQLITE_IOERR_READ),
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    count: c_int,
    at: i64,
) -> c_int {
    // SAFETY: SQLite passes its own open file and a buffer of that length.
    let (opened, from) = unsafe {
        (
            opened(file),
            slice::from_raw_parts(from.cast::<u8>(), count as usize),
        )
    };
    let outcome = opened.disk.write(&opened.name, at as usize, from);
    code(outcome, ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: SQLite passes its own open file.
    let opened = unsafe { opened(file) };
    let outcome = opened.disk.truncate(&opened.name, length as usize);
    code(outcome, ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite passes its own open file.
    let opened = unsafe { opened(file) };
    code(opened.disk.sync(&opened.name), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: SQLite passes its own open file and a place for a number.
    unsafe {
        let opened = opened(file);
        *size = opened.disk.exists(&opened.name).unwrap_or_default() as i64;
    }
    ffi::SQLITE_OK
}

fn held(outcome: Result<bool, Failed>, io_error: c_int) -> c_int {
    match outcome {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_BUSY,
        Err(failed) => code(Err(failed), io_error),
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite passes its own open file.
    let opened = unsafe { opened(file) };
    let outcome = opened.disk.acquire(&opened.name, opened.id, level);
    held(outcome, ffi::SQLITE_IOERR_LOCK)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite passes its own open file.
    let opened = unsafe { opened(file) };
    opened.disk.release(&opened.name, opened.id, level);
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(
    file: *mut ffi::sqlite3_file,
    is_held: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes its own open file and a place for a number.
    unsafe {
        let opened = opened(file);
        *is_held = c_int::from(opened.disk.is_reserved(&opened.name));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _op: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    super::disk::SECTOR as c_int
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    0
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    may_extend: c_int,
    place: *mut *mut c_void,
) -> c_int {
    assert!(size as usize <= REGION_WORDS * 8);
    // SAFETY: SQLite passes its own open file and a place for a pointer.
    unsafe {
        let opened = opened(file);
        let mapped = opened
            .disk
            .map_shared(&opened.name, region as usize, may_extend != 0);
        *place = mapped.cast();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: SQLite passes its own open file.
    let opened = unsafe { opened(file) };
    let slots = first..first + count;
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        opened.disk.unlock_shared(&opened.name, opened.id, slots);
        return ffi::SQLITE_OK;
    }
    let is_exclusive = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
    let outcome = opened
        .disk
        .lock_shared(&opened.name, opened.id, slots, is_exclusive);
    held(outcome, ffi::SQLITE_IOERR_SHMLOCK)
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(_file: *mut ffi::sqlite3_file, _is_deleted: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    is_synced: c_int,
) -> c_int {
    // SAFETY: SQLite passes a text.
    let Some((disk, name)) = (unsafe { find_text(path) }) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    match disk.delete(&name, is_synced != 0) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_DELETE_NOENT,
        Err(failed) => code(Err(failed), ffi::SQLITE_IOERR_DELETE),
    }
}

unsafe extern "C" fn access(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    flags: c_int,
    is_so: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes a text and a place for a number.
    unsafe {
        let size = find_text(path).and_then(|(disk, name)| disk.exists(&name));
        // As the VFS of Unix does, an empty file counts as none where its mere existence is asked for.
        *is_so =
            c_int::from(size.is_some_and(|size| flags != ffi::SQLITE_ACCESS_EXISTS || size > 0));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    size: c_int,
    place: *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes a text and a buffer of that size.
    unsafe {
        let bytes = CStr::from_ptr(path).to_bytes_with_nul();
        if bytes.len() > size as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(bytes.as_ptr().cast(), place, bytes.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn dl_open(_vfs: *mut ffi::sqlite3_vfs, path: *const c_char) -> *mut c_void {
    // SAFETY: the default VFS has the routine and gets its own object.
    unsafe {
        (*default_vfs())
            .xDlOpen
            .map_or(ptr::null_mut(), |open| open(default_vfs(), path))
    }
}

unsafe extern "C" fn dl_error(_vfs: *mut ffi::sqlite3_vfs, size: c_int, place: *mut c_char) {
    // SAFETY: as in `dl_open`.
    unsafe {
        if let Some(error) = (*default_vfs()).xDlError {
            error(default_vfs(), size, place);
        }
    }
}

unsafe extern "C" fn dl_sym(
    _vfs: *mut ffi::sqlite3_vfs,
    library: *mut c_void,
    symbol: *const c_char,
) -> Option<unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *mut c_void, *const c_char)> {
    // SAFETY: as in `dl_open`.
    unsafe {
        (*default_vfs())
            .xDlSym
            .and_then(|find| find(default_vfs(), library, symbol))
    }
}

unsafe extern "C" fn dl_close(_vfs: *mut ffi::sqlite3_vfs, library: *mut c_void) {
    // SAFETY: as in `dl_open`.
    unsafe {
        if let Some(close) = (*default_vfs()).xDlClose {
            close(default_vfs(), library);
        }
    }
}

unsafe extern "C" fn randomness(
    _vfs: *mut ffi::sqlite3_vfs,
    count: c_int,
    place: *mut c_char,
) -> c_int {
    // SAFETY: as in `dl_open`.
    unsafe {
        (*default_vfs())
            .xRandomness
            .map_or(0, |fill| fill(default_vfs(), count, place))
    }
}

unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, time: *mut i64) -> c_int {
    // SAFETY: as in `dl_open`.
    unsafe {
        (*default_vfs())
            .xCurrentTimeInt64
            .map_or(ffi::SQLITE_ERROR, |tell| tell(default_vfs(), time))
    }
}
