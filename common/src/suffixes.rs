//! The public suffix list: which names share an owner, so that one site is one thing.
//!
//! Source of the rules: <https://publicsuffix.org/list/>. Both sections count, the ICANN one and
//! the private one: `alice.github.io` and `bob.github.io` are two sites. A name under no rule falls
//! under the list's default rule `*`, so `c2.evil.example` has the site `evil.example`.

use std::sync::LazyLock;

use publicsuffix::{List, Psl};

use crate::limits::SUFFIX_LIST_BYTES_MAX;

/// The list that ships with the program; `common/data/README.md` says which.
const SHIPPED: &[u8] = include_bytes!("../data/public_suffix_list.dat");

static SHIPPED_SUFFIXES: LazyLock<Suffixes> = LazyLock::new(|| {
    Suffixes::from_bytes(SHIPPED).expect("the shipped list parses, which a test checks")
});

/// A parsed public suffix list, with the hash by which a roster pins it.
#[derive(Clone)]
pub struct Suffixes {
    list: List,
    hash: [u8; 32],
}

/// A public suffix list that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuffixesError {
    /// Longer than [`SUFFIX_LIST_BYTES_MAX`].
    #[error("the public suffix list has {0} bytes; at most {SUFFIX_LIST_BYTES_MAX} are read")]
    TooLong(usize),
    /// Not a list in the format of publicsuffix.org.
    #[error("not a public suffix list as publicsuffix.org writes it: {0}")]
    Format(String),
}

impl Suffixes {
    /// The list that ships with the program, parsed at first use.
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED_SUFFIXES
    }

    /// Reads a list in the format of publicsuffix.org.
    ///
    /// # Errors
    /// [`SuffixesError`] when it is too long, not UTF-8, empty, or has a rule that is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SuffixesError> {
        if bytes.len() > SUFFIX_LIST_BYTES_MAX {
            return Err(SuffixesError::TooLong(bytes.len()));
        }
        let list =
            List::from_bytes(bytes).map_err(|error| SuffixesError::Format(error.to_string()))?;
        Ok(Self { list, hash: blake3::hash(bytes).into() })
    }

    /// BLAKE3 of the file's bytes: what a roster pins.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The site of a normalised name: its registrable domain, a part of `name` at its end.
    ///
    /// `None` for a name that is itself a public suffix (`com`, `github.io`) and for a single
    /// label. A few hash look-ups and no allocation: cheap enough to ask for every name of a day.
    #[must_use]
    pub fn site<'a>(&self, name: &'a str) -> Option<&'a str> {
        let site = self.list.domain(name.as_bytes())?;
        std::str::from_utf8(site.as_bytes()).ok()
    }

    /// The public suffix of a normalised name: what is left of it without its owner's part. All of
    /// a name that is a public suffix.
    #[must_use]
    pub fn suffix<'a>(&self, name: &'a str) -> Option<&'a str> {
        let suffix = self.list.suffix(name.as_bytes())?;
        std::str::from_utf8(suffix.as_bytes()).ok()
    }

    /// Whether a rule of the list, and not only its default one, is for this normalised name.
    #[must_use]
    pub fn lists(&self, name: &str) -> bool {
        self.list.suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known())
    }

    /// Whether this normalised name lies below a rule of the private section: space that its owner lets to customers,
    /// as hosts of pages and names for home connections do.
    #[must_use]
    pub fn is_let(&self, name: &str) -> bool {
        let suffix = self.list.suffix(name.as_bytes());
        let private =
            |suffix: &publicsuffix::Suffix<'_>| suffix.typ() == Some(publicsuffix::Type::Private);
        suffix.is_some_and(|suffix| private(&suffix) && suffix.as_bytes().len() < name.len())
    }
}

impl std::fmt::Debug for Suffixes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Suffixes({})", blake3::Hash::from_bytes(self.hash).to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chosen from the published test data of publicsuffix.org (public domain), in A-label form.
    #[test]
    fn sites_are_those_of_the_published_cases() {
        let suffixes = Suffixes::shipped();
        for (name, site) in [
            ("com", None),
            ("example.com", Some("example.com")),
            ("a.b.example.com", Some("example.com")),
            ("uk.com", None),
            ("b.example.uk.com", Some("example.uk.com")),
            ("example", None),
            ("b.example.example", Some("example.example")),
            ("c.kobe.jp", None),
            ("a.b.c.kobe.jp", Some("b.c.kobe.jp")),
            ("city.kobe.jp", Some("city.kobe.jp")),
            ("www.www.ck", Some("www.ck")),
            ("b.test.ck", Some("b.test.ck")),
            ("alice.github.io", Some("alice.github.io")),
            ("github.io", None),
            ("www.xn--85x722f.xn--55qx5d.cn", Some("xn--85x722f.xn--55qx5d.cn")),
            ("xn--55qx5d.cn", None),
        ] {
            assert_eq!(suffixes.site(name), site, "{name}");
        }
    }

    #[test]
    fn space_that_is_let_is_told_from_a_site_of_ones_own() {
        let suffixes = Suffixes::shipped();
        for (name, is_let) in [
            ("alice.github.io", true),
            ("www.alice.github.io", true),
            ("github.io", false),
            ("example.com", false),
            ("www.example.co.uk", false),
            ("host", false),
        ] {
            assert_eq!(suffixes.is_let(name), is_let, "{name}");
        }
    }

    #[test]
    fn another_list_gives_other_sites_and_another_hash() {
        let bytes = b"// ===BEGIN ICANN DOMAINS===\nexample\nhost.example\n";
        let suffixes = Suffixes::from_bytes(bytes).unwrap();
        assert_eq!(suffixes.site("a.b.host.example"), Some("b.host.example"));
        assert_eq!(suffixes.hash(), blake3::hash(bytes).as_bytes());
        assert_ne!(suffixes.hash(), Suffixes::shipped().hash());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(matches!(Suffixes::from_bytes(b""), Err(SuffixesError::Format(_))));
        assert!(matches!(Suffixes::from_bytes(&[0xff; 64]), Err(SuffixesError::Format(_))));
        let long = vec![b'\n'; SUFFIX_LIST_BYTES_MAX + 1];
        assert!(matches!(Suffixes::from_bytes(&long), Err(SuffixesError::TooLong(_))));
    }
}
