//! The icons: one line of path each.

use leptos::prelude::*;

pub(crate) const ATTACH: &str = "M20 11l-8.500 8.500a5 5 0 0 1-7-7L13 4a3.300 3.300 0 0 1 4.700 4.700l-8.400 8.400a1.700 1.700 0 0 1-2.400-2.400L14.500 7";
pub(crate) const CHART: &str = "M5 20V11M12 20V4M19 20v-6";
pub(crate) const CHAT: &str = "M4 5h16v11H11l-5 4v-4H4z";
pub(crate) const CHECK: &str = "M5 12.500l4.500 4.500L19 7.500";
pub(crate) const CHEVRON: &str = "M9 6l6 6-6 6";
pub(crate) const COPY: &str = "M9 9h11v11H9zM5 15H4V4h11v1";
pub(crate) const CROSS: &str = "M7 7l10 10M17 7L7 17";
pub(crate) const DOWN: &str = "M12 5v14M6 13l6 6 6-6";
pub(crate) const EDIT: &str = "M4 20h4L19 9l-4-4L4 16zM13 7l4 4";
pub(crate) const FILE: &str = "M6 3h8l4 4v14H6zM14 3v5h4";
pub(crate) const HAND: &str = "M12 3l8 3v6c0 4.500-3.300 7.700-8 9-4.700-1.300-8-4.500-8-9V6zM12 8v5M12 16.200v.1";
pub(crate) const HEALTH: &str = "M3 12h4l3-7 4 14 3-7h4";
pub(crate) const KEYBOARD: &str = "M3 6h18v12H3zM7 10h.1M11 10h.1M15 10h.1M7 14h10";
pub(crate) const MENU: &str = "M4 7h16M4 12h16M4 17h10";
pub(crate) const MORE: &str = "M6 12h.1M12 12h.1M18 12h.1";
pub(crate) const PIN: &str = "M9 4h6l-1 6 3 3H7l3-3zM12 13v7";
pub(crate) const PLUG: &str = "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4";
pub(crate) const PLUS: &str = "M12 5v14M5 12h14";
pub(crate) const RETRY: &str = "M5 12a7 7 0 1 1 2 5M5 19v-4h4";
pub(crate) const SAVE: &str = "M12 4v11M7 11l5 5 5-5M5 20h14";
pub(crate) const SEND: &str = "M12 19V5M6 11l6-6 6 6";
pub(crate) const SPIN: &str = "M12 4a8 8 0 1 1-8 8";
pub(crate) const STOP: &str = "M8 8h8v8H8z";
pub(crate) const TRASH: &str = "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13";
pub(crate) const TUNE: &str = "M4 8h9M17 8h3M4 16h3M11 16h9M15 6v4M9 14v4";
pub(crate) const UNKNOWN: &str = "M9 9a3 3 0 1 1 4 3c-.700.400-1 1-1 2M12 17.200v.1";

/// An icon that says nothing by itself.
pub(crate) fn icon(path: &'static str) -> AnyView {
    view! { <svg viewBox="0 0 24 24" aria-hidden="true"><path d=path/></svg> }.into_any()
}

/// The sign of exoclaw.
pub(crate) fn sign(size: &'static str) -> AnyView {
    view! { <img src="icon.svg" alt="" width=size height=size/> }.into_any()
}
