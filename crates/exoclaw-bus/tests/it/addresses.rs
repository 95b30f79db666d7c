use exoclaw_bus::{Address, AddressError, Filter};
use exoclaw_protocol::{Origin, Peer, PeerKind, limits::ORIGIN_FIELD_BYTES};
use proptest::{option, prelude::*, sample::select};

#[test]
fn addresses_of_origins() {
    let address = |origin: &Origin| Address::inbound(origin).unwrap().to_string();
    assert_eq!(address(&Origin::channel("web")), "in.web.~.~.~.~.~");
    let full = Origin {
        channel: "my.chat".into(),
        account: Some("~".into()),
        peer: Some("group:C 7".parse().unwrap()),
        guild: Some(">".into()),
        team: Some("*".into()),
    };
    assert_eq!(address(&full), "in.my%2Echat.%7E.%2A.%3E.group.C%207");
    assert!(matches!(Address::inbound(&Origin::channel("")), Err(AddressError::Origin(_))));
}

#[test]
fn the_longest_origin_has_an_address() {
    let longest = "\u{2603}".repeat(ORIGIN_FIELD_BYTES / 3);
    let origin = Origin {
        channel: longest.clone(),
        account: Some(longest.clone()),
        peer: Some(Peer { kind: PeerKind::Channel, id: longest.clone() }),
        guild: Some(longest.clone()),
        team: Some(longest),
    };
    assert!(Address::inbound(&origin).is_ok());
}

#[test]
fn text_that_is_no_address() {
    for text in ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a\n", "é", &"x".repeat(3073)] {
        assert!(text.parse::<Address>().is_err(), "{text:?}");
    }
    assert!(Address::new([]).is_err());
    assert!(Address::new(["a", ""]).is_err());
}

fn part() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "ab", "."])
}

fn address() -> impl Strategy<Value = Address> {
    prop::collection::vec(part(), 1..5).prop_map(|parts| Address::new(parts).unwrap())
}

fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![
        address().prop_map(Filter::one),
        prop::collection::vec(part(), 1..4).prop_map(|parts| Filter::under(parts).unwrap()),
    ]
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof!["[.~*>% a]{1,4}", "\\PC{1,8}"]
}

fn origin() -> impl Strategy<Value = Origin> {
    let peer = (select(PeerKind::ALL.to_vec()), field()).prop_map(|(kind, id)| Peer { kind, id });
    (field(), option::of(field()), option::of(peer), option::of(field()), option::of(field()))
        .prop_map(|(channel, account, peer, guild, team)| Origin { channel, account, peer, guild, team })
}

proptest! {
    #[test]
    fn different_origins_have_different_addresses(one in origin(), two in origin()) {
        let (first, second) = (Address::inbound(&one).unwrap(), Address::inbound(&two).unwrap());
        prop_assert_eq!(one == two, first == second);
        prop_assert_eq!(first.as_str().parse::<Address>().unwrap(), first);
    }

    /// An address that two filters take proves that they overlap.
    #[test]
    fn filters_without_overlap_share_no_address(one in filter(), two in filter(), address in address()) {
        prop_assert_eq!(one.overlaps(&two), two.overlaps(&one));
        prop_assert!(one.overlaps(&two) || !(one.takes(&address) && two.takes(&address)));
    }

    /// And the other way round: of overlapping filters, the narrower one's own addresses are taken by both.
    #[test]
    fn filters_that_overlap_share_an_address(one in filter(), two in filter()) {
        let inside = |filter: &Filter| -> Address { filter.to_string().replace(".>", ".a").parse().unwrap() };
        if one.overlaps(&two) {
            prop_assert!([inside(&one), inside(&two)].iter().any(|address| one.takes(address) && two.takes(address)));
        }
    }
}
