//! Blocks: what an org's feed is made of, byte for byte (proto/PROTOCOL.md, "Blocks").
//!
//! Untrusted bytes become an [`UnverifiedBlock`] when their shape is right, and a
//! [`SignedBlock`] when the signature holds too: who has one of those needs to check neither.

use crate::canon::{Malformed, Put as _, Reader, b3kdf, b3kdf_parts, tree_top};
use crate::ids::{BlockId, FederationId, OrgId, RosterHash};
use crate::limits::{BLOCK_ITEMS_MAX, BLOCK_PAYLOAD_BYTES_MAX};
use crate::sign::{BadSignature, PublicKey, SIGNATURE_BYTES, SecretKey, Signature, tags};
use crate::time::Hour;

/// Bytes of a header, without the signature.
pub const HEADER_BYTES: usize = 220;
/// Bytes in front of the payload: header and signature.
pub const SIGNED_HEADER_BYTES: usize = HEADER_BYTES + SIGNATURE_BYTES;

/// What the items of a block are. A number that is not named here is kept and forwarded, and
/// counts for nothing: newer members may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadKind(pub u8);

impl PayloadKind {
    /// Labels of one purpose, by token ascending.
    pub const LABELS: Self = Self(1);
    /// "Still in use": names earlier labels of the same feed.
    pub const REFRESH: Self = Self(2);
    /// Sealed titles, tags and texts.
    pub const NOTES: Self = Self(3);
    /// A witness's statement of what it holds.
    pub const ATTESTATION: Self = Self(4);
    /// An evaluator's opening of a name.
    pub const OPENING: Self = Self(6);
}

/// One stream of blocks: an org, and how often it had to start anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feed {
    /// Whose.
    pub org: OrgId,
    /// From 0; one more after a re-key or a lost segment.
    pub incarnation: u32,
}

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The federation: a block of another one is nobody's business here.
    pub federation: FederationId,
    /// The feed it belongs to.
    pub feed: Feed,
    /// Its place in the feed, from 0.
    pub height: u64,
    /// The block before it; at height 0 the last block of an earlier incarnation, or zeros.
    pub prev: BlockId,
    /// When its author says it was sealed.
    pub sealed: Hour,
    /// The newest roster document its author knew.
    pub roster_version: u32,
    /// That document's hash.
    pub roster_hash: RosterHash,
    /// What the items are.
    pub kind: PayloadKind,
    /// How many items, 1 to 256.
    pub items: u16,
    /// Bytes of the payload.
    pub payload_bytes: u32,
    /// Commits to every item singly.
    pub payload_root: [u8; 32],
}

impl Header {
    /// The bytes that are signed.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.put(&tags::BLOCK);
        bytes.put(&self.federation.0);
        bytes.put(&self.feed.org.0);
        bytes.put_u32(self.feed.incarnation);
        bytes.put_u64(self.height);
        bytes.put(&self.prev.0);
        bytes.put_u32(self.sealed.0);
        bytes.put_u32(self.roster_version);
        bytes.put(&self.roster_hash.0);
        bytes.put_u8(self.kind.0);
        bytes.put_u8(0);
        bytes.put_u16(self.items);
        bytes.put_u32(self.payload_bytes);
        bytes.put(&self.payload_root);
        bytes.put(&[0; 16]);
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }

    /// Reads a header; the payload is not looked at.
    ///
    /// # Errors
    /// Another tag, or something other than zeros where zeros belong.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, BlockError> {
        let mut reader = Reader::new(bytes);
        reader.tag(&tags::BLOCK)?;
        let federation = FederationId(reader.array()?);
        let feed = Feed { org: OrgId(reader.array()?), incarnation: reader.u32()? };
        let height = reader.u64()?;
        let prev = BlockId(reader.array()?);
        let sealed = Hour(reader.u32()?);
        let roster_version = reader.u32()?;
        let roster_hash = RosterHash(reader.array()?);
        let kind = PayloadKind(reader.u8()?);
        let flags = reader.u8()?;
        let items = reader.u16()?;
        let payload_bytes = reader.u32()?;
        let payload_root = reader.array()?;
        let reserved: [u8; 16] = reader.array()?;
        reader.finish()?;
        if flags != 0 || reserved != [0; 16] {
            return Err(BlockError::Reserved);
        }
        Ok(Self {
            federation,
            feed,
            height,
            prev,
            sealed,
            roster_version,
            roster_hash,
            kind,
            items,
            payload_bytes,
            payload_root,
        })
    }

    /// The block's name: a hash of the header alone, so that a signature can't change it.
    #[must_use]
    pub fn id(&self) -> BlockId {
        BlockId(b3kdf("flowlore block id v1", &self.encode()))
    }
}

