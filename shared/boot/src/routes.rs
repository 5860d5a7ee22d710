//! Which route a request takes, for traces and metrics: `/article/{slug}`, and not one name for each
//! article. The router knows it too late (an API is a service of its own inside), and would make a note
//! of it in every request.

use matchit::Router;

/// Routes by the path that they are under.
pub type Routes = &'static [(&'static str, &'static [&'static str])];

/// What is no route: a name for all the paths that somebody may think up.
const NONE: &str = "none";

/// Finds a path's route.
pub(crate) struct Finder(Router<&'static str>);

impl Finder {
    /// # Errors
    /// When two routes contradict each other, which is a mistake of ours.
    pub(crate) fn new(routes: Routes) -> anyhow::Result<Self> {
        let mut router = Router::new();
        for (prefix, routes) in routes {
            for route in *routes {
                // Labels live as long as the process does.
                let whole: &'static str = format!("{prefix}{route}").leak();
                router.insert(whole, whole)?;
            }
        }
        Ok(Self(router))
    }

    /// The route of a path, as it was given.
    pub(crate) fn find(&self, path: &str) -> &'static str {
        self.0.at(path).map_or(NONE, |found| *found.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_found_and_what_is_none_has_one_name() {
        let finder = Finder::new(&[
            ("", &["/", "/article/{slug}"]),
            ("/api", &["/articles/feed", "/articles/{slug}"]),
        ])
        .unwrap();
        for (path, route) in [
            ("/", "/"),
            ("/article/on-queues", "/article/{slug}"),
            ("/api/articles/feed", "/api/articles/feed"),
            ("/api/articles/on-queues", "/api/articles/{slug}"),
            ("/api/article", NONE),
            ("/wp-login.php", NONE),
        ] {
            assert_eq!(finder.find(path), route, "{path}");
        }
        assert!(Finder::new(&[("", &["/{a}", "/{b}"])]).is_err());
    }
}
