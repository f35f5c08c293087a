//! Several repositories in one run: each by itself, so that what fails in one is done in the others.

use std::path::Path;

use bulla::gun_list;
use bulla::image::{ImageError, ImageName};
use serde::Serialize;
use tuf_schema::Gun;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{Code, Exit};
use crate::output::{Show, chain};

/// What came of each repository.
#[derive(Serialize)]
pub(crate) struct Batch<T> {
    repositories: Vec<T>,
    failed: Vec<Failure>,
    #[serde(skip)]
    errors: Vec<CliError>,
}

#[derive(Serialize)]
struct Failure {
    gun: String,
    code: &'static str,
    message: String,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { repositories: Vec::new(), failed: Vec::new(), errors: Vec::new() }
    }
}

impl<T: Show> Show for Batch<T> {
    fn text(&self) -> String {
        let texts = self.repositories.iter().map(Show::text).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join("\n")
    }
}

impl<T: Show> Batch<T> {
    /// Takes what came of a repository.
    pub(crate) fn push(&mut self, gun: &Gun, outcome: Result<T, CliError>) {
        match outcome {
            Ok(done) => self.repositories.push(done),
            Err(e) => {
                self.failed.push(Failure { gun: gun.to_string(), code: Code::of(&e).name(), message: chain(&e) });
                self.errors.push(CliError::named(gun.as_str(), e));
            }
        }
    }

    /// What came of the repositories that did not fail.
    pub(crate) fn done(&self) -> &[T] {
        &self.repositories
    }

    /// Shows everything. A failure of the only repository is that of the run.
    pub(crate) fn finish(mut self, context: &Context) -> Result<Exit, CliError> {
        if self.repositories.is_empty() && self.errors.len() == 1 {
            return self.errors.pop().map_or(Ok(Exit::Success), Err);
        }
        context.out.show(&self)?;
        Ok(self.exit(context))
    }

    /// Says what failed, after everything has been shown.
    pub(crate) fn exit(&self, context: &Context) -> Exit {
        if self.errors.is_empty() {
            return Exit::Success;
        }
        let code = Code::of_several(&self.errors, !self.repositories.is_empty());
        context.out.errors(code, &self.errors);
        code.exit()
    }
}

/// The repositories that arguments and a file name, each once.
pub(crate) fn repositories(names: &[String], from: Option<&Path>, context: &Context) -> Result<Vec<Gun>, CliError> {
    let mut guns = Vec::new();
    for name in names {
        guns.push(repository(name, context)?);
    }
    if let Some(file) = from {
        guns.extend(gun_list::read(file)?);
    }
    let mut once: Vec<Gun> = Vec::new();
    guns.into_iter().for_each(|gun| {
        if !once.contains(&gun) {
            once.push(gun);
        }
    });
    Ok(once)
}

/// A repository by its own name if it is known here by that, else by the name of an image.
pub(crate) fn repository(name: &str, context: &Context) -> Result<Gun, CliError> {
    let as_it_stands = Gun::parse(name);
    if let Ok(gun) = &as_it_stands
        && context.config.trust.repository_metadata(gun).is_dir()
    {
        return Ok(gun.clone());
    }
    match ImageName::parse(name) {
        Ok(image) => Ok(image.gun().clone()),
        Err(_) => Ok(as_it_stands.map_err(ImageError::from)?),
    }
}