/// Why bytes are no block. The author is at fault, or the peer that passed them on unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Cut off, another tag, or bytes left over.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Reserved bytes, flags, or the purpose of a kind that has none are not zero.
    #[error("reserved bytes of the block are not zero")]
    Reserved,
    /// More than 256 items or 256 KiB, or not the sizes that the header states.
    #[error("the block's sizes are over the limit or not those of its header")]
    Sizes,
    /// The payload is not what the header commits to.
    #[error("the payload does not have the root that the header states")]
    Root,
    /// The signature does not hold under the org's key.
    #[error("the block's signature does not hold")]
    Signature,
}

impl From<BadSignature> for BlockError {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

/// A signed header without its payload: what a fork is proved with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// Its signature, not verified here.
    pub signature: Signature,
}

impl SignedHeader {
    /// Header and signature, 284 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SIGNED_HEADER_BYTES] {
        let mut bytes = [0; SIGNED_HEADER_BYTES];
        bytes[..HEADER_BYTES].copy_from_slice(&self.header.encode());
        bytes[HEADER_BYTES..].copy_from_slice(&self.signature);
        bytes
    }

    /// Reads the 284 bytes.
    ///
    /// # Errors
    /// As [`Header::parse`].
    pub fn parse(bytes: &[u8; SIGNED_HEADER_BYTES]) -> Result<Self, BlockError> {
        let mut reader = Reader::new(bytes);
        let header = Header::parse(&reader.array()?)?;
        let signature = reader.array()?;
        Ok(Self { header, signature })
    }

    /// Whether `key` signed it.
    ///
    /// # Errors
    /// It did not.
    pub fn verify(&self, key: &PublicKey) -> Result<(), BadSignature> {
        key.verify(&self.header.encode(), &self.signature)
    }
}

/// A block of the right shape, sizes and root, whose signature nobody has checked yet.
#[derive(Clone, Debug)]
pub struct UnverifiedBlock {
    signed: SignedHeader,
    bytes: Vec<u8>,
    /// Where each item lies in `bytes`.
    items: Vec<(u32, u16)>,
}

impl UnverifiedBlock {
    /// Reads header || signature || payload.
    ///
    /// # Errors
    /// See [`BlockError`]; never `Signature`.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BlockError> {
        let mut reader = Reader::new(&bytes);
        let signed = SignedHeader::parse(&reader.array()?)?;
        let header = &signed.header;
        let payload = bytes.len() - SIGNED_HEADER_BYTES;
        let stated = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX);
        let count = usize::from(header.items);
        let sizes_hold =
            payload == stated && payload <= BLOCK_PAYLOAD_BYTES_MAX && count <= BLOCK_ITEMS_MAX;
        if !sizes_hold || count == 0 {
            return Err(BlockError::Sizes);
        }
        let purpose = reader.u8()?;
        if purpose != 0 && header.kind != PayloadKind::LABELS {
            return Err(BlockError::Reserved);
        }
        let mut items = Vec::with_capacity(count);
        let mut leaves = Vec::with_capacity(count);
        for _ in 0..count {
            let length = reader.u16().map_err(|_| BlockError::Sizes)?;
            let offset = u32::try_from(reader.position()).map_err(|_| BlockError::Sizes)?;
            let item = reader.take(usize::from(length)).map_err(|_| BlockError::Sizes)?;
            items.push((offset, length));
            leaves.push(leaf(item, length));
        }
        reader.finish().map_err(|_| BlockError::Sizes)?;
        if root(header.kind, purpose, header.items, leaves) != header.payload_root {
            return Err(BlockError::Root);
        }
        Ok(Self { signed, bytes, items })
    }

    /// The header that bytes claim to have, whatever follows it.
    #[must_use]
    pub fn header_of(bytes: &[u8]) -> Option<Header> {
        SignedHeader::parse(bytes.first_chunk()?).ok().map(|signed| signed.header)
    }

    /// The header, for finding the key.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.signed.header
    }

    /// Header and signature, as evidence.
    #[must_use]
    pub const fn signed_header(&self) -> &SignedHeader {
        &self.signed
    }

    /// The bytes that it was read from.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The purpose byte: of labels, else 0.
    #[must_use]
    pub fn purpose(&self) -> u8 {
        self.bytes[SIGNED_HEADER_BYTES]
    }

    /// The items in their order.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.items.iter().map(|&(offset, length)| {
            let offset = usize::try_from(offset).expect("an offset within a block fits");
            &self.bytes[offset..offset + usize::from(length)]
        })
    }

    /// One item, if there are so many.
    #[must_use]
    pub fn item(&self, index: usize) -> Option<&[u8]> {
        let &(offset, length) = self.items.get(index)?;
        self.bytes.get(usize::try_from(offset).ok()?..)?.get(..usize::from(length))
    }

    /// Where each item lies in [`Self::bytes`]: offset and length.
    #[must_use]
    pub fn places(&self) -> &[(u32, u16)] {
        &self.items
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// It does not hold under `key`.
    pub fn verify(self, key: &PublicKey) -> Result<SignedBlock, BlockError> {
        self.signed.verify(key)?;
        Ok(SignedBlock { id: self.signed.header.id(), block: self })
    }
}

