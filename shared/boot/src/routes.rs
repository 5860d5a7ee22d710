//! Which route a request takes, for traces and metrics: `/article/{slug}`, and not one name for each
//! article. The router knows it too late (an API is a service of its own inside), and would make a note
//! of it in every request.

use matchit::Router;

use crate::meters::Meters;

/// Routes by the path that they are under.
pub type Routes = &'static [(&'static str, &'static [&'static str])];

/// What is no route: a name for all the paths that somebody may think up.
const NONE: &str = "none";

/// Finds a path's route, and the meters of its requests.
pub(crate) struct Finder {
    routes: Router<&'static Meters>,
    none: &'static Meters,
}

impl Finder {
    /// # Errors
    /// When two routes contradict each other, which is a mistake of ours.
    pub(crate) fn new(routes: Routes) -> anyhow::Result<Self> {
        let mut finder = Self { routes: Router::new(), none: Meters::of(NONE) };
        for (prefix, routes) in routes {
            for route in *routes {
                let whole: &'static str = format!("{prefix}{route}").leak();
                finder.routes.insert(whole, Meters::of(whole))?;
            }
        }
        Ok(finder)
    }

    /// The meters of the route that a path takes.
    pub(crate) fn find(&self, path: &str) -> &'static Meters {
        self.routes.at(path).map_or(self.none, |found| found.value)
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
            assert_eq!(finder.find(path).route(), route, "{path}");
        }
        assert!(Finder::new(&[("", &["/{a}", "/{b}"])]).is_err());
    }
}
