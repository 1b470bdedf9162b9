//! `flowlore`: the command line in front of the library.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use clap::error::ErrorKind;
use flowlore_client::cli::Cli;
use flowlore_client::cmd::{Console, run};
use flowlore_client::failure::{Ending, Failure};
use flowlore_common::env::{Clock as _, SystemClock};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    let json = cli.json;
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let terminal = stdout.is_terminal();
    let mut out = stdout.lock();
    let mut console = Console {
        json,
        out_is_terminal: terminal,
        // https://no-color.org: set and not empty.
        colour: terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        progress: stderr.is_terminal(),
        now: SystemClock.now(),
        out: &mut out,
    };
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let ended = run(cli, variable, Arc::new(SystemClock), &mut console).await;
    let ended = ended.and_then(|ending| console.flush().map(|()| ending));
    ended.unwrap_or_else(|failure| tell(&failure, json)).into()
}

/// Help and version are no errors; everything else is told as any failure is, in one line.
fn usage(error: &clap::Error) -> Ending {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    if matches!(
        error.kind(),
        DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand | DisplayVersion
    ) {
        // Nothing can be done when even this cannot be printed.
        let _ = error.print();
        return if error.exit_code() == 0 { Ending::Done } else { Ending::Usage };
    }
    let text = error.to_string();
    // What clap adds after the reason and its tips: usage, and where to find more.
    let tail = ["\n\nUsage:", "\n\nFor more"];
    let end = tail.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    let what = &text[..end];
    let what: Vec<&str> = what.trim_start_matches("error: ").split_whitespace().collect();
    let json = env::args_os().any(|argument| argument == "--json");
    tell(&Failure::usage(what.join(" "), "see flowlore --help"), json)
}

fn tell(failure: &Failure, json: bool) -> Ending {
    let line = if json {
        serde_json::to_string(failure).unwrap_or_else(|_| failure.to_string())
    } else {
        format!("flowlore: {failure}")
    };
    // Nothing can be done when even this cannot be printed.
    let _ = writeln!(io::stderr(), "{line}");
    failure.ending()
}
