//! Why a database did not do what it was asked, in the three classes that the stores tell apart.

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Another writer was first: a unique row, a deadlock, a serialization or certification that failed, a lock that
    /// was waited for in vain. The same from the beginning may succeed.
    #[error("another writer was first")]
    Conflict(#[source] sqlx::Error),
    /// A value that the table's columns cannot hold.
    #[error("the tables cannot hold a value")]
    DoesNotFit(#[source] sqlx::Error),
    /// The database refused or failed.
    #[error("the database failed")]
    Unavailable(#[source] sqlx::Error),
    /// The connection is of no more use; another one may be.
    #[error("the connection to the database broke")]
    Broken(#[source] sqlx::Error),
    /// There was no answer in time.
    #[error("the database did not answer in time")]
    Silent,
    /// A row is not as the statement makes it.
    #[error(transparent)]
    Row(#[from] crate::value::WrongColumn),
}

/// What a database's error code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// [`Failure::Conflict`]
    Conflict,
    /// [`Failure::DoesNotFit`]
    DoesNotFit,
    /// [`Failure::Unavailable`]
    Unavailable,
    /// [`Failure::Broken`]
    Broken,
}

impl Failure {
    pub(crate) fn of(error: sqlx::Error, class: impl FnOnce(&dyn sqlx::error::DatabaseError) -> Class) -> Self {
        let class = match &error {
            sqlx::Error::Database(error) => class(error.as_ref()),
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
                Class::Broken
            }
            _ => Class::Unavailable,
        };
        match class {
            Class::Conflict => Self::Conflict(error),
            Class::DoesNotFit => Self::DoesNotFit(error),
            Class::Unavailable => Self::Unavailable(error),
            Class::Broken => Self::Broken(error),
        }
    }

    /// Whether the connection must not be used again.
    #[must_use]
    pub fn spoils_connection(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Silent => true,
            Self::Conflict(_) | Self::DoesNotFit(_) | Self::Unavailable(_) | Self::Row(_) => false,
        }
    }
}
