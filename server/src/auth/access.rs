//! Proof that a caller may act on a repository. Nothing here decides: see [`crate::auth`].

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use tuf_schema::gun::GunError;
use tuf_schema::{Gun, Sha256};

/// A right on a repository: what a token must grant, and what an [`Access`] proves.
pub trait Right {
    /// The actions a token must grant, in the order the challenge names them.
    const ACTIONS: &'static [&'static str];
}

/// The right to read metadata.
#[derive(Debug)]
pub enum Pull {}

/// The right to publish, and to ask for the server's public keys.
#[derive(Debug)]
pub enum Push {}

/// The right to rotate the server's keys and to delete the repository.
#[derive(Debug)]
pub enum Admin {}

impl Right for Pull {
    const ACTIONS: &'static [&'static str] = &["pull"];
}

impl Right for Push {
    const ACTIONS: &'static [&'static str] = &["push", "pull"];
}

impl Right for Admin {
    const ACTIONS: &'static [&'static str] = &["*"];
}

/// Proof that the caller has the right `R` on one repository.
///
/// What acts on a repository takes the name from here, so that authorisation and action cannot disagree. Only
/// [`crate::auth::Authenticator`] makes one:
///
/// ```compile_fail,E0451
/// use std::marker::PhantomData;
/// use bulla_server::auth::{Access, Push};
///
/// let gun = tuf_schema::Gun::parse("example.com/app").unwrap();
/// let forged = Access::<Push> { gun, subject: None, right: PhantomData };
/// ```
pub struct Access<R> {
    gun: Gun,
    subject: Option<Subject>,
    right: PhantomData<fn() -> R>,
}

/// A right that was granted on a name which need not be a valid GUN.
///
/// Whether the name is valid is looked at only after the token, so that a caller without rights learns nothing.
pub struct Permit<R> {
    name: String,
    subject: Option<Subject>,
    right: PhantomData<fn() -> R>,
}

/// Proof that the caller may see what concerns every repository, such as the whole change feed.
#[derive(Debug)]
pub struct CatalogAccess {
    pub(super) subject: Option<Subject>,
}

/// Proof that the caller may see a list of repositories, and of which.
#[derive(Debug)]
pub struct ListAccess {
    pub(super) subject: Option<Subject>,
    pub(super) visible: Visible,
}

/// Which repositories a caller may know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visible {
    /// All of them.
    All,
    /// Those that its token lets it pull.
    These(BTreeSet<Gun>),
}

/// Whom a token was made out to: a digest of the name, so that it can be told from others and not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject(Sha256);

impl Subject {
    pub(super) fn named(name: &str) -> Self {
        Self(Sha256::of(name.as_bytes()))
    }
}

#[cfg(test)]
impl Subject {
    pub(crate) fn for_tests(name: &str) -> Self {
        Self::named(name)
    }
}

impl CatalogAccess {
    /// Who has it, if the token says so.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        self.subject
    }
}

impl ListAccess {
    /// Who has it, if the token says so.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        self.subject
    }

    /// The repositories that may be told of.
    #[must_use]
    pub fn visible(&self) -> &Visible {
        &self.visible
    }
}

impl<R> Permit<R> {
    /// Only [`crate::auth`] grants.
    pub(super) fn granted(name: &str, subject: Option<Subject>) -> Self {
        Self { name: name.to_owned(), subject, right: PhantomData }
    }

    /// Who has it, if the token says so.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        self.subject
    }

    /// The access to the repository of that name.
    ///
    /// # Errors
    /// [`GunError`] when the name is no GUN.
    pub fn access(self) -> Result<Access<R>, GunError> {
        Ok(Access { gun: Gun::parse(&self.name)?, subject: self.subject, right: PhantomData })
    }
}

impl<R> Access<R> {
    /// The repository that may be acted on.
    #[must_use]
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// Who has it, if the token says so.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        self.subject
    }

    /// Access that nobody granted, for tests of what lies below the edge.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn for_tests(gun: Gun) -> Self {
        Self { gun, subject: None, right: PhantomData }
    }
}

impl<R: Right> fmt::Debug for Access<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("gun", &self.gun).field("actions", &R::ACTIONS).finish()
    }
}
