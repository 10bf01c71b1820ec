//! The allocator of the SQLite of this process, whose n-th allocation on a thread can fail.
//!
//! Each block has its size in front, as SQLite asks for it. Counts are those of the calling thread, so that tests
//! can run beside each other.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Once;

use rusqlite::ffi;

/// Room for the size, so large that what follows is aligned.
const HEADER: usize = 16;

/// What is counted and planned on a thread.
#[derive(Debug, Clone, Copy)]
struct Plan {
    is_counting: bool,
    seen: u64,
    fired: u64,
    at: u64,
    is_lasting: bool,
    /// Blocks that are in use
    blocks: i64,
}

thread_local! {
    static PLAN: Cell<Plan> = const {
        Cell::new(Plan { is_counting: false, seen: 0, fired: 0, at: 0, is_lasting: false, blocks: 0 })
    };
}

/// From here on the n-th allocation of this thread fails, alone or with all after it.
pub fn arm(at: u64, is_lasting: bool) {
    let blocks = PLAN.get().blocks;
    PLAN.set(Plan {
        is_counting: true,
        seen: 0,
        fired: 0,
        at,
        is_lasting,
        blocks,
    });
}

/// No allocation fails any more. How many there were, and how many failed.
pub fn disarm() -> (u64, u64) {
    let plan = PLAN.get();
    PLAN.set(Plan {
        is_counting: false,
        ..plan
    });
    (plan.seen, plan.fired)
}

/// The blocks that this thread allocated and did not free.
pub fn blocks() -> i64 {
    PLAN.get().blocks
}

fn count_blocks(more: i64) {
    let plan = PLAN.get();
    PLAN.set(Plan {
        blocks: plan.blocks + more,
        ..plan
    });
}

fn fails() -> bool {
    let mut plan = PLAN.get();
    if !plan.is_counting {
        return false;
    }
    plan.seen += 1;
    let is_due = plan.seen == plan.at || plan.is_lasting && plan.seen > plan.at;
    plan.fired += u64::from(is_due);
    PLAN.set(plan);
    is_due
}

/// Gives the process this allocator. To be called before anything else of SQLite.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let methods: &'static ffi::sqlite3_mem_methods =
            Box::leak(Box::new(ffi::sqlite3_mem_methods {
                xMalloc: Some(allocate),
                xFree: Some(free),
                xRealloc: Some(resize),
                xSize: Some(size),
                xRoundup: Some(round_up),
                xInit: Some(start),
                xShutdown: Some(stop),
                pAppData: ptr::null_mut(),
            }));
        // SAFETY: SQLite is not in use yet, and copies the methods. Without lookaside memory every small allocation
        // comes here, too.
        unsafe {
            assert_eq!(
                ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, methods),
                ffi::SQLITE_OK
            );
            assert_eq!(
                ffi::sqlite3_config(ffi::SQLITE_CONFIG_LOOKASIDE, 0 as c_int, 0 as c_int),
                ffi::SQLITE_OK
            );
        }
    });
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size + HEADER, HEADER).expect("a size that SQLite asks for")
}

/// # Safety
/// `block` was given by `allocate` or `resize`.
unsafe fn size_of_block(block: *mut c_void) -> usize {
    // SAFETY: the size stands before the block.
    unsafe { block.cast::<u8>().sub(HEADER).cast::<usize>().read() }
}

unsafe extern "C" fn allocate(size: c_int) -> *mut c_void {
    if size <= 0 || fails() {
        return ptr::null_mut();
    }
    // SAFETY: the layout is not empty; the header fits in front.
    unsafe {
        let base = alloc(layout(size as usize));
        if base.is_null() {
            return ptr::null_mut();
        }
        base.cast::<usize>().write(size as usize);
        count_blocks(1);
        base.add(HEADER).cast()
    }
}

unsafe extern "C" fn free(block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: SQLite frees a block of `allocate` once.
    unsafe {
        let size = size_of_block(block);
        count_blocks(-1);
        // What is used after it was freed is no valid pointer.
        ptr::write_bytes(block.cast::<u8>(), 0xdb, size);
        dealloc(block.cast::<u8>().sub(HEADER), layout(size));
    }
}

unsafe extern "C" fn resize(block: *mut c_void, size: c_int) -> *mut c_void {
    if fails() {
        return ptr::null_mut();
    }
    // SAFETY: SQLite passes a block of `allocate` and a size that is not 0.
    unsafe {
        let old = layout(size_of_block(block));
        let base = realloc(
            block.cast::<u8>().sub(HEADER),
            old,
            layout(size as usize).size(),
        );
        if base.is_null() {
            return ptr::null_mut();
        }
        base.cast::<usize>().write(size as usize);
        base.add(HEADER).cast()
    }
}

unsafe extern "C" fn size(block: *mut c_void) -> c_int {
    if block.is_null() {
        return 0;
    }
    // SAFETY: SQLite passes a block of `allocate`.
    unsafe { size_of_block(block) as c_int }
}

unsafe extern "C" fn round_up(size: c_int) -> c_int {
    (size + 7) & !7
}

unsafe extern "C" fn start(_data: *mut c_void) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn stop(_data: *mut c_void) {}