/// A block whose shape, sizes, root and signature hold.
#[derive(Clone, Debug)]
pub struct SignedBlock {
    block: UnverifiedBlock,
    id: BlockId,
}

impl SignedBlock {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> BlockId {
        self.id
    }
}

impl std::ops::Deref for SignedBlock {
    type Target = UnverifiedBlock;

    fn deref(&self) -> &UnverifiedBlock {
        &self.block
    }
}

/// What the author of a block decides; the rest follows from the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The federation.
    pub federation: FederationId,
    /// The author's feed.
    pub feed: Feed,
    /// The next height.
    pub height: u64,
    /// The block before.
    pub prev: BlockId,
    /// Now.
    pub sealed: Hour,
    /// The newest roster document held.
    pub roster_version: u32,
    /// Its hash.
    pub roster_hash: RosterHash,
    /// What the items are.
    pub kind: PayloadKind,
    /// The purpose of labels; 0 for other kinds.
    pub purpose: u8,
}

impl Draft {
    /// Seals items into a block.
    ///
    /// # Errors
    /// `Sizes`: no item, or over 256 items, 65,535 bytes an item, or 256 KiB in all.
    /// `Reserved`: a purpose although the kind has none.
    pub fn seal(&self, items: &[&[u8]], key: &SecretKey) -> Result<SignedBlock, BlockError> {
        let mut payload = vec![self.purpose];
        let mut leaves = Vec::with_capacity(items.len());
        for item in items {
            let length = u16::try_from(item.len()).map_err(|_| BlockError::Sizes)?;
            payload.put_u16(length);
            payload.put(item);
            leaves.push(leaf(item, length));
        }
        let count = u16::try_from(items.len()).map_err(|_| BlockError::Sizes)?;
        let header = Header {
            federation: self.federation,
            feed: self.feed,
            height: self.height,
            prev: self.prev,
            sealed: self.sealed,
            roster_version: self.roster_version,
            roster_hash: self.roster_hash,
            kind: self.kind,
            items: count,
            payload_bytes: u32::try_from(payload.len()).map_err(|_| BlockError::Sizes)?,
            payload_root: root(self.kind, self.purpose, count, leaves),
        };
        let signature = key.sign(&header.encode());
        let mut bytes = SignedHeader { header, signature }.encode().to_vec();
        bytes.put(&payload);
        // Reading our own bytes back applies every check that a stranger will apply.
        let block = UnverifiedBlock::parse(bytes)?;
        Ok(SignedBlock { id: header.id(), block })
    }
}

fn leaf(item: &[u8], length: u16) -> [u8; 32] {
    b3kdf_parts("flowlore payload leaf v1", &[&length.to_be_bytes(), item])
}

fn root(kind: PayloadKind, purpose: u8, items: u16, leaves: Vec<[u8; 32]>) -> [u8; 32] {
    let top = tree_top(leaves, "flowlore payload node v1");
    let parts: [&[u8]; 3] = [&[kind.0, purpose], &items.to_be_bytes(), &top];
    b3kdf_parts("flowlore payload root v1", &parts)
}

