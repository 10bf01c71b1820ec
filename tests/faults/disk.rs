//! A disk in memory that knows which bytes were synced, and that can be told to fail.
//!
//! ```text
//! write, truncate --> current bytes + list of what is unsynced --sync--> durable bytes
//! power cut: every later call fails; `after_power_cut` gives the files that a restart would find
//! ```
//! Locks are those of SQLite's own VFS: between the handles of one disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::random::Random;

/// What a power cut can't tear: SQLite is told of sectors of this size.
pub const SECTOR: usize = 512;

/// The size of a region of the shared memory of a WAL.
pub const REGION_WORDS: usize = 32 * 1024 / 8;

/// A call that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    Open,
    Read,
    Write,
    Sync,
    Truncate,
    Delete,
    Lock,
}

/// Everything that changes what is on the disk.
pub const CHANGES: &[Op] = &[Op::Open, Op::Write, Op::Sync, Op::Truncate, Op::Delete];

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The I/O error of the operation
    Io,
    /// No space is left
    Full,
    /// Half of the bytes are written, then it is an I/O error
    Torn,
    /// The file is locked
    Busy,
    /// Power is cut
    Power,
}

/// When calls fail.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub ops: &'static [Op],
    pub failure: Failure,
    /// The first call that fails, counted from 1
    pub at: u64,
    /// Whether all calls from there on fail
    pub is_lasting: bool,
}

/// What a restart finds of the bytes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// All: the process was killed, not the machine
    All,
    /// None
    Synced,
    /// Any sectors, in any order, and files that were deleted may be back
    Any(u64),
}

/// A change that is not durable yet.
#[derive(Debug, Clone)]
enum Unsynced {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// What a handle holds of a file.
#[derive(Debug, Default, Clone)]
pub struct Locks {
    shared: BTreeSet<u64>,
    reserved: Option<u64>,
    pending: Option<u64>,
    exclusive: Option<u64>,
    shm_shared: BTreeMap<i32, BTreeSet<u64>>,
    shm_exclusive: BTreeMap<i32, u64>,
}

/// A file.
#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// None if even its name is not durable
    durable: Option<Vec<u8>>,
    unsynced: Vec<Unsynced>,
    locks: Locks,
    shared_memory: Vec<Box<[u64; REGION_WORDS]>>,
}

impl File {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        write_to(&mut self.bytes, at, bytes);
        self.unsynced.push(Unsynced::Write(at, bytes.to_vec()));
    }
}

fn write_to(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at..end].copy_from_slice(bytes);
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, File>,
    /// Durable content of deleted files whose directory was not synced
    deleted: BTreeMap<String, Vec<u8>>,
    plan: Option<Plan>,
    seen: u64,
    fired: u64,
    is_off: bool,
    next_handle: u64,
}

/// A disk.
#[derive(Debug, Default)]
pub struct Disk(Mutex<Inner>);

/// The files of a disk that is off.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What becomes of a call.
enum Course {
    Go,
    /// Does half of it
    Tear,
    Fail(Failure),
}

/// A call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed(pub Failure);

impl Inner {
    fn course(&mut self, op: Op) -> Course {
        if self.is_off {
            return Course::Fail(Failure::Power);
        }
        let Some(plan) = self.plan.filter(|plan| plan.ops.contains(&op)) else {
            return Course::Go;
        };
        self.seen += 1;
        let is_due = self.seen == plan.at || plan.is_lasting && self.seen > plan.at;
        if !is_due {
            return Course::Go;
        }
        self.fired += 1;
        match plan.failure {
            Failure::Torn => Course::Tear,
            Failure::Power => {
                self.is_off = true;
                // What is being written may reach the disk, or parts of it.
                if op == Op::Write {
                    Course::Tear
                } else {
                    Course::Fail(Failure::Power)
                }
            }
            other => Course::Fail(other),
        }
    }

    fn file(&mut self, name: &str) -> &mut File {
        self.files.entry(name.to_owned()).or_default()
    }
}

impl Disk {
    /// A disk that holds these files.
    pub fn with(files: &Files) -> Disk {
        let disk = Disk::default();
        for (name, bytes) in files {
            let file = File {
                bytes: bytes.clone(),
                durable: Some(bytes.clone()),
                ..File::default()
            };
            disk.lock().files.insert(name.clone(), file);
        }
        disk
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts calls from here on, and lets them fail as planned.
    pub fn set_plan(&self, plan: Option<Plan>) {
        let mut inner = self.lock();
        inner.plan = plan;
        if plan.is_some() {
            (inner.seen, inner.fired) = (0, 0);
        }
    }

    /// How many calls of the planned kind there were, and how many failed.
    pub fn counts(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.seen, inner.fired)
    }

