//! Memory that a finished piece of work has left behind.

use route_table::Table;

/// Routes from which on it matters what a table takes.
const LARGE_TABLE_ROUTES: usize = 1_000;

/// Gives back to the system what was freed with or for a table of this size. Reading one takes many times what
/// it keeps, and mimalloc holds freed memory until it next asks the system for more.
pub(super) fn give_back_after(table: &Table) {
    if table.routes.len() >= LARGE_TABLE_ROUTES {
        give_back();
    }
}

#[expect(
    unsafe_code,
    reason = "the allocator's C interface: no argument but a flag, any thread, any time"
)]
fn give_back() {
    // SAFETY: `mi_collect` touches only what is free. Where mimalloc is not the allocator it finds nothing.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
