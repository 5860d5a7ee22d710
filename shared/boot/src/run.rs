//! The frame around every `main`: runtime, error line, exit code.

use std::process::ExitCode;

/// Runs a server's `main`. An error becomes one line on stderr and exit code 1.
///
/// The runtime is Tokio's multi-threaded one, with as many workers as the process may use cores:
/// a server that is confined to one core gets one worker.
pub fn run(main: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(main) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    // Causes may hold line breaks (a database's hint, say); the promise is one line.
    let line = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
    eprintln!("error: {line}");
    ExitCode::FAILURE
}
