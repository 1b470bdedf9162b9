//! What well-known names are for, and which brands a name may pretend to be of: lists that ship with the program, and
//! rows that a person adds.
//!
//! A name is matched by its end, label by label, the longest end first. Two files, tab-separated, `#` for comments:
//!
//! - places: a kind, an end. A dot before it: the first label of any name.
//! - brands: the brand, its words, its sites, resources of its own pages; several with spaces between, `-` for none. A
//!   word is looked for anywhere in what its owner chose of a name, one with `=` before it between dots, hyphens and
//!   digits only: `apple` is in `pineapple`.

use std::sync::{Arc, LazyLock};

use aho_corasick::AhoCorasick;
use flowlore_common::suffixes::Suffixes;
use hashbrown::HashMap;

use crate::limits::PLACES_MAX;

const PLACES: &str = include_str!("../data/places.tsv");
const BRANDS: &str = include_str!("../data/brands.tsv");

/// Words by which pages that collect secrets name themselves. [Garera, Provos, Chew, Rubin: A framework for detection
/// and measurement of phishing attacks, WORM 2007, whose list this is]
const LURE_WORDS: [&str; 8] =
    ["webscr", "secure", "banking", "ebayisapi", "account", "confirm", "login", "signin"];

static SHIPPED: LazyLock<Arc<Places>> = LazyLock::new(|| {
    let mut places = Places::default();
    places.add_places(PLACES).and_then(|()| places.add_brands(BRANDS)).expect("a test reads them");
    Arc::new(places)
});

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Gives anybody a name.
    Hosting,
    /// Machines of many owners.
    Cloud,
    /// What a browser asks about the fields of a form.
    Autofill,
    Mail,
    Chat,
    /// Serves the logos and icons of others.
    Logo,
    /// Updates, telemetry, certificates, connectivity checks: what programs do without being asked.
    Background,
    /// Parts of pages: networks of caches, libraries, advertising, measuring.
    Part,
}

impl Kind {
    const NAMES: [(&str, Self); 8] = [
        ("hosting", Self::Hosting),
        ("cloud", Self::Cloud),
        ("autofill", Self::Autofill),
        ("mail", Self::Mail),
        ("chat", Self::Chat),
        ("logo", Self::Logo),
        ("background", Self::Background),
        ("part", Self::Part),
    ];
}

/// A brand by its number.
pub(crate) type BrandId = u16;

/// What shows a brand in a name.
#[derive(Clone, Debug)]
struct Word {
    text: Box<str>,
    /// Counts between dots, hyphens and digits only.
    alone: bool,
    brand: BrandId,
}

/// The lists.
#[derive(Clone, Debug)]
pub struct Places {
    kinds: HashMap<Box<str>, Kind>,
    labels: HashMap<Box<str>, Kind>,
    brands: Vec<Box<str>>,
    words: Vec<Word>,
    /// Finds the words; none while there are none.
    finder: Option<AhoCorasick>,
    sites: HashMap<Box<str>, BrandId>,
    resources: HashMap<Box<str>, BrandId>,
    rows: usize,
    hasher: blake3::Hasher,
}

/// A list that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacesError {
    /// A row that is none.
    #[error("line {line}: {what}")]
    Row {
        /// From 1.
        line: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// More rows than [`PLACES_MAX`].
    #[error("more than {PLACES_MAX} rows in all")]
    TooMany,
}

impl Default for Places {
    /// Nothing at all; [`Places::shipped`] is what the program uses.
    fn default() -> Self {
        Self {
            kinds: HashMap::new(),
            labels: HashMap::new(),
            brands: Vec::new(),
            words: Vec::new(),
            finder: None,
            sites: HashMap::new(),
            resources: HashMap::new(),
            rows: 0,
            hasher: blake3::Hasher::new_derive_key("flowlore places v1"),
        }
    }
}

impl Places {
    /// The lists that ship with the program, read at first use.
    #[must_use]
    pub fn shipped() -> Arc<Self> {
        Arc::clone(&SHIPPED)
    }

    /// Adds rows in the format of `places.tsv`; of two rows about one end the later counts.
    ///
    /// # Errors
    /// [`PlacesError`] with the line: an unknown kind, an end that no name has; too many rows.
    pub fn add_places(&mut self, text: &str) -> Result<(), PlacesError> {
        for (line, row) in self.rows_of(text)? {
            let wrong = |what: String| PlacesError::Row { line, what };
            let [kind, end] = columns(row).ok_or_else(|| {
                wrong("two columns are needed, with a tab between: kind, end of a name".to_owned())
            })?;
            let known = Kind::NAMES.iter().find(|(name, _)| *name == kind);
            let &(_, kind) = known.ok_or_else(|| {
                let names: Vec<&str> = Kind::NAMES.iter().map(|(name, _)| *name).collect();
                wrong(format!("kind '{kind}' is not one of {}", names.join(", ")))
            })?;
            let (ends, end) = match end.strip_prefix('.') {
                Some(label) => (&mut self.labels, label),
                None => (&mut self.kinds, end),
            };
            ends.insert(cleaned(end).map_err(wrong)?, kind);
        }
        Ok(())
    }

