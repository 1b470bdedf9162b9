//! What waits to leave the node because of an upload.

use super::text::{clip, counted, number};
use crate::api::Publication;

/// One line, after an empty one.
#[must_use]
pub fn text(publication: &Publication) -> String {
    let stay = counted(publication.never_tokenised_names, "destination");
    match publication.not_published_because.as_str() {
        "" => format!(
            "\nQueued for publication, sealed: {} contacted, {} suspected. {stay} never leave.\n",
            number(publication.contacted_names),
            number(publication.suspected_names),
        ),
        why => format!("\nNothing of this is published: {}.\n", clip(&why.replace('_', " "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_is_said() {
        let mut summary =
            Publication { contacted_names: 1_200, suspected_names: 2, ..Publication::default() };
        let said = text(&summary);
        assert!(
            said.contains("1,200 contacted, 2 suspected. 0 destinations never leave"),
            "{said}"
        );
        summary.not_published_because = "keep_here".to_owned();
        assert_eq!(text(&summary), "\nNothing of this is published: keep here.\n");
    }
}
