//! RFC 9497, appendix A.1: ristretto255-SHA512, single key and through every quorum of a split key.

use rand_core::{CryptoRng, RngCore};

use super::*;
use crate::keys::WholeKey;

/// Hands out given scalars where the code under test draws random ones: 64 bytes a draw, reduced.
struct Scripted(Vec<[u8; 32]>);

impl RngCore for Scripted {
    fn next_u32(&mut self) -> u32 {
        unreachable!("scalars are drawn as bytes")
    }
    fn next_u64(&mut self) -> u64 {
        unreachable!("scalars are drawn as bytes")
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        let scalar = self.0.remove(0);
        bytes[..32].copy_from_slice(&scalar);
        bytes[32..].fill(0);
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Scripted {}

struct Vector {
    inputs: &'static [&'static str],
    blinds: &'static [&'static str],
    blinded: &'static [&'static str],
    evaluated: &'static [&'static str],
    /// Mode 1 only.
    proof: &'static str,
    proof_random: &'static str,
    outputs: &'static [&'static str],
}

fn hex32(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).unwrap();
    bytes
}

const OPRF_KEY: &str = "5ebcea5ee37023ccb9fc2d2019f9d7737be85591ae8652ffa9ef0f4d37063b0e";

/// A.1.1.
const OPRF: &[Vector] = &[
    Vector {
        inputs: &["00"],
        blinds: &["64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"],
        blinded: &["609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c"],
        evaluated: &["7ec6578ae5120958eb2db1745758ff379e77cb64fe77b0b2d8cc917ea0869c7e"],
        proof: "",
        proof_random: "",
        outputs: &[
            "527759c3d9366f277d8c6020418d96bb393ba2afb20ff90df23fb7708264e2f3ab9135e3bd69955851de4b1f9fe8a0973396719b7912ba9ee8aa7d0b5e24bcf6",
        ],
    },
    Vector {
        inputs: &["5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"],
        blinds: &["64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"],
        blinded: &["da27ef466870f5f15296299850aa088629945a17d1f5b7f5ff043f76b3c06418"],
        evaluated: &["b4cbf5a4f1eeda5a63ce7b77c7d23f461db3fcab0dd28e4e17cecb5c90d02c25"],
        proof: "",
        proof_random: "",
        outputs: &[
            "f4a74c9c592497375e796aa837e907b1a045d34306a749db9f34221f7e750cb4f2a6413a6bf6fa5e19ba6348eb673934a722a7ede2e7621306d18951e7cf2c73",
        ],
    },
];

const VOPRF_KEY: &str = "e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909";
const VOPRF_PUBLIC_KEY: &str = "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e";

/// A.1.2.
const VOPRF: &[Vector] = &[
    Vector {
        inputs: &["00"],
        blinds: &["64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"],
        blinded: &["863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945"],
        evaluated: &["aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e"],
        proof: "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd066d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
        proof_random: "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
        outputs: &[
            "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7da4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
        ],
    },
    Vector {
        inputs: &["5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"],
        blinds: &["64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"],
        blinded: &["cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c"],
        evaluated: &["60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468"],
        proof: "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02",
        proof_random: "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
        outputs: &[
            "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6",
        ],
    },
    Vector {
        inputs: &["00", "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"],
        blinds: &[
            "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706",
            "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
        ],
        blinded: &[
            "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
            "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
        ],
        evaluated: &[
            "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
            "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
        ],
        proof: "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08",
        proof_random: "419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c",
        outputs: &[
            "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7da4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
            "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6",
        ],
    },
];

/// The whole key as a key of one evaluator, or shared.
fn keys(t: u16, n: u16, seed: u64) -> (PublicKeyPackage, Vec<KeyShare>) {
    let rng = &mut flowlore_common::env::SeededRng::new("oprf tests", seed);
    WholeKey::from_bytes(&hex32(VOPRF_KEY)).unwrap().deal(t, n, 1, rng).unwrap()
}

fn request(vector: &Vector) -> Request {
    let inputs: Vec<Box<[u8]>> =
        vector.inputs.iter().map(|input| hex::decode(input).unwrap().into()).collect();
    let mut blinds = Scripted(vector.blinds.iter().map(|blind| hex32(blind)).collect());
    let size = inputs.len();
    Request::blind(inputs, size, &mut blinds).unwrap()
}

fn encoded(ys: &[Y]) -> Vec<String> {
    ys.iter().map(|y| hex::encode(y.as_bytes())).collect()
}

/// Mode 0 has no proof and another group tag; all else is the same code.
#[test]
fn rfc_9497_a_1_1() {
    for vector in OPRF {
        let key = Scalar::from_canonical_bytes(hex32(OPRF_KEY)).unwrap();
        let blind = Scalar::from_canonical_bytes(hex32(vector.blinds[0])).unwrap();
        let input = hex::decode(vector.inputs[0]).unwrap();
        let point = hash::to_group(&input, b"HashToGroup-OPRFV1-\x00-ristretto255-SHA512");
        let blinded = point * blind;
        let evaluated = blinded * key;
        assert_eq!(hex::encode(blinded.compress().0), vector.blinded[0]);
        assert_eq!(hex::encode(evaluated.compress().0), vector.evaluated[0]);
        let y = output(&input, (evaluated * blind.invert()).compress().as_bytes());
        assert_eq!(encoded(&[y]), vector.outputs);
    }
}

#[test]
fn rfc_9497_a_1_2_with_the_whole_key() {
    for vector in VOPRF {
        let (package, shares) = keys(1, 1, 0);
        assert_eq!(hex::encode(package.group_key()), VOPRF_PUBLIC_KEY);
        let request = request(vector);
        assert_eq!(request.blinded().iter().map(hex::encode).collect::<Vec<_>>(), vector.blinded);
        let mut random = Scripted(vec![hex32(vector.proof_random)]);
        let answer = shares[0].evaluate(request.blinded(), &mut random).unwrap();
        let evaluated: Vec<_> = answer.evaluated.iter().map(hex::encode).collect();
        assert_eq!(evaluated, vector.evaluated);
        assert_eq!(hex::encode(answer.proof), vector.proof);
        let share = request.verify(1, &package, &answer).unwrap();
        assert_eq!(encoded(&request.finalize(&package, &[share]).unwrap()), vector.outputs);
    }
}

#[test]
fn rfc_9497_a_1_2_through_every_quorum_of_three_of_five() {
    let rng = &mut flowlore_common::env::SeededRng::new("oprf quorums", 1);
    for vector in VOPRF {
        let (package, shares) = keys(3, 5, 7);
        let request = request(vector);
        let answers: Vec<Share> = shares
            .iter()
            .map(|share| {
                let answer = share.evaluate(request.blinded(), rng).unwrap();
                request.verify(share.number(), &package, &answer).unwrap()
            })
            .collect();
        let mut quorums = 0;
        for (a, b, c) in
            (0..5).flat_map(|a| (0..5).flat_map(move |b| (0..5).map(move |c| (a, b, c))))
        {
            let quorum = [answers[a].clone(), answers[b].clone(), answers[c].clone()];
            let result = request.finalize(&package, &quorum);
            if a == b || b == c || a == c {
                let error = result.map(|_| ()).unwrap_err();
                assert!(matches!(error, CombineError::Quorum(QuorumError::Repeated(_))), "{error}");
                continue;
            }
            assert_eq!(encoded(&result.unwrap()), vector.outputs, "evaluators {a} {b} {c}");
            quorums += 1;
        }
        assert_eq!(quorums, 60, "every quorum in every order");
    }
}
