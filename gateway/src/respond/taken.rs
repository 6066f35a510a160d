//! Whether a client takes its answer.
//!
//! hyper asks a body for its next frame only when the last one has found room, and tells nobody how long
//! it waits for that. On HTTP/2, where a client can keep one stream shut and the others open, the wait is
//! seen by no one: not by the body, which is not asked, nor by the connection, which moves. The body
//! therefore notes what its last word was, and whoever polls a stream's task looks at that note.
//!
//! Both happen on one thread within one poll, so the note is the thread's own.

use std::cell::Cell;

/// What a body did when it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It handed a frame out, and has not been asked again: the client's turn.
    HandedOut,
    /// It had nothing: the upstream's turn.
    Waiting,
}

thread_local! {
    static LAST: Cell<Option<Asked>> = const { Cell::new(None) };
    static GIVING_UP: Cell<bool> = const { Cell::new(false) };
}

/// Leaves a note for [`observe`].
pub(super) fn note(asked: Asked) {
    LAST.set(Some(asked));
}

/// Polls a task and tells what its body did meanwhile; `None` when the body was not asked.
pub(crate) fn observe<T>(poll: impl FnOnce() -> T) -> (T, Option<Asked>) {
    LAST.set(None);
    let outcome = poll();
    (outcome, LAST.take())
}

/// Drops answers of a client that does not take them; their records say so.
pub(crate) fn give_up(drop: impl FnOnce()) {
    GIVING_UP.set(true);
    drop();
    GIVING_UP.set(false);
}

/// Whether answers are being dropped because the client does not take them.
pub(super) fn is_given_up() -> bool {
    GIVING_UP.get()
}
