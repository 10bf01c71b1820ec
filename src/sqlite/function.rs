//! Registration of functions that share the state of their connection.

use super::api::{self, call};
use super::connection::{Connection, c_text};
use super::guard::guard;
use super::value::{Arguments, Context};
use crate::crdt::value::Value;
use crate::error::{Error, Result};
use sqlite_loadable::ext::{sqlite3_context, sqlite3_value};
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::rc::Rc;

/// What a function may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// In triggers and views too, whatever `trusted_schema` says
    Innocuous,
    /// As `Innocuous`, and equal arguments always give equal results
    Pure,
    /// At the top level only: it changes the schema
    DirectOnly,
}

impl Trust {
    fn flags(self) -> i32 {
        match self {
            Trust::Innocuous => api::SQLITE_INNOCUOUS,
            Trust::Pure => api::SQLITE_INNOCUOUS | api::SQLITE_DETERMINISTIC,
            Trust::DirectOnly => api::SQLITE_DIRECTONLY,
        }
    }
}

/// How SQLite calls a function, and what it makes of an error.
#[derive(Debug)]
pub enum Form<S> {
    /// For its result. A statement that writes several times keeps a journal, by which an error undoes it.
    Scalar,
    /// As the step of an aggregate, whose result is NULL. SQLite reckons with no error there and opens no journal, which
    /// is a good part of the cost of an update of one row.
    Step(Step<S>),
}

/// What takes the place of the journal.
#[derive(Debug)]
pub struct Step<S> {
    /// After an error SQLite may keep what the statement wrote. This sees to it that nobody commits that, and gives the
    /// error for the caller.
    pub on_error: fn(&Rc<S>, Error) -> Error,
    /// Whether something else may fail behind which a journal is missed. Statements that are compiled after this said
    /// so call the function for its result, if with as many arguments.
    pub wants_journal: fn(&S) -> Result<bool>,
}

impl<S> Clone for Step<S> {
    fn clone(&self) -> Step<S> {
        *self
    }
}

impl<S> Copy for Step<S> {}

impl<S> Clone for Form<S> {
    fn clone(&self) -> Form<S> {
        *self
    }
}

impl<S> Copy for Form<S> {}

/// The body of a function.
pub type Body<S> = fn(&Rc<S>, Arguments<'_>) -> Result<Value>;

/// What is asked before the body runs; an error is the function's result.
pub type Gate<S> = fn(&S) -> Result<()>;

struct Registered<S> {
    connection: Connection,
    name: &'static str,
    state: Rc<S>,
    form: Form<S>,
    trust: Trust,
    gate: Option<Gate<S>>,
    body: Body<S>,
    /// The numbers of arguments for which it was registered again, to be called for its result
    scalars: RefCell<Vec<c_int>>,
}

impl<S: 'static> Registered<S> {
    /// Registers the function to be called for its result with so many arguments, if it is not yet. SQLite takes a
    /// registration for a number before one for any, and lets nobody replace one while a statement runs.
    fn keep_journal(&self, count: c_int) -> Result<()> {
        if self.scalars.borrow().contains(&count) {
            return Ok(());
        }
        let scalar = Registered {
            connection: self.connection,
            name: self.name,
            state: Rc::clone(&self.state),
            form: Form::Scalar,
            trust: self.trust,
            gate: self.gate,
            body: self.body,
            scalars: RefCell::default(),
        };
        scalar.register(count)?;
        self.scalars.borrow_mut().push(count);
        Ok(())
    }

    fn register(self, count: c_int) -> Result<()> {
        let (connection, name, flags) = (self.connection, self.name, self.trust.flags());
        let is_step = matches!(self.form, Form::Step(_));
        let call_back: Callback = invoke::<S>;
        // SAFETY: the connection is open; SQLite calls `destroy` on the pointer exactly once, also when this fails.
        let code = unsafe {
            call!(create_function_v2(
                connection.handle(),
                c_text(name).as_ptr(),
                count,
                api::SQLITE_UTF8 | flags,
                Box::into_raw(Box::new(self)).cast(),
                (!is_step).then_some(call_back),
                is_step.then_some(call_back),
                is_step.then_some(no_result),
                Some(destroy::<S>),
            ))
        };
        match code {
            api::SQLITE_OK => Ok(()),
            _ => Err(connection
                .last_error(code)
                .during(format_args!("registering {name}"))),
        }
    }
}

/// For any number of arguments.
const ANY: c_int = -1;

/// Registers `name` for any number of arguments; the body checks how many there are.
pub fn register<S: 'static>(
    connection: Connection,
    name: &'static str,
    (form, trust): (Form<S>, Trust),
    state: &Rc<S>,
    gate: Option<Gate<S>>,
    body: Body<S>,
) -> Result<()> {
    let registered = Registered {
        connection,
        name,
        state: Rc::clone(state),
        form,
        trust,
        gate,
        body,
        scalars: RefCell::default(),
    };
    registered.register(ANY)
}

/// Takes a registration back.
pub fn unregister(connection: Connection, name: &str) {
    // SAFETY: the connection is open; without a callback SQLite removes the function of this name.
    unsafe {
        call!(create_function_v2(
            connection.handle(),
            c_text(name).as_ptr(),
            -1,
            api::SQLITE_UTF8,
            std::ptr::null_mut(),
            None,
            None,
            None,
            None,
        ));
    }
}

type Callback = unsafe extern "C" fn(*mut sqlite3_context, i32, *mut *mut sqlite3_value);

/// The end of an aggregate: a result that nobody sets is NULL.
unsafe extern "C" fn no_result(_context: *mut sqlite3_context) {}

unsafe extern "C" fn invoke<S: 'static>(
    context: *mut sqlite3_context,
    count: i32,
    values: *mut *mut sqlite3_value,
) {
    // SAFETY: SQLite passes a live context, its arguments, and the user data given to `register`.
    let (context, arguments, registered) = unsafe {
        let data = call!(user_data(context)).cast::<Registered<S>>();
        (Context::new(context), Arguments::new(count, values), &*data)
    };
    let work = || {
        registered
            .gate
            .map_or(Ok(()), |gate| gate(&registered.state))?;
        let value = (registered.body)(&registered.state, arguments)?;
        if let Form::Step(step) = registered.form
            && (step.wants_journal)(&registered.state)?
        {
            registered.keep_journal(count)?;
        }
        Ok(value)
    };
    match (guard(registered.name, work), registered.form) {
        (Ok(value), Form::Scalar) => context.result(value.as_ref()),
        (Ok(_), Form::Step(_)) => {}
        (Err(error), Form::Scalar) => context.error(&error),
        (Err(error), Form::Step(step)) => {
            let after = || Ok((step.on_error)(&registered.state, error.clone()));
            context.error(&guard(registered.name, after).unwrap_or(error.ending_transaction()));
        }
    }
}

unsafe extern "C" fn destroy<S>(data: *mut c_void) {
    // SAFETY: the pointer comes from Box::into_raw in `register`, and SQLite passes it here once.
    let registered = unsafe { Box::from_raw(data.cast::<Registered<S>>()) };
    let _ = guard("xDestroy of a function", || {
        drop(registered);
        Ok(())
    });
}
