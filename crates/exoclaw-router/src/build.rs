//! Checks of agents and bindings before a router may exist.

use std::{collections::HashMap, fmt};

use exoclaw_protocol::{AgentId, IdError, Origin};

use crate::{Binding, index::Index};

/// Bindings of one router, at most: far above what people write, and it bounds the index.
pub const MAX_BINDINGS: u32 = 100_000;

/// Why agents and bindings make no router. Each message names the places in the config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two agents have one id.
    #[error("agents {first} and {second} both have the id {id:?}: give each its own", id = agent.as_str())]
    DuplicateAgent {
        /// The id.
        agent: AgentId,
        /// Number of the first in the list, from 1.
        first: usize,
        /// Number of the second in the list, from 1.
        second: usize,
    },
    /// The default is none of the agents.
    #[error("the default agent {id:?} is not there: {known}", id = agent.as_str())]
    UnknownDefault {
        /// The id.
        agent: AgentId,
        /// The agents that are.
        known: Known,
    },
    /// A binding's agent is none of the agents.
    #[error("{place}: agent {id:?} is not there: {known}", id = agent.as_str())]
    UnknownAgent {
        /// Where the binding was written.
        place: String,
        /// The id.
        agent: AgentId,
        /// The agents that are.
        known: Known,
    },
    /// There are more than [`MAX_BINDINGS`].
    #[error("there are more than {MAX_BINDINGS} bindings")]
    TooMany,
    /// A binding sets no field.
    #[error("{place}: the binding to {id:?} sets none of channel, account, peer, guild, team", id = agent.as_str())]
    NoField {
        /// Where the binding was written.
        place: String,
        /// Its agent.
        agent: AgentId,
    },
    /// A binding sets a field that no origin can have.
    #[error("{place}: no message can match this binding")]
    Field {
        /// Where the binding was written.
        place: String,
        /// The field.
        #[source]
        source: IdError,
    },
    /// Two bindings give the same origins to different agents.
    #[error("{first} and {second} match the same messages, for {:?} and {:?}: remove one", agents[0].as_str(), agents[1].as_str())]
    Conflict {
        /// Where the first was written.
        first: String,
        /// Where the second was written.
        second: String,
        /// Their agents.
        agents: [AgentId; 2],
    },
}

/// Ids to choose from, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known(Vec<AgentId>);

impl Known {
    pub(crate) fn new(agents: &[AgentId]) -> Self {
        Self(agents.to_vec())
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("there are no agents");
        }
        f.write_str("known agents are")?;
        self.0.iter().enumerate().try_for_each(|(i, agent)| {
            f.write_str(if i == 0 { " " } else { ", " })?;
            fmt::Display::fmt(agent, f)
        })
    }
}

fn place(bindings: &[Binding], position: usize) -> String {
    bindings[position].place.clone().unwrap_or_else(|| format!("binding {}", position + 1))
}

pub(crate) fn check_agents(agents: &[AgentId], default: &AgentId) -> Result<(), BuildError> {
    let mut seen = HashMap::new();
    for (i, agent) in agents.iter().enumerate() {
        if let Some(first) = seen.insert(agent, i + 1) {
            return Err(BuildError::DuplicateAgent { agent: agent.clone(), first, second: i + 1 });
        }
    }
    if !seen.contains_key(default) {
        return Err(BuildError::UnknownDefault { agent: default.clone(), known: Known::new(agents) });
    }
    Ok(())
}

fn check_fields(binding: &Binding) -> Result<(), IdError> {
    Origin {
        channel: binding.channel.clone().unwrap_or_else(|| "any".to_owned()),
        account: binding.account.clone(),
        peer: binding.peer.clone(),
        guild: binding.guild.clone(),
        team: binding.team.clone(),
    }
    .validate()
}

pub(crate) fn index(agents: &[AgentId], bindings: &[Binding]) -> Result<Index, BuildError> {
    let known: std::collections::HashSet<&AgentId> = agents.iter().collect();
    let mut index = Index::default();
    for (number, binding) in (0..=MAX_BINDINGS).zip(bindings) {
        if number == MAX_BINDINGS {
            return Err(BuildError::TooMany);
        }
        let position = number as usize;
        let agent = binding.agent.clone();
        if !known.contains(&agent) {
            let place = place(bindings, position);
            return Err(BuildError::UnknownAgent { place, agent, known: Known::new(agents) });
        }
        let Binding { agent: _, channel, account, peer, guild, team, place: _ } = binding;
        if [channel, account, guild, team].iter().all(|field| field.is_none()) && peer.is_none() {
            return Err(BuildError::NoField { place: place(bindings, position), agent });
        }
        check_fields(binding).map_err(|source| BuildError::Field { place: place(bindings, position), source })?;
        let Err(earlier) = index.add(binding, number) else { continue };
        let earlier = earlier as usize;
        if bindings[earlier].agent != agent {
            return Err(BuildError::Conflict {
                first: place(bindings, earlier),
                second: place(bindings, position),
                agents: [bindings[earlier].agent.clone(), agent],
            });
        }
    }
    Ok(index)
}
