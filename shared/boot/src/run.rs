//! The frame around every `main`: runtime, error line, exit code.

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::Runtime;

/// Runs a server's `main` on a runtime of this kind. An error becomes one line on stderr and exit
/// code 1.
///
/// The multi-threaded one has as many workers as the process may use cores: a server that is confined
/// to one core gets one worker.
pub fn run(runtime: Runtime, main: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let mut builder = match runtime {
        Runtime::EventLoop => Builder::new_current_thread(),
        Runtime::MultiThread => Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let ended = runtime.block_on(main);
    // Without waiting for computations that nobody waits for any more.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Runs something that ends by itself, such as a migration.
pub fn once(main: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    run(Runtime::default(), main)
}

fn fail(error: &anyhow::Error) -> ExitCode {
    // Causes may hold line breaks (a database's hint, say); the promise is one line.
    let line = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
    eprintln!("error: {line}");
    ExitCode::FAILURE
}
