//! What a file is by its MIME type, as far as a detector asks.
//!
//! Names are those that Zeek's file signatures and libmagic give, with IANA's registered ones beside them. A type is a
//! sensor's opinion of the first bytes; it never decides alone.

/// Files that matter by their kind. Ordered by how much they can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// Files packed into one, as stolen ones are before they leave.
    Archive,
    /// Text that a shell or an interpreter runs.
    Script,
    /// Machine code or byte code: a program, a library, a Java class.
    Program,
}

impl Content {
    /// Of a MIME type; `None` for all that nobody runs, scripts of web pages among it.
    #[must_use]
    pub fn of(mime: &str) -> Option<Self> {
        Some(match mime {
            // Zeek: executable.sig, java.sig; libmagic: x-pie-executable, x-mach-binary, x-elf; IANA: the two vnd ones.
            "application/x-dosexec"
            | "application/x-msdownload"
            | "application/vnd.microsoft.portable-executable"
            | "application/x-executable"
            | "application/x-pie-executable"
            | "application/x-sharedlib"
            | "application/x-elf"
            | "application/x-mach-o-executable"
            | "application/x-mach-binary"
            | "application/x-java-applet"
            | "application/java-vm"
            | "application/java-archive"
            | "application/x-java-archive"
            | "application/vnd.android.package-archive"
            | "application/x-ms-shortcut"
            | "application/hta"
            | "application/x-msi" => Self::Program,
            // Zeek: programming.sig. What pages are made of (application/javascript, text/x-php) is left out.
            "text/x-shellscript" | "application/x-sh" | "text/x-msdos-batch" | "text/x-python"
            | "text/x-perl" | "text/x-ruby" | "text/x-powershell" => Self::Script,
            // Zeek: archive.sig. gzip alone is left out: it packs one file, mostly a log or a page.
            "application/zip"
            | "application/x-7z-compressed"
            | "application/x-rar"
            | "application/vnd.rar"
            | "application/x-tar"
            | "application/x-ace"
            | "application/vnd.ms-cab-compressed" => Self::Archive,
            _ => return None,
        })
    }

    /// Whether it runs.
    #[must_use]
    pub const fn runs(self) -> bool {
        matches!(self, Self::Script | Self::Program)
    }

    /// With its article, for a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Archive => "an archive",
            Self::Script => "a script",
            Self::Program => "a program",
        }
    }

    /// The number in packed records.
    pub(crate) const fn code(content: Option<Self>) -> u8 {
        match content {
            None => 0,
            Some(Self::Archive) => 1,
            Some(Self::Script) => 2,
            Some(Self::Program) => 3,
        }
    }

    /// Back from [`Self::code`].
    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code & 3 {
            1 => Some(Self::Archive),
            2 => Some(Self::Script),
            3 => Some(Self::Program),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_told_from_what_is_shown() {
        for (mime, content) in [
            ("application/x-dosexec", Some(Content::Program)),
            ("application/x-java-applet", Some(Content::Program)),
            ("text/x-shellscript", Some(Content::Script)),
            ("application/zip", Some(Content::Archive)),
            ("application/javascript", None),
            ("text/html", None),
            ("", None),
        ] {
            assert_eq!(Content::of(mime), content, "{mime}");
            assert_eq!(Content::from_code(Content::code(content)), content);
        }
        assert!(Content::Program.runs() && !Content::Archive.runs());
    }
}
