//! The router.

use exoclaw_protocol::{AgentId, IdError, Origin, SessionKey, SessionRef};

use crate::{
    Binding, BuildError, Tier,
    build::{self, Known},
    index::Index,
    key::session_key,
};

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The agent that answers.
    pub agent: AgentId,
    /// The session that the message belongs to.
    pub session: SessionKey,
    /// How specific the binding was that decided.
    pub matched: Tier,
}

/// Why a session's name names no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Its agent is none of the agents.
    #[error("agent {agent:?} is not there: {known}")]
    UnknownAgent {
        /// The id in the key.
        agent: String,
        /// The agents that are.
        known: Known,
    },
    /// The name can't be part of a key.
    #[error(transparent)]
    Name(#[from] IdError),
}

/// Chooses agent and session. Never changes once built.
#[derive(Debug, Clone)]
pub struct Router {
    agents: Vec<AgentId>,
    default: AgentId,
    bindings: Vec<Binding>,
    index: Index,
}

impl Router {
    /// A router between agents. `default` is the agent of whatever no binding matches.
    ///
    /// # Errors
    /// When an id is there twice, `default` or a binding's agent is not there, a binding sets no field or one that no
    /// origin can have, or two bindings set the same fields for different agents.
    pub fn new(agents: Vec<AgentId>, default: AgentId, bindings: Vec<Binding>) -> Result<Self, BuildError> {
        build::check_agents(&agents, &default)?;
        let index = build::index(&agents, &bindings)?;
        Ok(Self { agents, default, bindings, index })
    }

    /// Agent and session of an origin. Every valid origin has a route.
    ///
    /// # Errors
    /// When the origin is not valid, as [`Origin::validate`] says.
    pub fn route(&self, origin: &Origin) -> Result<Route, IdError> {
        let (agent, matched) = match self.index.find(origin) {
            Some((position, tier)) => (&self.bindings[position as usize].agent, tier),
            None => (&self.default, Tier::Default),
        };
        Ok(Route { agent: agent.clone(), session: session_key(agent, origin)?, matched })
    }

    /// The session that a client names. A bare name is one of the default agent's: `main` is `agent:{default}:main`.
    ///
    /// # Errors
    /// When the key's agent is not there, or the name can't be part of a key.
    pub fn resolve(&self, session: &SessionRef) -> Result<SessionKey, ResolveError> {
        let key = session.resolve(&self.default)?;
        if self.agents.iter().any(|agent| agent.as_str() == key.agent()) {
            return Ok(key);
        }
        Err(ResolveError::UnknownAgent { agent: key.agent().to_owned(), known: Known::new(&self.agents) })
    }

    /// The agents, in the order they were given.
    pub fn agents(&self) -> &[AgentId] {
        &self.agents
    }

    /// The agent of whatever no binding matches.
    pub fn default_agent(&self) -> &AgentId {
        &self.default
    }
}
