//! The evaluation against an independent implementation of RFC 9497 (crate `voprf`): 1,000 random
//! inputs under 100 random keys, each shared t of n at random and evaluated by a random quorum.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flowlore_common::destination::{Host, Input};
use flowlore_common::env::SeededRng;
use flowlore_veil::keys::WholeKey;
use flowlore_veil::oprf::Request;
use rand_core::RngCore;
use voprf::{Ristretto255, VoprfServer};

const SEED: u64 = 100;
const KEYS: usize = 100;
const INPUTS_PER_KEY: usize = 10;

fn below(bound: u16, rng: &mut SeededRng) -> u16 {
    u16::try_from(rng.next_u32() % u32::from(bound)).unwrap()
}

fn random_input(rng: &mut SeededRng) -> Input {
    let mut octets = [0; 16];
    rng.fill_bytes(&mut octets);
    Input::host(&match below(3, rng) {
        0 => IpAddr::V4(Ipv4Addr::from(rng.next_u32())).into(),
        1 => IpAddr::V6(Ipv6Addr::from(octets)).into(),
        _ => {
            let label = hex::encode(&octets[..1 + usize::from(below(16, rng))]);
            format!("{label}.example").parse::<Host>().unwrap()
        }
    })
}

#[test]
fn any_quorum_gives_what_the_oracle_gives() {
    let rng = &mut SeededRng::new("oracle", SEED);
    for round in 0..KEYS {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        key[31] &= 0x0f; // below the group's order, so canonical
        let oracle = VoprfServer::<Ristretto255>::new_with_key(&key).unwrap();

        let n = 1 + below(9, rng);
        let least = if n == 1 { 1 } else { (n / 2 + 1).max(2) };
        let t = least + below(n - least + 1, rng);
        let (package, mut evaluators) =
            WholeKey::from_bytes(&key).unwrap().deal(t, n, 1, rng).unwrap();
        for last in (1..n).rev() {
            evaluators.swap(usize::from(last), usize::from(below(last + 1, rng)));
        }

        let inputs: Vec<_> = (0..INPUTS_PER_KEY).map(|_| random_input(rng)).collect();
        let request = Request::new(&inputs, 1, rng).unwrap();
        let shares: Vec<_> = evaluators[..usize::from(t)]
            .iter()
            .map(|evaluator| {
                let answer = evaluator.evaluate(request.blinded(), rng).unwrap();
                request.verify(evaluator.number(), &package, &answer).unwrap()
            })
            .collect();
        let outputs = request.finalize(&package, &shares).unwrap();
        assert_eq!(outputs.len(), INPUTS_PER_KEY);
        for (input, output) in inputs.iter().zip(&outputs) {
            let expected = oracle.evaluate(input.bytes()).unwrap();
            assert_eq!(
                output.as_bytes()[..],
                expected[..],
                "seed {SEED}, round {round}, {t} of {n}"
            );
        }
    }
}