    /// The current content of all files.
    pub fn files(&self) -> Files {
        let inner = self.lock();
        let files = inner.files.iter();
        files
            .map(|(name, file)| (name.clone(), file.bytes.clone()))
            .collect()
    }

    /// The files that a restart finds.
    pub fn after_power_cut(&self, survival: Survival) -> Files {
        if survival == Survival::All {
            return self.files();
        }
        let inner = self.lock();
        let mut random = Random::new(match survival {
            Survival::Any(seed) => seed,
            _ => 0,
        });
        let mut keeps = |is_any: bool| is_any && random.percent(50);
        let is_any = matches!(survival, Survival::Any(_));
        let mut found = Files::new();
        for (name, file) in &inner.files {
            let mut bytes = match &file.durable {
                Some(durable) => durable.clone(),
                None if keeps(is_any) => Vec::new(),
                None => continue,
            };
            for change in &file.unsynced {
                match change {
                    Unsynced::Write(at, written) => {
                        let mut done = 0;
                        while done < written.len() {
                            let place = at + done;
                            let end = (done + SECTOR - place % SECTOR).min(written.len());
                            if keeps(is_any) {
                                write_to(&mut bytes, place, &written[done..end]);
                            }
                            done = end;
                        }
                    }
                    Unsynced::Truncate(length) if keeps(is_any) => bytes.resize(*length, 0),
                    Unsynced::Truncate(_) => {}
                }
            }
            found.insert(name.clone(), bytes);
        }
        for (name, bytes) in &inner.deleted {
            if keeps(is_any) {
                found.entry(name.clone()).or_insert_with(|| bytes.clone());
            }
        }
        found
    }

    /// A number for a new handle.
    pub fn open(
        &self,
        name: &str,
        may_create: bool,
        is_counted: bool,
    ) -> Result<Option<u64>, Failed> {
        let mut inner = self.lock();
        if is_counted && let Course::Fail(failure) = inner.course(Op::Open) {
            return Err(Failed(failure));
        }
        if inner.is_off {
            return Err(Failed(Failure::Power));
        }
        if !inner.files.contains_key(name) && !may_create {
            return Ok(None);
        }
        inner.deleted.remove(name);
        inner.file(name);
        inner.next_handle += 1;
        Ok(Some(inner.next_handle))
    }

    pub fn exists(&self, name: &str) -> Option<usize> {
        self.lock().files.get(name).map(|file| file.bytes.len())
    }

    /// Fills the bytes from a place of a file; the number of bytes that were there.
    pub fn read(&self, name: &str, at: usize, into: &mut [u8]) -> Result<usize, Failed> {
        let mut inner = self.lock();
        match inner.course(Op::Read) {
            Course::Go => {}
            Course::Tear => return Err(Failed(Failure::Io)),
            Course::Fail(failure) => return Err(Failed(failure)),
        }
        let bytes = &inner.file(name).bytes;
        let found = bytes.get(at..).unwrap_or_default();
        let count = found.len().min(into.len());
        into[..count].copy_from_slice(&found[..count]);
        into[count..].fill(0);
        Ok(count)
    }

    pub fn write(&self, name: &str, at: usize, bytes: &[u8]) -> Result<(), Failed> {
        let mut inner = self.lock();
        match inner.course(Op::Write) {
            Course::Go => inner.file(name).write(at, bytes),
            Course::Tear => {
                inner.file(name).write(at, &bytes[..bytes.len() / 2]);
                return Err(Failed(Failure::Torn));
            }
            Course::Fail(failure) => return Err(Failed(failure)),
        }
        Ok(())
    }

    pub fn truncate(&self, name: &str, length: usize) -> Result<(), Failed> {
        let mut inner = self.lock();
        if let Course::Fail(failure) = inner.course(Op::Truncate) {
            return Err(Failed(failure));
        }
        let file = inner.file(name);
        file.bytes.resize(length, 0);
        file.unsynced.push(Unsynced::Truncate(length));
        Ok(())
    }

    pub fn sync(&self, name: &str) -> Result<(), Failed> {
        let mut inner = self.lock();
        if let Course::Fail(failure) = inner.course(Op::Sync) {
            return Err(Failed(failure));
        }
        let file = inner.file(name);
        let is_new = file.durable.is_none();
        file.durable = Some(file.bytes.clone());
        file.unsynced.clear();
        if is_new {
            // The VFS of Unix syncs the directory of a new file with it.
            inner.deleted.clear();
        }
        Ok(())
    }

