//! Which fields are acceptable. All problems are found at once, so that nobody has to send a form
//! three times to learn of three mistakes.
//!
//! Nothing is trimmed or folded: what is stored is what was given, or it is refused.

use conduit::{Credentials, Problems, Registration};

/// The longest username, in characters.
pub const MAX_USERNAME: usize = 64;
/// The longest e-mail address, in characters (the longest that mail servers have to accept).
pub const MAX_EMAIL: usize = 254;
/// The shortest password, in characters.
pub const MIN_PASSWORD: usize = 8;
/// The longest password, in characters: enough for any pass phrase.
pub const MAX_PASSWORD: usize = 256;

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
        problems.add(field, "can't contain control characters");
    }
}

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
    fn signing_in_only_asks_for_something_in_both_fields() {
        let given = Credentials { email: "?".into(), password: Password::new("x") };
        assert!(credentials(&given).is_empty());
        assert_eq!(
            credentials(&Credentials::default()).to_string(),
            "email can't be blank, password can't be blank"
        );
    }
}
