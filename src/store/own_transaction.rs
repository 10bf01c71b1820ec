//! A transaction that the extension begins and ends itself, where the application has none.

use crate::error::Result;
use crate::sql;
use crate::sqlite::{Connection, Statement};

/// A transaction; rolled back where it is dropped before its commit.
#[derive(Debug)]
pub struct OwnTransaction {
    connection: Connection,
    rollback: Statement,
    abandon: Statement,
}

impl OwnTransaction {
    /// Begins one. It has no lock before its first write.
    pub fn begin(connection: Connection) -> Result<OwnTransaction> {
        // Compiled before the work: what interrupts the work would interrupt the compiler too.
        let transaction = OwnTransaction {
            connection,
            rollback: connection.prepare(sql::TRANSACTION_ROLLBACK)?,
            abandon: connection.prepare(sql::WORK_ABANDON)?,
        };
        connection.execute(sql::TRANSACTION_BEGIN)?;
        Ok(transaction)
    }

    /// Commits it; an error undoes it.
    pub fn commit(self) -> Result<()> {
        self.connection.execute(sql::TRANSACTION_COMMIT)
    }
}

impl Drop for OwnTransaction {
    fn drop(&mut self) {
        if self.connection.is_autocommit() {
            return;
        }
        if self
            .rollback
            .step()
            .is_err_and(|error| error.is_interrupt())
        {
            // A statement that writes, interrupted, makes SQLite roll back the whole transaction.
            let _ = self.abandon.step();
        }
    }
}
