//! Who changes a composition, and who puts it back: one after the other, and for good.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::ensure;

/// Docker is asked for one thing after the other, also when the lab is told to stop meanwhile.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Whether there is something to be put back.
    changed: bool,
    /// Whether nothing is to be changed any more.
    over: bool,
}

impl Turn {
    /// Has Docker change something, unless everything has been put back for good.
    pub(super) fn change(
        &mut self,
        docker: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        ensure!(!self.over, "--compose: the composition has been put back");
        // Also if it fails: some of it may be done.
        self.changed = true;
        docker()
    }

    /// Has Docker put back what was changed, for good.
    pub(super) fn put_back(
        &mut self,
        docker: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.over = true;
        if !self.changed {
            return Ok(());
        }
        docker()?;
        self.changed = false;
        Ok(())
    }
}

/// Whatever the holder before it came to, its turn is over.
pub(super) fn in_turn(turn: &Mutex<Turn>) -> MutexGuard<'_, Turn> {
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn what_was_changed_is_put_back_once_and_changed_no_more() {
        let mut turn = Turn::default();
        // Docker fails, with a container more, perhaps.
        turn.change(|| bail!("one container is unhealthy")).unwrap_err();
        // The first attempt to put back fails, too.
        turn.put_back(|| bail!("no engine")).unwrap_err();
        let mut asked = 0;
        turn.put_back(|| {
            asked += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(asked, 1);
        turn.put_back(|| panic!("there is nothing left to put back")).unwrap();
        let error = turn.change(|| panic!("nobody would put that back")).unwrap_err();
        assert!(error.to_string().contains("put back"));
    }

    #[test]
    fn what_was_never_changed_is_left_alone() {
        Turn::default().put_back(|| panic!("nothing was changed")).unwrap();
    }
}
