//! The message `Answers` as it stands on the wire. Who gives answers joins what was encoded before, and who takes
//! them decodes what it looks at: of a batch, most of the time went into structs that nobody kept.

use prost::bytes::{Buf, BufMut, Bytes};
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint,
    encoded_len_varint, skip_field,
};
use prost::{DecodeError, Message};

use crate::v1;

/// The field `answers` of `Answers`.
const ANSWERS: u32 = 1;
/// The field `index` of `Answer`.
const INDEX: u32 = 1;

/// Some of a look-up's answers, encoded. What came from elsewhere may be anything until it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(Bytes);

impl Answers {
    /// The answers, in order, as far as their heads; nothing comes after an error.
    pub fn each(&self) -> impl Iterator<Item = Result<Encoded<'_>, DecodeError>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let next = next(&mut rest, &self.0);
            if next.is_err() {
                rest = &[];
            }
            next.transpose()
        })
    }

    /// The answers, whole.
    ///
    /// # Errors
    /// One of them is damaged.
    pub fn decoded(&self) -> Result<Vec<v1::Answer>, DecodeError> {
        self.each().map(|answer| answer?.decoded()).collect()
    }
}

/// The next answer of `rest`, the end of `all`.
fn next<'a>(rest: &mut &'a [u8], all: &'a Bytes) -> Result<Option<Encoded<'a>>, DecodeError> {
    while !rest.is_empty() {
        let (field, wire_type) = decode_key(rest)?;
        let before = *rest;
        skip_field(wire_type, field, rest, DecodeContext::default())?;
        if (field, wire_type) == (ANSWERS, WireType::LengthDelimited) {
            let mut answer = &before[..before.len() - rest.len()];
            decode_varint(&mut answer)?;
            let Head { index, state } = Head::decode(answer)?;
            return Ok(Some(Encoded { index, state, answer, all }));
        }
    }
    Ok(None)
}

/// What of an answer everybody looks at.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(uint32, tag = "1")]
    index: u32,
    #[prost(enumeration = "v1::AnswerState", tag = "2")]
    state: i32,
}

/// One answer, its head read.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    /// Its place in the request.
    pub index: u32,
    state: i32,
    answer: &'a [u8],
    all: &'a Bytes,
}

impl Encoded<'_> {
    /// What came of it; unspecified where this version does not know the number.
    #[must_use]
    pub fn state(&self) -> v1::AnswerState {
        v1::AnswerState::try_from(self.state).unwrap_or_default()
    }

    /// The whole of it. What of it stays encoded shares the message's memory.
    ///
    /// # Errors
    /// It is damaged.
    pub fn decoded(&self) -> Result<v1::Answer, DecodeError> {
        v1::Answer::decode(self.all.slice_ref(self.answer))
    }
}

/// Answers on their way into a message.
#[derive(Debug, Default)]
pub struct Joined(Vec<u8>);

impl Joined {
    /// With room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds an answer that was encoded without its index, as every answer of index 0 is.
    pub fn push(&mut self, index: u32, answer: &[u8]) {
        let out = &mut self.0;
        let place = if index == 0 { 0 } else { 1 + encoded_len_varint(index.into()) };
        encode_key(ANSWERS, WireType::LengthDelimited, out);
        encode_varint((place + answer.len()) as u64, out);
        if index != 0 {
            encode_key(INDEX, WireType::Varint, out);
            encode_varint(index.into(), out);
        }
        out.extend_from_slice(answer);
    }

    /// Bytes so far.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl From<Joined> for Answers {
    fn from(joined: Joined) -> Self {
        Self(joined.0.into())
    }
}

impl FromIterator<v1::Answer> for Answers {
    fn from_iter<T: IntoIterator<Item = v1::Answer>>(answers: T) -> Self {
        let mut joined = Joined::default();
        for answer in answers {
            joined.push(answer.index, &v1::Answer { index: 0, ..answer }.encode_to_vec());
        }
        joined.into()
    }
}

