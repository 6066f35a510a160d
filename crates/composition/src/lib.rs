//! Composes one answer from many parts under one deadline.
