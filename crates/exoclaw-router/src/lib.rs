//! Decides which agent and which session a message belongs to: a pure function from an origin to a route.
//!
//! A binding gives an agent the origins that match every field it sets. Where several match, the most specific wins:
//! peer > guild > team > account > channel > the default agent. Conflicts and unknown agents are errors when the router is
//! built, never when a message arrives. The crate knows nothing of platforms, of the config file, or of what a session holds.
//!
//! ```
//! use exoclaw_protocol::Origin;
//! use exoclaw_router::{Binding, Router, Tier};
//!
//! let support = Binding { channel: Some("slack".into()), ..Binding::to("support".parse()?) };
//! let router = Router::new(vec!["main".parse()?, "support".parse()?], "main".parse()?, vec![support])?;
//!
//! let route = router.route(&Origin::channel("slack"))?;
//! assert_eq!((route.agent.as_str(), route.matched), ("support", Tier::Channel));
//! assert_eq!(route.session.as_str(), "agent:support:slack:main");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod binding;
mod build;
mod index;
mod key;
mod router;

pub use binding::{Binding, Tier};
pub use build::{BuildError, Known, MAX_BINDINGS};
pub use key::{origin_of, session_key};
pub use router::{ResolveError, Route, Router};
