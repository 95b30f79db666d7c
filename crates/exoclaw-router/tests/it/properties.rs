use exoclaw_protocol::Origin;
use exoclaw_router::{Binding, Router, Tier};
use proptest::prelude::*;

use crate::strategies::{agent, agents, bindings, origin, specificity, wild_origin};

fn router(bindings: Vec<Binding>) -> Router {
    Router::new(agents(), agent("main"), bindings).unwrap()
}

/// The rule as one would say it: among all that match, the most specific.
fn scan<'a>(bindings: &'a [Binding], origin: &Origin) -> Option<&'a Binding> {
    bindings.iter().filter(|binding| matches(binding, origin)).max_by_key(|binding| specificity(binding))
}

fn matches(b: &Binding, o: &Origin) -> bool {
    b.channel.iter().all(|channel| *channel == o.channel)
        && b.account.iter().all(|account| o.account.as_ref() == Some(account))
        && b.peer.iter().all(|peer| o.peer.as_ref() == Some(peer))
        && b.guild.iter().all(|guild| o.guild.as_ref() == Some(guild))
        && b.team.iter().all(|team| o.team.as_ref() == Some(team))
}

fn tier(binding: Option<&Binding>) -> Tier {
    let tiers = [Tier::Peer, Tier::Guild, Tier::Team, Tier::Account, Tier::Channel];
    let set = binding.and_then(|binding| specificity(binding).iter().position(|&set| set));
    set.map_or(Tier::Default, |first| tiers[first])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_valid_origin_has_a_route(bindings in bindings(), origin in wild_origin()) {
        let route = router(bindings).route(&origin).unwrap();
        prop_assert_eq!(route.agent.as_str(), route.session.agent());
    }

    #[test]
    fn index_agrees_with_a_scan(bindings in bindings(), origin in origin()) {
        let route = router(bindings.clone()).route(&origin).unwrap();
        let expected = scan(&bindings, &origin);
        prop_assert_eq!(route.agent, expected.map_or(agent("main"), |binding| binding.agent.clone()));
        prop_assert_eq!(route.matched, tier(expected));
        for binding in &bindings {
            prop_assert_eq!(binding.matches(&origin), matches(binding, &origin));
        }
    }

    #[test]
    fn order_of_bindings_does_not_matter(
        (bindings, shuffled) in bindings().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        origin in origin(),
    ) {
        prop_assert_eq!(router(bindings).route(&origin), router(shuffled).route(&origin));
    }

    /// One more field that matches makes a binding win over the one that decided before.
    #[test]
    fn more_specific_wins(bindings in bindings(), origin in origin()) {
        let Some(winner) = scan(&bindings, &origin).cloned() else { return Ok(()) };
        let whole = Binding {
            agent: agent("a"),
            channel: Some(origin.channel.clone()),
            account: origin.account.clone(),
            peer: origin.peer.clone(),
            guild: origin.guild.clone(),
            team: origin.team.clone(),
            place: None,
        };
        prop_assume!(specificity(&whole) != specificity(&winner));
        let mut more: Vec<_> = bindings.into_iter().filter(|one| specificity(one) != specificity(&whole)).collect();
        more.push(whole);
        prop_assert_eq!(router(more).route(&origin).unwrap().agent, agent("a"));
    }
}
