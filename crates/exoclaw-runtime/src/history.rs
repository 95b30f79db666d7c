//! Folds a journal: to what people read, and to what the model is told.

mod fold;
mod load;
mod recent;

use fold::{conversation, messages, summary, summary_told};
pub(crate) use load::{Wanted, load, snapshot};
pub(crate) use recent::{Recent, Span};
