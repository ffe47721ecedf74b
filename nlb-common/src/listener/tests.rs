use super::*;

fn keys() -> impl Iterator<Item = ListenerKey> {
    let v4 = (0..64).map(|host| Address::v4((0xcb00_7100_u32 + host).to_be()));
    let v6 = (0..64_u32).map(|host| Address([0x2001_0db8_u32.to_be(), 0, 0xffff_u32.to_be(), host.to_be()]));
    v4.chain(v6).flat_map(|address| {
        (1..32_u16).flat_map(move |port| [6, 17].map(|protocol| ListenerKey::new(address, protocol, port)))
    })
}

#[test]
fn a_listener_is_read_back_as_it_was_written_up_to_the_largest_of_each_field() {
    let least = Listener::default();
    let most = Listener {
        counters: (1 << 20) - 1,
        group: u32::MAX,
        first_slot: (1 << 28) - 1,
        slot_mask: (1 << 20) - 1,
        affinity: Affinity::SourceIp as u8,
        tracking: 2,
        sketch: 7,
        server_id_length: 15,
        guard: Guard::NONE,
        endpoint: 0,
    };
    for key in keys() {
        for listener in [
            least,
            most,
            Listener { slot_mask: 0xff, ..least },
            Listener { counters: 5, ..least },
            Listener { server_id_length: 1, ..least },
        ] {
            assert_eq!(Entry::new(&key, &listener).listener(), Some((key, listener)));
        }
    }
    assert_eq!(Entry::default().listener(), None);
}

#[test]
fn a_claim_leads_to_the_slot_that_its_group_does() {
    for slot_mask in [0, 7, 0xff, 0xffff] {
        let group = Group { first_slot: 4096, slot_mask, ..Group::default() };
        let claim = Claim::of(&Listener::new(1, 2, &group));
        for hash in [0, 1, 0x1234_5678_9abc_def0, u64::MAX] {
            assert_eq!(claim.slot_index(hash), group.slot_index(hash));
        }
    }
}

#[test]
fn a_claim_is_by_flow_unless_it_says_anything_else() {
    let plain = Listener { counters: (1 << 20) - 1, tracking: 3, slot_mask: 0xffff, ..Listener::default() };
    assert!(Claim::of(&plain).is_by_flow());
    assert!(!Claim::of(&Listener { server_id_length: 1, ..plain }).is_by_flow());
    assert!(!Claim::of(&Listener { server_id_length: 8, ..plain }).is_by_flow());
    for affinity in [Affinity::SourceIp, Affinity::SourceIpPort, Affinity::SourceSubnet] {
        assert!(!Claim::of(&Listener { affinity: affinity as u8, ..plain }).is_by_flow(), "{affinity:?}");
    }
}

#[test]
fn an_entry_is_its_own_listeners_and_nobody_elses() {
    for key in keys().step_by(97) {
        let entry = Entry::new(&key, &Listener::default());
        for other in keys() {
            assert_eq!(entry.is_of(&Key::from(&other)), key == other, "{key:?} and {other:?}");
        }
    }
    // An IPv6 address that ends as an IPv4 one.
    let v4 = ListenerKey::new(Address::v4(7), 6, 1);
    let v6 = ListenerKey { address: Address([1, 0, crate::address::V4_MAPPED, 7]), ..v4 };
    assert!(!Entry::new(&v4, &Listener::default()).is_of(&Key::from(&v6)));
    assert!(!Entry::new(&v6, &Listener::default()).is_of(&Key::from(&v4)));
}

#[test]
fn places_are_within_the_table_and_neighbours_are_spread() {
    for listeners in [1, 100, 16_384, 1 << 20, u32::MAX] {
        let entries = entries_for(listeners);
        let shift = shift_of(entries);
        assert!(entries >= listeners.min(1 << 20) * 4 && entries.is_power_of_two());
        for key in keys() {
            let places = Key::from(&key).places(shift);
            assert!(places.first() < entries && places.second() < entries);
        }
    }
    // 8,128 keys that differ in a bit or two, over 2^15 places: as many as chance would give have one to themselves, or more.
    let mut taken = [0_u8; 1 << 15];
    for key in keys() {
        let place = Key::from(&key).places(shift_of(1 << 15)).first();
        taken[place as usize] = taken[place as usize].saturating_add(1);
    }
    let alone = taken.iter().filter(|&&listeners| listeners == 1).count();
    assert!(alone > 5_800, "{alone} of 8,128");
    assert!(taken.iter().all(|&listeners| listeners < 10));
}
