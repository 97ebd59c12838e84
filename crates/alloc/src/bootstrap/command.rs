//! The command that starts a child process.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::MARKER_VARIABLE;

/// A program with its arguments and environment, to be started as a child process.
///
/// The child inherits this process's environment; `env` adds to it and wins over it. `Debug` shows
/// the names of the variables and never a value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapCommand {
    /// The program; a name without a slash is looked up in `PATH`.
    #[serde(serialize_with = "write_path", deserialize_with = "read_path")]
    pub program: PathBuf,
    /// What the child sees as its own name, if not `program`.
    pub arg0: Option<OsString>,
    /// The arguments after the name.
    pub args: Vec<OsString>,
    /// The variables to set in the child.
    pub env: BTreeMap<OsString, OsString>,
}

impl BootstrapCommand {
    /// Returns the command that started this process: this executable, its name, its arguments and
    /// its environment.
    ///
    /// # Errors
    ///
    /// If the system cannot tell where this executable is.
    pub fn current() -> io::Result<Self> {
        let mut args = env::args_os();
        let arg0 = args.next();
        let mut env: BTreeMap<_, _> = env::vars_os().collect();
        // In a worker that starts workers of its own: they get their own marker.
        env.remove(OsStr::new(MARKER_VARIABLE));
        Ok(Self {
            program: env::current_exe()?,
            arg0,
            args: args.collect(),
            env,
        })
    }

    /// Returns the command to hand to the system.
    pub(crate) fn to_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(arg0) = &self.arg0 {
            command.arg0(arg0);
        }
        command.args(&self.args).envs(&self.env);
        command
    }
}

impl From<PathBuf> for BootstrapCommand {
    fn from(program: PathBuf) -> Self {
        Self {
            program,
            arg0: None,
            args: Vec::new(),
            env: BTreeMap::new(),
        }
    }
}

impl From<&Path> for BootstrapCommand {
    fn from(program: &Path) -> Self {
        program.to_path_buf().into()
    }
}

impl From<&str> for BootstrapCommand {
    fn from(program: &str) -> Self {
        PathBuf::from(program).into()
    }
}

impl From<&Command> for BootstrapCommand {
    /// Takes the program, the arguments and the variables that are set; the rest of a [`Command`]
    /// (its directory, its streams) is not part of a bootstrap command.
    fn from(command: &Command) -> Self {
        let set =
            |(name, value): (&OsStr, Option<&OsStr>)| Some((name.to_owned(), value?.to_owned()));
        Self {
            program: command.get_program().into(),
            arg0: None,
            args: command.get_args().map(OsStr::to_owned).collect(),
            env: command.get_envs().filter_map(set).collect(),
        }
    }
}

impl fmt::Debug for BootstrapCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The names of the variables: a value may be a secret.
        struct Names<'a>(&'a BTreeMap<OsString, OsString>);
        impl fmt::Debug for Names<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let redacted = format_args!("<redacted>");
                f.debug_map()
                    .entries(self.0.keys().map(|name| (name, redacted)))
                    .finish()
            }
        }
        f.debug_struct("BootstrapCommand")
            .field("program", &self.program)
            .field("arg0", &self.arg0)
            .field("args", &self.args)
            .field("env", &Names(&self.env))
            .finish()
    }
}

/// Writes a path as the bytes that it is: serde's own form of a path takes UTF-8 only.
fn write_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_os_str().serialize(serializer)
}

fn read_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    OsString::deserialize(deserializer).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn odd() -> BootstrapCommand {
        BootstrapCommand {
            program: OsString::from_vec(b"/bin/\xff".to_vec()).into(),
            arg0: Some("a b".into()),
            args: vec![
                "".into(),
                "it's \"so\"\n".into(),
                OsString::from_vec(vec![0xfe]),
            ],
            env: BTreeMap::from([("TOKEN".into(), "s3cret".into())]),
        }
    }

    #[test]
    fn any_bytes_survive_the_wire() {
        let bytes = postcard::to_stdvec(&odd()).unwrap();
        assert_eq!(
            postcard::from_bytes::<BootstrapCommand>(&bytes).unwrap(),
            odd()
        );
    }

    #[test]
    fn debug_shows_names_and_redacts_values() {
        let text = format!("{:?}", odd());
        assert!(text.contains("TOKEN"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn the_current_command_is_this_program_with_its_arguments() {
        let current = BootstrapCommand::current().unwrap();
        assert_eq!(current.program, env::current_exe().unwrap());
        assert_eq!(current.arg0, env::args_os().next());
        assert_eq!(current.args, env::args_os().skip(1).collect::<Vec<_>>());
        assert_eq!(
            current.env.get(OsStr::new("PATH")),
            env::var_os("PATH").as_ref()
        );
    }

    #[test]
    fn a_command_of_std_keeps_program_arguments_and_set_variables() {
        let mut command = Command::new("prog");
        command.args(["-x", "a b"]).env("A", "1").env_remove("B");
        let ours = BootstrapCommand::from(&command);
        assert_eq!(ours.program, Path::new("prog"));
        assert_eq!(ours.args, ["-x", "a b"]);
        assert_eq!(ours.env, BTreeMap::from([("A".into(), "1".into())]));
        assert_eq!(BootstrapCommand::from("prog"), Path::new("prog").into());
    }
}
