//! Routes messages of a support desk: `cargo run -p exoclaw-router --example route`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use exoclaw_protocol::Origin;
use exoclaw_router::{Binding, Router, origin_of};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agents = ["main", "support", "boss"].into_iter().map(str::parse).collect::<Result<Vec<_>, _>>()?;
    let bindings = vec![
        // Everyone in this workspace talks to the support agent…
        Binding {
            channel: Some("slack".into()),
            team: Some("T123".into()),
            place: Some("config.toml:20".into()),
            ..Binding::to("support".parse()?)
        },
        // …but one person, wherever they write, talks to their own.
        Binding { peer: Some("dm:U9".parse()?), place: Some("config.toml:25".into()), ..Binding::to("boss".parse()?) },
    ];
    let router = Router::new(agents, "main".parse()?, bindings)?;

    let team = Some("T123".to_owned());
    let origins = [
        Origin::channel("web"),
        Origin { team: team.clone(), peer: Some("group:C7".parse()?), ..Origin::channel("slack") },
        Origin { team, peer: Some("dm:U9".parse()?), ..Origin::channel("slack") },
    ];
    for origin in origins {
        let route = router.route(&origin)?;
        println!("{} matched by {}: {}", route.agent, route.matched, route.session);
        assert_eq!(origin_of(&route.session), Some(origin));
    }
    println!("main is {}", router.resolve(&"main".parse()?)?);
    Ok(())
}
