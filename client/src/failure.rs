//! What went wrong: a stable code, what and where, and what to do about it.

use std::{fmt, io, process::ExitCode};

use serde::Serialize;

use crate::render::text::clean;

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Failure {
    /// Stable, snake_case: programs decide by it.
    pub code: &'static str,
    /// What is wrong, and where.
    pub message: String,
    /// What to do; empty when nothing is known to help.
    pub hint: String,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything that was asked was done.
    Done,
    /// Input or node at fault.
    Failed,
    /// The command line is wrong.
    Usage,
    /// A look-up could not be asked, or the day's quota is used up: asking later may answer it.
    NotAsked,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(match ending {
            Ending::Done => 0,
            Ending::Failed => 1,
            Ending::Usage => 2,
            Ending::NotAsked => 4,
        })
    }
}

impl Failure {
    /// The code of a wrong command line.
    pub const USAGE: &str = "usage";

    /// A failure of this kind. What a node says ends up in here, so it is made harmless to show.
    #[must_use]
    pub fn new(code: &'static str, message: impl AsRef<str>, hint: impl AsRef<str>) -> Self {
        let (message, hint) = (clean(message.as_ref()), clean(hint.as_ref()));
        Self { code, message, hint }
    }

    /// A wrong command line.
    #[must_use]
    pub fn usage(message: impl AsRef<str>, hint: impl AsRef<str>) -> Self {
        Self::new(Self::USAGE, message, hint)
    }

    /// A file that cannot be read or written.
    #[must_use]
    pub fn file(path: &std::path::Path, error: &io::Error) -> Self {
        Self::new(
            "file",
            format!("{}: {error}", path.display()),
            "check the path and its permissions",
        )
    }

    /// The exit code that goes with it.
    #[must_use]
    pub fn ending(&self) -> Ending {
        if self.code == Self::USAGE { Ending::Usage } else { Ending::Failed }
    }
}

/// One line: what, where, what to do.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, ": {}", self.hint)?;
        }
        Ok(())
    }
}
