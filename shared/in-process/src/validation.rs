//! Which fields are acceptable. All problems are found at once, so that nobody has to send a form
//! three times to learn of three mistakes.
//!
//! Nothing is trimmed or folded: what is stored is what was given, or it is refused.

pub use conduit::limits::{
    MAX_ARTICLE, MAX_BIO, MAX_COMMENT, MAX_DESCRIPTION, MAX_EMAIL, MAX_IMAGE, MAX_PASSWORD,
    MAX_TAG, MAX_TAGS, MAX_TITLE, MAX_USERNAME, MIN_PASSWORD,
};
use conduit::{
    ArticleUpdate, Credentials, NewArticle, NewComment, Problems, Registration, UserUpdate,
};

/// What is wrong with a registration.
pub fn registration(new: &Registration) -> Problems {
    let mut problems = Problems::new();
    check_username(&mut problems, &new.username);
    check_email(&mut problems, &new.email);
    check_password(&mut problems, new.password.expose());
    problems
}

/// What is wrong with an attempt to sign in. Only blank fields are: of anything else it is enough to
/// say that it fits no account.
pub fn credentials(given: &Credentials) -> Problems {
    let mut problems = Problems::new();
    check_not_blank(&mut problems, "email", &given.email);
    check_not_blank(&mut problems, "password", given.password.expose());
    problems
}

/// What is wrong with the changes that an account's owner wants.
pub fn user_update(changes: &UserUpdate) -> Problems {
    let mut problems = Problems::new();
    if let Some(username) = &changes.username {
        check_username(&mut problems, username);
    }
    if let Some(email) = &changes.email {
        check_email(&mut problems, email);
    }
    if let Some(password) = &changes.password {
        check_password(&mut problems, password.expose());
    }
    if let Some(Some(bio)) = &changes.bio {
        check_no_longer(&mut problems, "bio", bio, MAX_BIO);
        check_only_line_breaks(&mut problems, "bio", bio);
    }
    if let Some(Some(image)) = &changes.image {
        check_no_longer(&mut problems, "image", image, MAX_IMAGE);
        check_no_control_characters(&mut problems, "image", image);
    }
    problems
}

/// What is wrong with an article that somebody wants to publish.
pub fn new_article(new: &NewArticle) -> Problems {
    let mut problems = Problems::new();
    check_title(&mut problems, &new.title);
    check_description(&mut problems, &new.description);
    check_article(&mut problems, &new.body);
    check_tags(&mut problems, &new.tag_list);
    problems
}

/// What is wrong with the changes that an author wants.
pub fn article_update(changes: &ArticleUpdate) -> Problems {
    let mut problems = Problems::new();
    if let Some(title) = &changes.title {
        check_title(&mut problems, title);
    }
    if let Some(description) = &changes.description {
        check_description(&mut problems, description);
    }
    if let Some(body) = &changes.body {
        check_article(&mut problems, body);
    }
    if let Some(tags) = &changes.tag_list {
        check_tags(&mut problems, tags);
    }
    problems
}

/// What is wrong with a comment.
pub fn new_comment(new: &NewComment) -> Problems {
    let mut problems = Problems::new();
    check_text(&mut problems, "body", &new.body, MAX_COMMENT);
    problems
}