    /// Whether there was such a file.
    pub fn delete(&self, name: &str, is_synced: bool) -> Result<bool, Failed> {
        let mut inner = self.lock();
        if let Course::Fail(failure) = inner.course(Op::Delete) {
            return Err(Failed(failure));
        }
        let Some(file) = inner.files.remove(name) else {
            return Ok(false);
        };
        match file.durable {
            Some(durable) if !is_synced => drop(inner.deleted.insert(name.to_owned(), durable)),
            _ => {}
        }
        Ok(true)
    }

    /// Removes a file that nobody else knows of.
    pub fn forget(&self, name: &str) {
        self.lock().files.remove(name);
    }

    pub fn acquire(&self, name: &str, handle: u64, level: i32) -> Result<bool, Failed> {
        let mut inner = self.lock();
        if let Course::Fail(failure) = inner.course(Op::Lock) {
            return Err(Failed(failure));
        }
        let locks = &mut inner.file(name).locks;
        let others = |holder: Option<u64>| holder.is_some_and(|holder| holder != handle);
        Ok(match level {
            1 if others(locks.pending) || others(locks.exclusive) => false,
            1 => {
                locks.shared.insert(handle);
                true
            }
            2 if others(locks.reserved) => false,
            2 => {
                locks.reserved = Some(handle);
                true
            }
            _ if others(locks.pending) || others(locks.reserved) => false,
            _ => {
                locks.pending = Some(handle);
                let is_alone = locks.shared.iter().all(|holder| *holder == handle);
                if is_alone {
                    locks.exclusive = Some(handle);
                }
                is_alone
            }
        })
    }

    pub fn release(&self, name: &str, handle: u64, level: i32) {
        let mut inner = self.lock();
        let Some(file) = inner.files.get_mut(name) else {
            return;
        };
        let locks = &mut file.locks;
        for holder in [
            &mut locks.reserved,
            &mut locks.pending,
            &mut locks.exclusive,
        ] {
            if *holder == Some(handle) {
                *holder = None;
            }
        }
        if level == 0 {
            locks.shared.remove(&handle);
        }
    }

    /// Whether someone is about to write.
    pub fn is_reserved(&self, name: &str) -> bool {
        let mut inner = self.lock();
        let locks = &inner.file(name).locks;
        locks.reserved.is_some() || locks.exclusive.is_some()
    }

    /// The place of a region of the shared memory; null if it is not there.
    pub fn map_shared(&self, name: &str, region: usize, may_extend: bool) -> *mut u64 {
        let mut inner = self.lock();
        let memory = &mut inner.file(name).shared_memory;
        while memory.len() <= region && may_extend {
            memory.push(Box::new([0; REGION_WORDS]));
        }
        memory
            .get_mut(region)
            .map_or(std::ptr::null_mut(), |region| region.as_mut_ptr())
    }

    pub fn lock_shared(
        &self,
        name: &str,
        handle: u64,
        slots: std::ops::Range<i32>,
        is_exclusive: bool,
    ) -> Result<bool, Failed> {
        let mut inner = self.lock();
        if let Course::Fail(failure) = inner.course(Op::Lock) {
            return Err(Failed(failure));
        }
        let locks = &mut inner.file(name).locks;
        let is_free = |slot: i32| {
            let exclusive = locks.shm_exclusive.get(&slot);
            let shared = locks.shm_shared.get(&slot);
            exclusive.is_none_or(|holder| *holder == handle)
                && (!is_exclusive
                    || shared.is_none_or(|all| all.iter().all(|holder| *holder == handle)))
        };
        if !slots.clone().all(is_free) {
            return Ok(false);
        }
        for slot in slots {
            if is_exclusive {
                locks.shm_exclusive.insert(slot, handle);
            } else {
                locks.shm_shared.entry(slot).or_default().insert(handle);
            }
        }
        Ok(true)
    }

    pub fn unlock_shared(&self, name: &str, handle: u64, slots: std::ops::Range<i32>) {
        let mut inner = self.lock();
        let locks = &mut inner.file(name).locks;
        for slot in slots {
            if locks.shm_exclusive.get(&slot) == Some(&handle) {
                locks.shm_exclusive.remove(&slot);
            }
            if let Some(shared) = locks.shm_shared.get_mut(&slot) {
                shared.remove(&handle);
            }
        }
    }
}