    /// Adds rows in the format of `brands.tsv`.
    ///
    /// # Errors
    /// [`PlacesError`] with the line: a missing column, a site that no name has; too many rows.
    pub fn add_brands(&mut self, text: &str) -> Result<(), PlacesError> {
        for (line, row) in self.rows_of(text)? {
            let wrong = |what: String| PlacesError::Row { line, what };
            let [name, words, sites, resources] = columns(row).ok_or_else(|| {
                wrong("four columns are needed: brand, words, sites, resources".to_owned())
            })?;
            let id = BrandId::try_from(self.brands.len()).map_err(|_| PlacesError::TooMany)?;
            let list = |cell: &'_ str| -> Vec<String> {
                let items = cell.split(' ').filter(|item| !matches!(*item, "" | "-"));
                items.map(str::to_owned).collect()
            };
            for word in list(words) {
                let (text, alone) = word.strip_prefix('=').map_or((&*word, false), |w| (w, true));
                let text = cleaned(text).map_err(wrong)?;
                self.words.push(Word { text, alone, brand: id });
            }
            for site in list(sites) {
                self.sites.insert(cleaned(&site).map_err(wrong)?, id);
            }
            for resource in list(resources) {
                self.resources.insert(cleaned(&resource).map_err(wrong)?, id);
            }
            self.brands.push(name.into());
        }
        let texts = self.words.iter().map(|word| &*word.text);
        self.finder = Some(AhoCorasick::new(texts).map_err(|_| PlacesError::TooMany)?);
        Ok(())
    }

    /// The rows of a text with their numbers, counted and hashed.
    fn rows_of<'a>(
        &mut self,
        text: &'a str,
    ) -> Result<impl Iterator<Item = (usize, &'a str)> + use<'a>, PlacesError> {
        let rows = (1..).zip(text.lines()).filter(|(_, row)| {
            !row.is_empty() && !row.starts_with('#') // the header is a comment, too
        });
        self.rows += rows.clone().count();
        if self.rows > PLACES_MAX {
            return Err(PlacesError::TooMany);
        }
        self.hasher.update(text.as_bytes()).update(b"\n--\n");
        Ok(rows)
    }

    /// Sixteen hex digits over all rows in the order in which they were added.
    #[must_use]
    pub fn hash(&self) -> String {
        self.hasher.finalize().to_hex()[..16].to_owned()
    }

    /// What the list says of a normalised name by its end.
    pub(crate) fn kind(&self, name: &str) -> Option<Kind> {
        self.listed(name).map(|(_, kind)| kind)
    }

    fn listed<'a>(&self, name: &'a str) -> Option<(&'a str, Kind)> {
        ends(name).find_map(|end| Some((end, *self.kinds.get(end)?)))
    }

    /// What its end, or else its first label says.
    pub(crate) fn role(&self, name: &str) -> Option<Kind> {
        let first = name.split('.').next().unwrap_or(name);
        self.kind(name).or_else(|| self.labels.get(first).copied())
    }

    /// The brand that a name belongs to.
    pub(crate) fn brand_of(&self, name: &str) -> Option<BrandId> {
        ends(name).find_map(|end| self.sites.get(end).copied())
    }

    /// The brand whose own pages load from a name.
    pub(crate) fn resource_of(&self, name: &str) -> Option<BrandId> {
        ends(name).find_map(|end| self.resources.get(end).copied())
    }

    /// How a brand is written.
    pub(crate) fn brand_name(&self, id: BrandId) -> &str {
        self.brands.get(usize::from(id)).map_or("", |name| name)
    }

    /// What one owner has of a name: of a name on hosting all of it; else its registrable domain.
    pub(crate) fn site<'a>(&self, name: &'a str) -> &'a str {
        match self.listed(name) {
            Some((end, Kind::Hosting)) if end.len() < name.len() => {
                let before = &name[..name.len() - end.len() - 1];
                let label = before.rfind('.').map_or(0, |dot| dot + 1);
                &name[label..]
            }
            _ => Suffixes::shipped().site(name).unwrap_or(name),
        }
    }

    /// How a name lures, if its owner chose it so.
    pub(crate) fn lure(&self, name: &str) -> Lure {
        let listed = self.listed(name);
        if matches!(listed, Some((_, kind)) if kind != Kind::Hosting)
            || self.brand_of(name).is_some()
        {
            return Lure::default();
        }
        let suffixes = Suffixes::shipped();
        let end = match listed {
            Some((end, _)) => Some(end),
            None => suffixes.suffix(name),
        };
        // Nobody's but the provider's own: `github.io`.
        let Some(owned) = end.and_then(|end| name.strip_suffix(end)?.strip_suffix('.')) else {
            return Lure::default();
        };
        Lure {
            hosted: listed.is_some() || suffixes.is_let(name),
            brand: self.imitated(owned),
            word: owned.split('.').any(|label| {
                let mut parts = label.split('-');
                label.contains('-') && parts.any(|part| LURE_WORDS.contains(&part))
            }),
        }
    }

    /// The first brand of the list one of whose words stands in it.
    fn imitated(&self, owned: &str) -> Option<BrandId> {
        let apart = |byte: Option<&u8>| {
            byte.is_none_or(|byte| matches!(byte, b'.' | b'-') || byte.is_ascii_digit())
        };
        let bytes = owned.as_bytes();
        let found = self.finder.iter().flat_map(|finder| finder.find_overlapping_iter(owned));
        let worn = found.filter_map(|found| {
            let word = self.words.get(found.pattern().as_usize())?;
            let before = found.start().checked_sub(1).and_then(|at| bytes.get(at));
            let alone = apart(before) && apart(bytes.get(found.end()));
            (alone || !word.alone).then_some(word.brand)
        });
        worn.min()
    }
}

