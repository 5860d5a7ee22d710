//! Waiting to within microseconds. Tokio's own timers tick in milliseconds, which would be longer
//! than many of the answers to be timed; the kernel's `timerfd` uses its high-resolution timers.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    time::{Duration, Instant},
};

use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use tokio::io::unix::AsyncFd;

/// A timer that the event loop waits for like for a socket.
#[derive(Debug)]
pub struct Timer(AsyncFd<Descriptor>);

/// `AsyncFd` asks for the raw number, which `TimerFd` does not show by itself.
#[derive(Debug)]
struct Descriptor(TimerFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timer {
    /// A timer for the current runtime. Fails when the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        Self::register(Descriptor(timer)).map(Self)
    }

    #[expect(
        deprecated,
        reason = "its successor is an unsafe function, whose condition (the descriptor stays open \
                  and the same) holds here: `Descriptor` owns it and never lets it go"
    )]
    fn register(descriptor: Descriptor) -> io::Result<AsyncFd<Descriptor>> {
        AsyncFd::new(descriptor)
    }

    /// Returns at `deadline`, or at once if that has passed.
    pub async fn wait_until(&self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        // A timer set to zero would be switched off instead of going off.
        if left < Duration::from_nanos(1) {
            return Ok(());
        }
        let once = Expiration::OneShot(TimeSpec::from_duration(left));
        self.0.get_ref().0.set(once, TimerSetTimeFlags::empty())?;
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|fd| fd.get_ref().0.wait().map_err(io::Error::from)) {
                Ok(expired) => return expired,
                // Woken for nothing: wait on.
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_never_fires_early_and_the_past_does_not_wait() {
        let timer = Timer::new().unwrap();
        for micros in [50, 300, 1700] {
            let deadline = Instant::now() + Duration::from_micros(micros);
            timer.wait_until(deadline).await.unwrap();
            assert!(Instant::now() >= deadline);
        }
        let start = Instant::now();
        timer.wait_until(start).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