/// Tags as they are kept: without spaces around them, each once, in alphabetical order.
pub fn tags(given: Vec<String>) -> Vec<String> {
    let mut tags: Vec<_> = given.into_iter().map(|tag| tag.trim().to_owned()).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// A text that may be left out: a blank one counts as none.
pub fn optional(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// Whether anything can have this name. PostgreSQL can't hold a NUL in a text, so nothing is stored
/// under such a name on any database, and nobody needs to be asked for it.
pub fn can_exist(name: &str) -> bool {
    !name.contains('\0')
}

/// Whether anything that has a path of its own can have this name. Clients that follow the URL
/// standard resolve `.` and `..` as steps in the hierarchy, however they are escaped, so a frontend
/// can't even ask for them, and nobody needs to be asked here either.
pub fn can_be_addressed(name: &str) -> bool {
    can_exist(name) && !matches!(name, "" | "." | "..")
}

fn check_username(problems: &mut Problems, username: &str) {
    const FIELD: &str = "username";
    if !check_not_blank(problems, FIELD, username) {
        return;
    }
    check_no_longer(problems, FIELD, username, MAX_USERNAME);
    check_no_control_characters(problems, FIELD, username);
    if username.trim() != username {
        problems.add(FIELD, "can't begin or end with a space");
    }
    // In an address, these two mean "this folder" and "the folder above": browsers resolve them
    // before they ask, so nobody could visit the profile.
    if matches!(username, "." | "..") {
        problems.add(FIELD, "is invalid");
    }
}

fn check_email(problems: &mut Problems, email: &str) {
    const FIELD: &str = "email";
    if !check_not_blank(problems, FIELD, email) {
        return;
    }
    check_no_longer(problems, FIELD, email, MAX_EMAIL);
    // What an address may look like is a long story; whether it works, only a letter can tell. So
    // this catches slips of the hand: something, one `@`, something that can be a host.
    let plausible = email.split_once('@').is_some_and(|(name, host)| {
        let clean = |part: &str| !part.contains(|c: char| c.is_whitespace() || c.is_control());
        let dots = host.starts_with('.') || host.ends_with('.') || host.contains("..");
        !name.is_empty() && !host.is_empty() && !host.contains('@') && !dots && clean(email)
    });
    if !plausible {
        problems.add(FIELD, "is invalid");
    }
}

fn check_password(problems: &mut Problems, password: &str) {
    const FIELD: &str = "password";
    if !check_not_blank(problems, FIELD, password) {
        return;
    }
    if password.chars().count() < MIN_PASSWORD {
        problems.add(FIELD, &format!("is too short (minimum is {MIN_PASSWORD} characters)"));
    }
    check_no_longer(problems, FIELD, password, MAX_PASSWORD);
}

fn check_title(problems: &mut Problems, title: &str) {
    check_line(problems, "title", title, MAX_TITLE);
}

fn check_description(problems: &mut Problems, description: &str) {
    check_line(problems, "description", description, MAX_DESCRIPTION);
}

fn check_article(problems: &mut Problems, body: &str) {
    check_text(problems, "body", body, MAX_ARTICLE);
}

fn check_tags(problems: &mut Problems, tags: &[String]) {
    const FIELD: &str = "tagList";
    if tags.len() > MAX_TAGS {
        problems.add(FIELD, &format!("is too long (maximum is {MAX_TAGS} tags)"));
        return;
    }
    // One bad tag is enough to know; the same words once for each of them would say no more.
    if let Some(bad) = tags.iter().map(|name| tag(name)).find(|problems| !problems.is_empty()) {
        for (_, message) in bad.iter() {
            problems.add(FIELD, &format!("has a tag that {message}"));
        }
    }
}

fn tag(tag: &str) -> Problems {
    let mut problems = Problems::new();
    check_line(&mut problems, "tag", tag, MAX_TAG);
    problems
}

/// Checks a text that stands on one line.
fn check_line(problems: &mut Problems, field: &str, text: &str, most: usize) {
    if check_not_blank(problems, field, text) {
        check_no_longer(problems, field, text, most);
        check_no_control_characters(problems, field, text);
    }
}

/// Checks a text of any number of lines.
fn check_text(problems: &mut Problems, field: &str, text: &str, most: usize) {
    if check_not_blank(problems, field, text) {
        check_no_longer(problems, field, text, most);
        check_only_line_breaks(problems, field, text);
    }
}

/// Returns whether there is anything to check further.
fn check_not_blank(problems: &mut Problems, field: &str, text: &str) -> bool {
    let blank = text.trim().is_empty();
    if blank {
        problems.add(field, "can't be blank");
    }
    !blank
}

fn check_no_longer(problems: &mut Problems, field: &str, text: &str, most: usize) {
    if text.chars().count() > most {
        problems.add(field, &format!("is too long (maximum is {most} characters)"));
    }
}

fn check_no_control_characters(problems: &mut Problems, field: &str, text: &str) {
    if text.contains(char::is_control) {
        problems.add(field, CONTROL_CHARACTERS);
    }
}

fn check_only_line_breaks(problems: &mut Problems, field: &str, text: &str) {
    if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        problems.add(field, CONTROL_CHARACTERS);
    }
}

const CONTROL_CHARACTERS: &str = "can't contain control characters";

#[cfg(test)]
mod tests {
    use conduit::Password;

    use super::*;

    fn problems(username: &str, email: &str, password: &str) -> String {
        registration(&Registration {
            username: username.into(),
            email: email.into(),
            password: Password::new(password),
        })
        .to_string()
    }

    #[test]
    fn a_sound_registration_has_no_problems() {
        assert_eq!(problems("Ada Lovelace", "ada@example.com", "correct horse"), "");
        assert_eq!(problems("Žofie-☂", "ž@bücher.example", &"x".repeat(64)), "");
    }

    #[test]
    fn all_problems_are_found_at_once() {
        assert_eq!(
            problems(" ", "", "short"),
            "email can't be blank, password is too short (minimum is 8 characters), \
             username can't be blank"
        );
    }

    #[test]
    fn a_blank_field_is_reported_even_beside_a_short_password() {
        assert!(problems("", "a@b.c", "negpass").contains("username can't be blank"));
        assert!(problems("ada", "", "negpass").contains("email can't be blank"));
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(problems(&"ü".repeat(MAX_USERNAME), "a@b.c", "12345678"), "");
        let longer = "ü".repeat(MAX_USERNAME + 1);
        assert!(problems(&longer, "a@b.c", "12345678").contains("maximum is 64"));
        assert!(problems("ada", &format!("{}@b.c", "a".repeat(251)), "12345678").contains("254"));
        assert!(problems("ada", "a@b.c", &"p".repeat(257)).contains("maximum is 256"));
        assert_eq!(problems("ada", "a@b.c", "äöüäöüäö"), "");
    }

    #[test]
    fn what_does_not_look_like_an_address_is_refused() {
        for email in ["ada", "@b.c", "ada@", "a da@b.c", "a@b@c", "ada@b.c ", "a@.c", "a@b..c"] {
            assert_eq!(problems("ada", email, "12345678"), "email is invalid", "{email:?}");
        }
    }

    #[test]
    fn names_that_would_deceive_or_cannot_be_visited_are_refused() {
        for username in ["ada\u{0}", "a\nda", " ada", "ada ", ".", ".."] {
            assert!(problems(username, "a@b.c", "12345678").contains("username"), "{username:?}");
        }
    }

    #[test]
    fn an_article_needs_its_three_texts_and_sound_tags() {
        let sound = NewArticle {
            title: "Größe \u{202e}مرحبا 🦄".into(),
            description: "d".into(),
            body: "line\r\n\tline".into(),
            tag_list: vec!["rust".into(), " art ".into()],
        };
        assert_eq!(new_article(&sound).to_string(), "");
        assert_eq!(
            new_article(&NewArticle::default()).to_string(),
            "body can't be blank, description can't be blank, title can't be blank"
        );
        let with = |tag_list| new_article(&NewArticle { tag_list, ..sound.clone() }).to_string();
        assert_eq!(with(vec![" ".into()]), "tagList has a tag that can't be blank");
        assert!(with(vec!["x".repeat(MAX_TAG + 1)]).contains("tag that is too long"));
        assert!(with(vec!["a\nb".into()]).contains("tag that can't contain control"));
        assert!(with(vec!["x".into(); MAX_TAGS + 1]).contains("maximum is 50 tags"));
    }

    #[test]
    fn a_text_may_have_lines_and_a_title_may_not() {
        let update = |title: &str, body: &str| {
            let (title, body) = (Some(title.to_owned()), Some(body.to_owned()));
            article_update(&ArticleUpdate { title, body, ..ArticleUpdate::default() }).to_string()
        };
        assert_eq!(update("a", "a\nb"), "");
        assert_eq!(update("a\nb", "a"), "title can't contain control characters");
        assert_eq!(update("a", "a\0b"), "body can't contain control characters");
        assert_eq!(update(" ", "\n"), "body can't be blank, title can't be blank");
        assert!(update("a", &"x".repeat(MAX_ARTICLE + 1)).contains("maximum is 524288"));
    }

    #[test]
    fn what_is_not_changed_is_not_checked() {
        assert_eq!(user_update(&UserUpdate::default()).to_string(), "");
        assert_eq!(article_update(&ArticleUpdate::default()).to_string(), "");
        let cleared = UserUpdate { bio: Some(None), image: Some(None), ..UserUpdate::default() };
        assert_eq!(user_update(&cleared).to_string(), "");
    }

    #[test]
    fn tags_are_kept_in_one_form() {
        let given = ["b", " a", "a ", "B"].map(str::to_owned).to_vec();
        assert_eq!(tags(given), ["B", "a", "b"]);
    }

    #[test]
    fn signing_in_only_asks_for_something_in_both_fields() {
        let given = Credentials { email: "?".into(), password: Password::new("x") };
        assert!(credentials(&given).is_empty());
        assert_eq!(
            credentials(&Credentials::default()).to_string(),
            "email can't be blank, password can't be blank"
        );
    }
}
