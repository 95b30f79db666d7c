//! Folds a journal: to what people read, and to what the model is told.

mod fold;
mod load;

pub(crate) use fold::{conversation, messages};
pub(crate) use load::{load, newest, snapshot};
