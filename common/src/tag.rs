//! Tags that people put on a destination, with the numbers that stand in their notes. Names are `group:word`, as one
//! word may stand in two groups. Append-only, like all vocabulary: a number, once given, never means anything else.
//!
//! Groups by the high byte: 1 what the destination is, 2 what a visit is for, 3 what it led to, 4 the threat, 5 how
//! it comes in, 6 security services. 7 (applications) and 8 (platforms) are kept for lists to come.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::label::{UnknownWord, vocabulary};

vocabulary! {
    /// A tag of a fixed list.
    Tag: u16 {
        /// Shortens URLs.
        UrlShortener = 0x0101, "destination:url_shortener";
        /// A content delivery network.
        Cdn = 0x0102, "destination:cdn";
        /// Shares files.
        FileSharing = 0x0103, "destination:file_sharing";
        /// Hosts other people's machines or sites.
        CloudHosting = 0x0104, "destination:cloud_hosting";
        /// Follows people from site to site.
        Tracking = 0x0105, "destination:tracking";
        /// A bank.
        Banking = 0x0106, "destination:banking";
        /// Where suspended domains lead.
        DomainSuspension = 0x0107, "destination:domain_suspension";
        /// Brings software up to date.
        UpdateServer = 0x0108, "destination:update_server";
        /// Leads elsewhere.
        Redirect = 0x0201, "purpose:redirect";
        /// A link to another site.
        ExternalLink = 0x0202, "purpose:external_link";
        /// Video.
        VideoStream = 0x0203, "purpose:video_stream";
        /// Asks for one's own public address.
        IpAddressCheck = 0x0204, "purpose:ip_address_check";
        /// A download.
        Download = 0x0205, "purpose:download";
        /// A page that was opened.
        NewPage = 0x0206, "purpose:new_page";
        /// Keeps logos for pages.
        LogoStorage = 0x0207, "purpose:logo_storage";
        /// Part of a page.
        WebsiteLoading = 0x0208, "purpose:website_loading";
        /// Without anybody doing anything.
        Background = 0x0209, "purpose:background";
        /// Advertisements.
        Ads = 0x020a, "purpose:ads";
        /// Looks of a page.
        Ui = 0x020b, "purpose:ui";
        /// Pictures, scripts and fonts.
        Assets = 0x020c, "purpose:assets";
        /// Counts visits.
        Analytics = 0x020d, "purpose:analytics";
        /// Follows people.
        PurposeTracking = 0x020e, "purpose:tracking";
        /// Something that came with a mail.
        EmailAttachment = 0x020f, "purpose:email_attachment";
        /// Somebody typed a password in.
        CredentialsEntered = 0x0301, "impact:credentials_entered";
        /// A browser extension was installed.
        ExtensionInstalled = 0x0302, "impact:extension_installed";
        /// Something ran.
        Execution = 0x0303, "impact:execution";
        /// Data left.
        Exfiltration = 0x0304, "impact:exfiltration";
        /// Pretends to be somebody else.
        Phishing = 0x0401, "threat:phishing";
        /// Software that nobody wanted.
        Pup = 0x0402, "threat:pup";
        /// A harmful browser extension.
        Extension = 0x0403, "threat:extension";
        /// Software that does something else than it says.
        Trojan = 0x0404, "threat:trojan";
        /// Steals what is stored.
        Stealer = 0x0405, "threat:stealer";
        /// Through a file-sharing service.
        VectorFileSharing = 0x0501, "vector:file_sharing";
        /// Through a redirect.
        VectorRedirect = 0x0502, "vector:redirect";
        /// Through a store of extensions or applications.
        WebStore = 0x0503, "vector:web_store";
        /// Looks into files.
        FileAnalysis = 0x0601, "security:file_analysis";
        /// Looks at links.
        LinkAnalysis = 0x0602, "security:link_analysis";
        /// Who somebody is.
        Authentication = 0x0603, "security:authentication";
        /// Whether somebody is a person.
        Captcha = 0x0604, "security:captcha";
        /// Certificate revocation lists.
        CrlCheck = 0x0605, "security:crl_check";
        /// Certificate status by OCSP.
        OcspCheck = 0x0606, "security:ocsp_check";
    }
}

/// The name of a number: that of a tag, or, newer than this software, `tag_` and four hex digits.
#[must_use]
pub fn tag_name(number: u16) -> String {
    Tag::from_number(number)
        .map_or_else(|| format!("tag_{number:04x}"), |tag| tag.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_go_there_and_back() {
        let groups = ["destination", "purpose", "impact", "threat", "vector", "security"];
        for tag in Tag::ALL {
            assert_eq!(Tag::from_number(tag.number()), Some(*tag));
            assert_eq!(tag.name().parse(), Ok(*tag));
            let group = tag.name().split_once(':').unwrap().0;
            assert_eq!(groups[usize::from(tag.number() >> 8) - 1], group, "{tag}");
        }
        assert_eq!(tag_name(0x0401), "threat:phishing");
        assert_eq!(tag_name(0x07ff), "tag_07ff");
    }
}
