//! Git repositories on disk, for whatever follows one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::processes::run;
use crate::testbed::Access;

/// The branch of every repository here.
const BRANCH: &str = "main";

/// A bare repository in a testbed's directory, and a clone of it in which files are changed, committed and pushed from.
///
/// It is used without the user's git configuration.
#[derive(Clone, Debug)]
pub struct GitRepository {
    bare: PathBuf,
    clone: PathBuf,
}

impl GitRepository {
    /// A new repository of this name, with an empty first commit.
    ///
    /// # Errors
    /// With git's words, as when there is one of this name.
    pub async fn create(access: &Access, name: &str) -> Result<GitRepository> {
        let dir = access.dir().join("git");
        let repository = GitRepository { bare: dir.join(format!("{name}.git")), clone: dir.join(name) };
        std::fs::create_dir_all(&dir)?;
        std::fs::create_dir(&repository.bare).with_context(|| format!("there is a git repository {name}"))?;
        git(&repository.bare, &["init", "--quiet", "--bare", "--initial-branch", BRANCH]).await?;
        git(&dir, &["clone", "--quiet", &repository.url(), name]).await?;
        repository.commit("Start").await?;
        Ok(repository)
    }

    /// For `git clone`, and for an Application's `repoURL`.
    pub fn url(&self) -> String {
        format!("file://{}", self.bare.display())
    }

    /// Where files are changed; all that is below it goes into the next commit.
    pub fn dir(&self) -> &Path {
        &self.clone
    }

    /// Writes a file, and the folders above it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.clone.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&self.clone))?;
        std::fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove(&self, path: &str) -> Result<()> {
        let path = self.clone.join(path);
        std::fs::remove_file(&path).with_context(|| format!("can't remove {}", path.display()))
    }

    /// Commits all that was changed and pushes it; answers with the commit's id.
    ///
    /// # Errors
    /// With git's words.
    pub async fn commit(&self, message: &str) -> Result<String> {
        git(&self.clone, &["add", "--all"]).await?;
        git(&self.clone, &["commit", "--quiet", "--allow-empty", "--message", message]).await?;
        git(&self.clone, &["push", "--quiet", "origin", &format!("HEAD:{BRANCH}")]).await?;
        Ok(git(&self.clone, &["rev-parse", "HEAD"]).await?.trim().to_owned())
    }
}

async fn git(dir: &Path, args: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    command.env_clear().envs(std::env::vars_os().filter(|(key, _)| key == "PATH"));
    // No configuration of the user or the machine, and no variables of a git that runs us.
    command.envs([("HOME", "/nonexistent"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0")]);
    command.args(["-c", "user.name=testbed", "-c", "user.email=testbed@localhost"]).args(args).current_dir(dir);
    run(command, None).await
}