/// As a generated message does it, but nothing is taken apart.
impl Message for Answers {
    fn encode_raw(&self, out: &mut impl BufMut) {
        out.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        field: u32,
        wire_type: WireType,
        from: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if field != ANSWERS {
            return skip_field(wire_type, field, from, context);
        }
        let (mut answer, mut encoded) = (Bytes::new(), vec![]);
        prost::encoding::bytes::merge(wire_type, &mut answer, from, context)?;
        prost::encoding::bytes::encode(ANSWERS, &answer, &mut encoded);
        self.merge(&*encoded)
    }

    fn merge(&mut self, mut from: impl Buf) -> Result<(), DecodeError> {
        let more = from.copy_to_bytes(from.remaining());
        self.0 = if self.0.is_empty() { more } else { [&*self.0, &*more].concat().into() };
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the generated message would be.
    #[derive(Clone, PartialEq, Message)]
    struct Generated {
        #[prost(message, repeated, tag = "1")]
        answers: Vec<v1::Answer>,
    }

    fn answers() -> Vec<v1::Answer> {
        let answer = |index| v1::Answer {
            index,
            state: v1::AnswerState::Private.into(),
            query: vec![b'q'; 3].into(),
            shared: vec![b's'; 300].into(),
            local: Some(v1::Local::default()),
            private_reason: "own".to_owned(),
            ..v1::Answer::default()
        };
        [0, 1, 127, 128, u32::MAX].map(answer).into()
    }

    #[test]
    fn the_bytes_are_those_of_the_message() {
        let generated = Generated { answers: answers() };
        let joined: Answers = answers().into_iter().collect();
        assert_eq!(joined.encode_to_vec(), generated.encode_to_vec());
        assert_eq!(joined.decoded().unwrap(), answers());
        assert_eq!(Generated::decode(&*joined.encode_to_vec()).unwrap(), generated);
        let heads: Vec<_> =
            joined.each().map(|one| one.map(|one| (one.index, one.state()))).collect();
        let expected = answers().iter().map(|one| Ok((one.index, one.state()))).collect::<Vec<_>>();
        assert_eq!(heads, expected);
    }

    #[test]
    fn parts_merge_and_what_is_unknown_is_passed_over() {
        let mut twice = Answers::default();
        let once: Answers = answers().into_iter().collect();
        twice.merge(&*once.encode_to_vec()).unwrap();
        twice.merge(&[0x10, 0x07][..]).unwrap();
        for _ in 0..2 {
            let encoded = once.encode_to_vec();
            let mut encoded = &*encoded;
            while !encoded.is_empty() {
                let (field, wire_type) = decode_key(&mut encoded).unwrap();
                let context = DecodeContext::default();
                twice.merge_field(field, wire_type, &mut encoded, context).unwrap();
            }
        }
        assert_eq!(twice.decoded().unwrap(), [answers(), answers(), answers()].concat());
        twice.clear();
        assert_eq!(twice, Answers::default());
    }

    #[test]
    fn what_is_damaged_is_an_error_and_an_end() {
        let whole = answers().into_iter().collect::<Answers>().encode_to_vec();
        for end in 0..whole.len() {
            let cut = Answers::decode(&whole[..end]).unwrap();
            let read: Vec<_> = cut.each().collect();
            let good = read.iter().take_while(|one| one.is_ok()).count();
            assert!(good < answers().len() && read.len() - good <= 1);
            assert!(read.iter().flatten().zip(answers()).all(|(one, is)| one.index == is.index));
        }
        // A head of another type, a length beyond the end, a group that never ends.
        for wrong in [&[0x0a, 0x02, 0x0a, 0x00][..], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x0b]]
        {
            let wrong = Answers::decode(wrong).unwrap();
            assert!(wrong.each().next().unwrap().is_err() && wrong.each().count() == 1);
            assert!(wrong.decoded().is_err());
        }
    }
}
