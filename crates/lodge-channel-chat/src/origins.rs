//! Which websites may speak with us: exactly those that are configured (T08). A missing origin is none of them.

use url::Url;

/// An origin as browsers write it; `None` for anything else, `null` included.
pub(crate) fn normal(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let bare =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    bare.then(|| url.origin().ascii_serialization())
}

/// The configured websites, as browsers write them.
#[derive(Clone, Debug)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    /// Those of `configured` that are websites.
    pub(crate) fn new(configured: &[String]) -> Self {
        Self(configured.iter().filter_map(|origin| normal(origin)).collect())
    }

    /// Whether `header` is one of them, to the letter.
    pub(crate) fn allow(&self, header: &str) -> bool {
        self.0.iter().any(|origin| origin == header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t08_only_the_configured_websites_pass() {
        let configured = ["https://good.com", "http://localhost:8080/", "https://Bücher.example"];
        let origins = Origins::new(&configured.map(ToOwned::to_owned));
        for good in ["https://good.com", "http://localhost:8080", "https://xn--bcher-kva.example"] {
            assert!(origins.allow(good), "{good}");
        }
        for bad in [
            "",
            "null",
            "http://good.com",
            "https://good.com.evil",
            "https://goodxcom",
            "https://good.com:8443",
            "https://good.com:443",
            "https://GOOD.com",
            "https://good.com/",
            "https://www.good.com",
            "https://evil.com",
            "http://localhost",
            "http://localhost:80801",
            "https://user@good.com",
            "https://good.com, https://evil.com",
        ] {
            assert!(!origins.allow(bad), "{bad}");
        }
        assert_eq!(normal("https://good.com/path"), None);
        assert_eq!(normal("ftp://good.com"), None);
    }
}
