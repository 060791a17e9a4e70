//! Where Pomona may work on AWS: in a few regions of the European Union, and in London, which the EU's adequacy
//! decision covers.

use crate::error::Error;

/// The environment variable that lists the allowed regions, separated by commas.
pub const VARIABLE: &str = "POMONA_ALLOWED_REGIONS";

/// The regions that are allowed where nobody says anything else: Ireland, London, Paris.
pub const DEFAULT: [&str; 3] = ["eu-west-1", "eu-west-2", "eu-west-3"];

/// All regions that a list may name: the default ones, Frankfurt, Stockholm.
const POSSIBLE: [&str; 5] = ["eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1"];

/// Refuses to work in `region` unless `list`, the content of [`VARIABLE`], allows it. Without a list, [`DEFAULT`]
/// holds.
///
/// # Errors
/// [`Error::RegionNotAllowed`], also when the list names a region that can never be allowed.
pub fn check(region: &str, list: Option<&str>) -> Result<(), Error> {
    let listed: Vec<&str> =
        list.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let allowed = if listed.is_empty() { DEFAULT.to_vec() } else { listed };
    if let Some(impossible) = allowed.iter().find(|name| !POSSIBLE.contains(name)) {
        return Err(not_allowed(impossible, &POSSIBLE));
    }
    if !allowed.contains(&region) {
        return Err(not_allowed(region, &allowed));
    }
    Ok(())
}

fn not_allowed(region: &str, allowed: &[&str]) -> Error {
    Error::RegionNotAllowed { region: region.to_owned(), allowed: allowed.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(region: &str, list: Option<&str>) -> bool {
        check(region, list).is_ok()
    }

    #[test]
    fn without_a_list_the_default_regions_are_allowed_and_no_other() {
        for list in [None, Some(""), Some(" , ")] {
            assert!(DEFAULT.iter().all(|region| is_allowed(region, list)));
            for other in ["eu-central-1", "eu-north-1", "us-east-1", "EU-WEST-1", "eu-west", ""] {
                assert!(!is_allowed(other, list), "{other}");
            }
        }
    }

    #[test]
    fn a_list_replaces_the_default() {
        assert!(is_allowed("eu-north-1", Some("eu-west-1, eu-north-1")));
        assert!(!is_allowed("eu-west-2", Some("eu-west-1,eu-north-1")));
    }

    #[test]
    fn a_list_cannot_allow_what_is_never_allowed() {
        for list in ["us-east-1", "eu-west-1,us-east-1", "*", "eu-south-1"] {
            assert!(!is_allowed("us-east-1", Some(list)), "{list}");
            let error = check("eu-west-1", Some(list)).unwrap_err();
            assert!(
                matches!(error, Error::RegionNotAllowed { ref region, .. } if list.contains(region.as_str())),
                "{error}"
            );
        }
    }
}