/// How a name lures: what its owner, who may be anybody, chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lure {
    /// On hosting that gives anybody a name.
    pub(crate) hosted: bool,
    /// It has a word of this brand and is not the brand's.
    pub(crate) brand: Option<BrandId>,
    /// It has a word by which pages that collect secrets name themselves, beside others.
    pub(crate) word: bool,
}

impl Lure {
    /// How many of the signs it has.
    pub(crate) fn signs(self) -> u32 {
        u32::from(self.hosted) + u32::from(self.brand.is_some()) + u32::from(self.word)
    }
}

/// A name, then without its first label, and so on.
fn ends(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |end| Some(end.split_once('.')?.1))
}

fn columns<const N: usize>(row: &str) -> Option<[&str; N]> {
    let cells: Vec<&str> = row.split('\t').map(str::trim).collect();
    cells.try_into().ok()
}

/// An end or word in lower case; an error when no name has it.
pub(crate) fn cleaned(text: &str) -> Result<Box<str>, String> {
    let lower = text.to_ascii_lowercase();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if lower.is_empty() || lower.len() > 253 || !lower.bytes().all(fits) {
        return Err(format!("'{text}' cannot stand in a name"));
    }
    Ok(lower.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_lists_are_read() {
        let places = Places::shipped();
        assert_eq!(places.kind("update.googleapis.com"), Some(Kind::Background));
        assert_eq!(places.kind("x.web.core.windows.net"), Some(Kind::Hosting), "the longer end");
        assert_eq!(places.kind("x.blob.core.windows.net"), Some(Kind::Cloud));
        assert_eq!(places.kind("notgoogleapis.com"), None, "label by label");
        assert_eq!(places.role("webmail.org.example"), Some(Kind::Mail));
        assert_eq!(places.kind("webmail.org.example"), None);
        assert_ne!(places.hash(), Places::default().hash());
    }

    #[test]
    fn a_name_lures_by_what_its_owner_chose() {
        let places = Places::shipped();
        let of = |name: &str| {
            let lure = places.lure(name);
            (lure.hosted, lure.brand.map(|id| places.brand_name(id)), lure.word)
        };
        for (name, lure) in [
            ("quiet-river.glitch.me", (true, None, false)),
            ("quiet-river.github.io", (true, None, false)),
            ("paypal-secure.web.app", (true, Some("PayPal"), true)),
            ("amazon.parcels.example", (false, Some("Amazon"), false)),
            ("login-portal.example", (false, None, true)),
            ("login.portal.example", (false, None, false)),
            ("apple-id.example", (false, Some("Apple"), false)),
            ("pineapple.example", (false, None, false)),
            ("www.paypal.com", (false, None, false)),
            ("microsoft.github.io", (false, None, false)),
            ("d1.cloudfront.net", (false, None, false)),
            ("update.googleapis.com", (false, None, false)),
            ("glitch.me", (false, None, false)),
            ("example", (false, None, false)),
        ] {
            assert_eq!(of(name), lure, "{name}");
        }
    }

    #[test]
    fn on_hosting_each_name_is_a_site_of_its_own() {
        let places = Places::shipped();
        assert_eq!(places.site("a.quiet-river.glitch.me"), "quiet-river.glitch.me");
        assert_eq!(places.site("glitch.me"), "glitch.me");
        assert_eq!(places.site("www.shop.example"), "shop.example");
    }

    #[test]
    fn rows_are_added_and_wrong_ones_named() {
        let mut places = Places::default();
        places.add_places("# mine\nhosting\tPages.Example\n").unwrap();
        places.add_brands("Org\torg365 =org\tlogin.org.example\t-\n").unwrap();
        let lure = places.lure("org-mail.pages.example");
        assert_eq!((lure.hosted, lure.brand, lure.word), (true, Some(0), false));
        assert_eq!(places.lure("login.org.example"), Lure::default());
        for (row, said) in [
            ("hosting", "line 1: two columns"),
            ("free\tx.example", "line 1: kind 'free' is not one of hosting, cloud"),
            ("hosting\tx y", "line 1: 'x y' cannot stand in a name"),
        ] {
            let error = places.add_places(row).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
        assert!(places.add_brands("\nOrg\torg").unwrap_err().to_string().starts_with("line 2"));
        let many = "part\tx.example\n".repeat(PLACES_MAX);
        assert_eq!(places.add_places(&many), Err(PlacesError::TooMany));
    }
}
