//! Locks on files, which keep two processes off one folder.

use std::fs::{File, TryLockError};
use std::sync::mpsc;
use std::time::Duration;

/// How long a lock is waited for. Who ends lets go of it a moment later: threads of a store end after its handle, and a
/// process that is being started holds its parent's files until it begins.
pub const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);

/// As [`exclusive`] without waiting: for those who have something better to do when another holds it.
///
/// # Errors
/// `WouldBlock`: another holds it now. `Error`: it cannot be locked.
pub fn at_once(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}

/// Locks a file against other handles, of this process and of others.
///
/// # Errors
/// `WouldBlock`: another holds it, and has for [`LOCK_WAIT_MAX`]. `Error`: it cannot be locked.
pub fn exclusive(file: &File) -> Result<(), TryLockError> {
    exclusive_within(file, LOCK_WAIT_MAX)
}

fn exclusive_within(file: &File, wait: Duration) -> Result<(), TryLockError> {
    match at_once(file) {
        Err(TryLockError::WouldBlock) => {}
        other => return other,
    }
    let waiting = file.try_clone().map_err(TryLockError::Error)?;
    let (tell, told) = mpsc::channel();
    // Both handles are of one lock. Whoever waits longer is this thread alone, and then it lets go at once.
    std::thread::spawn(move || {
        let locked = waiting.lock();
        if let Err(mpsc::SendError(Ok(()))) = tell.send(locked) {
            let _ = waiting.unlock();
        }
    });
    match told.recv_timeout(wait) {
        Ok(locked) => locked.map_err(TryLockError::Error),
        Err(_) => Err(TryLockError::WouldBlock),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_waited_for_as_long_as_it_may_be() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(file.path()).unwrap();
        let (one, other) = (open(), open());
        exclusive(&one).unwrap();
        let brief = Duration::from_millis(1);
        let refused = exclusive_within(&other, brief);
        assert!(matches!(refused, Err(TryLockError::WouldBlock)), "{refused:?}");
        drop(other);
        let third = open();
        std::thread::scope(|scope| {
            let locked = scope.spawn(|| exclusive_within(&third, Duration::from_secs(60)));
            drop(one);
            locked.join().unwrap().unwrap();
        });
        assert!(matches!(exclusive_within(&open(), brief), Err(TryLockError::WouldBlock)));
        assert!(matches!(at_once(&open()), Err(TryLockError::WouldBlock)));
        drop(third);
        exclusive(&open()).unwrap();
    }
}
