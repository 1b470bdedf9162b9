//! Bytes from a peer as an evaluation request or an answer: behind the right tag, with a count of elements that fits
//! or does not. What is read is signed again as the same bytes, and no signature holds that its key did not make.
#![no_main]

use flowlore_common::evaluate::{EvaluateAnswer, EvaluateRequest};
use flowlore_common::sign::{SIGNATURE_BYTES, SecretKey, tags};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let key = SecretKey::from_seed(&[7; 32]);
    let stranger = SecretKey::from_seed(&[8; 32]);
    for tag in [None, Some(tags::EVALUATE_REQUEST), Some(tags::EVALUATE_ANSWER)] {
        let mut bytes = tag.map(Vec::from).unwrap_or_default();
        bytes.extend_from_slice(data);
        if let Ok(request) = EvaluateRequest::parse(&bytes) {
            let signed = request.claimed().sign(&key);
            assert_eq!(signed.len(), bytes.len());
            let unsigned = signed.len() - SIGNATURE_BYTES;
            assert_eq!(signed[..unsigned], bytes[..unsigned], "one encoding each");
            assert!(request.verify(&key.public()).is_err(), "nobody signed it");
            let read = EvaluateRequest::parse(&signed).expect("what we sign is read");
            assert!(read.clone().verify(&stranger.public()).is_err());
            read.verify(&key.public()).expect("and holds");
        }
        if let Ok(answer) = EvaluateAnswer::parse(&bytes) {
            let signed = answer.claimed().sign(&key);
            let unsigned = signed.len() - SIGNATURE_BYTES;
            assert_eq!(signed[..unsigned], bytes[..unsigned], "one encoding each");
            assert!(answer.verify(&key.public()).is_err(), "nobody signed it");
            let read = EvaluateAnswer::parse(&signed).expect("what we sign is read");
            read.verify(&key.public()).expect("and holds");
        }
    }
});