/// The root of a payload of these items, as a header states it.
///
/// # Errors
/// `Sizes`: more than 65,535 items, or an item longer than 65,535 bytes.
pub fn payload_root(
    kind: PayloadKind,
    purpose: u8,
    items: &[&[u8]],
) -> Result<[u8; 32], BlockError> {
    let count = u16::try_from(items.len()).map_err(|_| BlockError::Sizes)?;
    let mut leaves = Vec::with_capacity(items.len());
    for item in items {
        leaves.push(leaf(item, u16::try_from(item.len()).map_err(|_| BlockError::Sizes)?));
    }
    Ok(root(kind, purpose, count, leaves))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            federation: FederationId([5; 32]),
            feed: Feed { org: OrgId([1; 32]), incarnation: 0 },
            height: 0,
            prev: BlockId([0; 32]),
            sealed: Hour(498_752),
            roster_version: 1,
            roster_hash: RosterHash([6; 32]),
            kind: PayloadKind::LABELS,
            purpose: 1,
        }
    }

    fn sealed() -> (SignedBlock, PublicKey) {
        let key = SecretKey::from_seed(&[7; 32]);
        (draft().seal(&[b"a", b"bb", b"ccc"], &key).unwrap(), key.public())
    }

    /// Seals again after a change of the header, so that only the change is at fault.
    fn resigned(change: impl FnOnce(&mut [u8])) -> Result<SignedBlock, BlockError> {
        let key = SecretKey::from_seed(&[7; 32]);
        let mut bytes = sealed().0.bytes().to_vec();
        change(&mut bytes);
        let signature = key.sign(&bytes[..HEADER_BYTES]);
        bytes[HEADER_BYTES..SIGNED_HEADER_BYTES].copy_from_slice(&signature);
        UnverifiedBlock::parse(bytes)?.verify(&key.public())
    }

    #[test]
    fn payload_root_of_the_published_vector() {
        let items: [&[u8]; 3] = [b"a", b"bb", b"ccc"];
        assert_eq!(
            hex::encode(payload_root(PayloadKind(32), 0, &items).unwrap()),
            "da5ec321c2a778fa09640c21a92294e2ac94d3d6663f642701524ba6b80737a5"
        );
    }

    #[test]
    fn bytes_go_there_and_back() {
        let (block, key) = sealed();
        let again = UnverifiedBlock::parse(block.bytes().to_vec()).unwrap().verify(&key).unwrap();
        assert_eq!(again.id(), block.id());
        assert_eq!(again.header(), block.header());
        assert_eq!(again.items().collect::<Vec<_>>(), [&b"a"[..], b"bb", b"ccc"]);
        assert_eq!(again.purpose(), 1);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (block, key) = sealed();
        for bit in 0..block.bytes().len() * 8 {
            let mut bytes = block.bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = UnverifiedBlock::parse(bytes).and_then(|block| block.verify(&key));
            assert!(read.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_and_any_longer_block_is_refused() {
        let (block, _) = sealed();
        for length in 0..block.bytes().len() {
            assert!(UnverifiedBlock::parse(block.bytes()[..length].to_vec()).is_err(), "{length}");
        }
        let mut longer = block.bytes().to_vec();
        longer.push(0);
        assert_eq!(UnverifiedBlock::parse(longer).unwrap_err(), BlockError::Sizes);
    }

    #[test]
    fn each_fault_has_its_name() {
        assert!(resigned(|_| ()).is_ok());
        assert!(matches!(resigned(|b| b[0] = b'F').unwrap_err(), BlockError::Malformed(_)));
        assert_eq!(resigned(|b| b[165] = 1).unwrap_err(), BlockError::Reserved);
        assert_eq!(resigned(|b| b[219] = 1).unwrap_err(), BlockError::Reserved);
        assert_eq!(resigned(|b| b[167] = 2).unwrap_err(), BlockError::Sizes);
        assert_eq!(resigned(|b| b[171] += 1).unwrap_err(), BlockError::Sizes);
        assert_eq!(resigned(|b| b[172] ^= 1).unwrap_err(), BlockError::Root);
        let last = sealed().0.bytes().len() - 1;
        assert_eq!(resigned(|b| b[last] ^= 1).unwrap_err(), BlockError::Root);
        let other = SecretKey::from_seed(&[8; 32]).public();
        let block = UnverifiedBlock::parse(sealed().0.bytes().to_vec()).unwrap();
        assert_eq!(block.verify(&other).unwrap_err(), BlockError::Signature);
    }

    #[test]
    fn the_limits_hold_and_one_more_does_not() {
        let key = SecretKey::from_seed(&[7; 32]);
        let seal = |items: &[&[u8]]| draft().seal(items, &key).map(|_| ());
        assert_eq!(seal(&[]), Err(BlockError::Sizes));
        assert_eq!(seal(&[&b"x"[..]; BLOCK_ITEMS_MAX]), Ok(()));
        assert_eq!(seal(&[&b"x"[..]; BLOCK_ITEMS_MAX + 1]), Err(BlockError::Sizes));
        let quarter = vec![0_u8; BLOCK_PAYLOAD_BYTES_MAX / 8 - 2];
        let full: Vec<&[u8]> = vec![&quarter; 7];
        let rest = vec![0_u8; quarter.len() - 1];
        assert_eq!(seal(&[&full[..], &[&rest]].concat()), Ok(()));
        assert_eq!(seal(&[&full[..], &[&quarter]].concat()), Err(BlockError::Sizes));
        let purpose_of_refresh = Draft { kind: PayloadKind::REFRESH, ..draft() };
        assert_eq!(purpose_of_refresh.seal(&[b"x"], &key).unwrap_err(), BlockError::Reserved);
    }

    #[test]
    fn an_unknown_kind_is_a_block() {
        let key = SecretKey::from_seed(&[7; 32]);
        let block = Draft { kind: PayloadKind(200), purpose: 0, ..draft() }.seal(&[b""], &key);
        assert_eq!(block.unwrap().header().kind, PayloadKind(200));
    }
}
