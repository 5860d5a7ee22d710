//! What owners change about their accounts.

use conduit::{Conduit, Credentials, Error, Password, Problems, Unauthorized, UserUpdate};

use super::{Bench, expect_answer, fresh, guest};
use crate::dataset::PASSWORD;

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    what_is_given_changes_and_nothing_else(bench).await;
    nothing_and_blank_take_a_text_away(bench).await;
    a_new_name_takes_the_place_of_the_old(bench).await;
    new_credentials_take_the_place_of_the_old(bench).await;
    what_somebody_else_has_is_taken(bench).await;
    all_problems_are_reported_and_nothing_changes(bench).await;
}

async fn what_is_given_changes_and_nothing_else<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, me) = bench.newcomer().await;
    let (other, _) = bench.newcomer().await;
    let mut expected = bench.port.current_user(&me).await.expect("a good token");
    let nothing = bench.port.update_user(&me, UserUpdate::default()).await;
    expect_answer(nothing, Ok(expected.clone()), "changing nothing");

    let bio = "Zeile 1\n<b>Zeile 2</b> 🦄".to_owned();
    let changes = UserUpdate { bio: Some(Some(bio.clone())), ..UserUpdate::default() };
    expected.bio = Some(bio);
    let answer = bench.port.update_user(&me, changes).await;
    expect_answer(answer, Ok(expected.clone()), "a biography alone");

    let image = "https://example.com/me.png?a=1&b=2".to_owned();
    let changes = UserUpdate { image: Some(Some(image.clone())), ..UserUpdate::default() };
    expected.image = Some(image);
    let answer = bench.port.update_user(&me, changes).await;
    expect_answer(answer, Ok(expected.clone()), "a picture alone");

    expect_answer(bench.port.current_user(&me).await, Ok(expected.clone()), "it stays so");
    let seen = bench.port.profile(&guest(), &expected.username).await.expect("there");
    assert_eq!((seen.bio, seen.image), (expected.bio, expected.image), "others see it");
    let unchanged = bench.port.profile(&guest(), &other).await.expect("there");
    assert_eq!((unchanged.bio, unchanged.image), (None, None), "somebody else's account");
}

async fn nothing_and_blank_take_a_text_away<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, me) = bench.newcomer().await;
    for nothing in [None, Some(String::new()), Some(" ".to_owned())] {
        let some = Some(Some("something".to_owned()));
        let changes = UserUpdate { bio: some.clone(), image: some, ..UserUpdate::default() };
        let user = bench.port.update_user(&me, changes).await.expect("sound");
        assert!(user.bio.is_some() && user.image.is_some());
        let changes = UserUpdate {
            bio: Some(nothing.clone()),
            image: Some(nothing.clone()),
            ..UserUpdate::default()
        };
        let user = bench.port.update_user(&me, changes).await.expect("sound");
        assert_eq!((user.bio, user.image), (None, None), "{nothing:?}");
    }
}

async fn a_new_name_takes_the_place_of_the_old<C: Conduit>(bench: &Bench<'_, C>) {
    let (old, me) = bench.newcomer().await;
    let article = bench.published(&me, &[]).await;
    let new = format!("Žofie / {}", fresh("renamed"));
    let changes = UserUpdate { username: Some(new.clone()), ..UserUpdate::default() };
    let user = bench.port.update_user(&me, changes).await.expect("a free name");
    assert_eq!(user.username, new);
    assert_eq!(Some(&user.token), me.token.as_ref(), "the token stays good");
    expect_answer(bench.port.current_user(&me).await, Ok(user), "who am I?");
    let gone = bench.port.profile(&guest(), &old).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "nobody has the old name");
    let profile = bench.port.profile(&guest(), &new).await.expect("the new name is found");
    let seen = bench.port.article(&guest(), &article.slug).await.expect("still there");
    assert_eq!(seen.author, profile, "the article is by the same person");
    assert_eq!(bench.written_by(&new).await, [article.slug.as_str()]);
    assert!(bench.written_by(&old).await.is_empty());
    bench.clear(&me, &[&article.slug]).await;
}

async fn new_credentials_take_the_place_of_the_old<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, me) = bench.newcomer().await;
    let (old, new) = (format!("{name}@example.com"), format!("{name}@new.example"));
    let login = async |email: &str, password: &str| {
        let password = Password::new(password);
        let credentials = Credentials { email: email.to_owned(), password };
        bench.port.login(&guest(), credentials).await.map(|user| user.username)
    };
    let closed = || Err(Error::Unauthorized(Unauthorized::Credentials));

    let changes = UserUpdate { email: Some(new.clone()), ..UserUpdate::default() };
    bench.port.update_user(&me, changes).await.expect("a free address");
    expect_answer(login(&new, PASSWORD).await, Ok(name.clone()), "at the new address");
    expect_answer(login(&old, PASSWORD).await, closed(), "at the old address");

    let password = Some(Password::new("another secret"));
    let changes = UserUpdate { password, ..UserUpdate::default() };
    bench.port.update_user(&me, changes).await.expect("a sound password");
    expect_answer(login(&new, "another secret").await, Ok(name), "with the new password");
    expect_answer(login(&new, PASSWORD).await, closed(), "with the old password");
}

async fn what_somebody_else_has_is_taken<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, me) = bench.newcomer().await;
    let before = bench.port.current_user(&me).await.expect("a good token");
    let other = &bench.known.users[3];
    let (username, email) = (Some(other.username.clone()), Some(other.email.clone()));
    let bio = Some(Some("not to be kept".to_owned()));
    let taken = |fields: &[&str]| {
        let mut problems = Problems::new();
        for field in fields {
            problems.add(field, "has already been taken");
        }
        Err(Error::Conflict(problems))
    };
    for (username, email, fields) in [
        (username.clone(), None, ["username"].as_slice()),
        (None, email.clone(), &["email"]),
        (username, email, &["email", "username"]),
    ] {
        let changes = UserUpdate { username, email, bio: bio.clone(), ..UserUpdate::default() };
        let answer = bench.port.update_user(&me, changes).await;
        expect_answer(answer, taken(fields), &format!("taking {fields:?}"));
    }
    expect_answer(bench.port.current_user(&me).await, Ok(before.clone()), "nothing has changed");
    let own = UserUpdate {
        username: Some(name),
        email: Some(before.email.clone()),
        ..UserUpdate::default()
    };
    expect_answer(bench.port.update_user(&me, own).await, Ok(before), "one's own again");
}

async fn all_problems_are_reported_and_nothing_changes<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, me) = bench.newcomer().await;
    let before = bench.port.current_user(&me).await.expect("a good token");
    let mut problems = Problems::new();
    problems.add("email", "is invalid");
    problems.add("password", "is too short (minimum is 8 characters)");
    problems.add("username", "can't be blank");
    let changes = UserUpdate {
        email: Some("nowhere".to_owned()),
        username: Some(" ".to_owned()),
        password: Some(Password::new("short")),
        bio: Some(Some("not to be kept".to_owned())),
        image: None,
    };
    let answer = bench.port.update_user(&me, changes).await;
    expect_answer(answer, Err(Error::Invalid(problems)), "three problems");
    for bad in ["nul \0", "bell \u{7}"] {
        let changes = UserUpdate { bio: Some(Some(bad.to_owned())), ..UserUpdate::default() };
        let answer = bench.port.update_user(&me, changes).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{bad:?}: {answer:?}");
    }
    expect_answer(bench.port.current_user(&me).await, Ok(before), "nothing has changed");
}
