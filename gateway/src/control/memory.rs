//! Memory that a finished piece of work has left behind.

/// Gives what was freed back to the system. Reading a table takes many times what the table keeps, and
/// mimalloc holds freed memory until it next asks the system for more.
#[expect(
    unsafe_code,
    reason = "the allocator's C interface: no argument but a flag, any thread, any time"
)]
pub(super) fn give_back() {
    // SAFETY: `mi_collect` touches only what is free. Where mimalloc is not the allocator it finds nothing.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
