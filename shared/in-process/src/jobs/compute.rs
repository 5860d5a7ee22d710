//! On whose threads a job computes.
//!
//! Waiting costs nothing and may be done anywhere; what keeps a core busy decides whether pages are
//! slow meanwhile. So the kinds hand their computations over to this, and the program's flags decide
//! what becomes of them.

use std::{panic::resume_unwind, sync::Arc};

use thread_priority::{ThreadPriority, set_current_thread_priority};
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

use super::JobPriority;

/// Where computations run. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Compute {
    /// On the thread that asks for it, and nobody else is served meanwhile: there is only one. After
    /// each computation the others have their turn, the renewal of the job's lease among them.
    Here,
    /// Beside the runtime's own threads, at the same priority.
    Beside,
    /// On threads that get the time that nobody else wants.
    Low(Arc<Threads>),
}

/// A handful of threads of a low priority. A runtime is a good pool of threads, too.
pub(crate) struct Threads(Option<Runtime>);

impl Compute {
    /// What fits the runtime that this is called on.
    pub(crate) fn new(priority: JobPriority) -> std::io::Result<Self> {
        let one_thread = Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread;
        match priority {
            JobPriority::Low => Ok(Self::Low(Arc::new(Threads::low()?))),
            JobPriority::Normal if one_thread => Ok(Self::Here),
            JobPriority::Normal => Ok(Self::Beside),
        }
    }

    /// What `work` computes.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let task = match self {
            Self::Here => {
                let value = work();
                tokio::task::yield_now().await;
                return value;
            }
            Self::Beside => tokio::task::spawn_blocking(work),
            Self::Low(threads) => match &threads.0 {
                Some(runtime) => runtime.spawn(async move { work() }),
                None => return work(),
            },
        };
        match task.await {
            Ok(value) => value,
            // A panic goes on where the result was wanted. The other error would mean that the
            // threads are gone, which nobody is left to see.
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_cancelled) => std::future::pending().await,
        }
    }
}

impl Threads {
    fn low() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("jobs, low")
            .on_thread_start(|| {
                if let Err(error) = set_current_thread_priority(ThreadPriority::Min) {
                    tracing::warn!(?error, "jobs could not get a lower priority");
                }
            })
            .build()?;
        Ok(Self(Some(runtime)))
    }
}

impl Drop for Threads {
    /// Without waiting for what still runs: a plain drop would, and must not on a runtime's thread.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nice value of the thread that asks: the 19th field of its line in /proc.
    fn niceness() -> Option<i64> {
        let line = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
        line.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
    }

    #[tokio::test]
    async fn the_flags_decide_whose_time_is_taken() {
        let here = Compute::new(JobPriority::Normal).unwrap();
        let thread = std::thread::current().id();
        assert_eq!(here.run(|| std::thread::current().id()).await, thread, "one thread for all");

        let low = Compute::new(JobPriority::Low).unwrap();
        assert_ne!(low.run(|| std::thread::current().id()).await, thread);
        assert_eq!(low.run(niceness).await, Some(19));
        assert_ne!(niceness(), Some(19), "and only there");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_comes_back_to_who_asked() {
        let beside = Compute::new(JobPriority::Normal).unwrap();
        let broken = tokio::spawn(async move { beside.run(|| panic!("broken")).await });
        assert!(broken.await.unwrap_err().is_panic());
    }
}
