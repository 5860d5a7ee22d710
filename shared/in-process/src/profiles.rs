//! Accounts as others see them.

use conduit::{Caller, Error, Profile, Resource, Result};
use serde::Deserialize;
use sqlx::{FromRow, QueryBuilder};

use crate::{
    InProcess,
    db::{Tx, in_tx, on_read},
    db_error,
    listing::flag,
    validation,
};

/// The columns that [`push_profile!`] adds to a query.
#[derive(FromRow, Deserialize)]
pub(crate) struct ProfileRow {
    username: String,
    bio: Option<String>,
    image: Option<String>,
    #[serde(deserialize_with = "flag")]
    following: bool,
}

/// The same by the order of the columns: name, bio, picture, whether it is followed.
pub(crate) type ProfileColumns = (String, Option<String>, Option<String>, bool);

impl From<ProfileColumns> for ProfileRow {
    fn from((username, bio, image, following): ProfileColumns) -> Self {
        Self { username, bio, image, following }
    }
}

impl From<ProfileRow> for Profile {
    fn from(row: ProfileRow) -> Self {
        let ProfileRow { username, bio, image, following } = row;
        Self { username, bio, image, following }
    }
}

/// Adds the columns of a profile to a query in which `u` is the account.
macro_rules! push_profile {
    ($query:expr, $viewer:expr) => {
        $query.push("u.username, u.bio, u.image, ");
        match Option::<i64>::from($viewer) {
            // Nobody follows for a visitor without an account.
            None => $query.push("false"),
            Some(viewer) => $query
                .push("exists (select 1 from follow where followed_id = u.id and follower_id = ")
                .push_bind(viewer)
                .push(")"),
        };
        $query.push(" as following");
    };
}

/// Adds the whole query for the [`ProfileRow`] with a username.
macro_rules! push_profile_of {
    ($query:expr, $viewer:expr, $username:expr) => {
        $query.push("select ");
        push_profile!($query, $viewer);
        $query.push(" from account u where u.username = ").push_bind($username);
    };
}

pub(crate) use push_profile;

pub(crate) async fn get(app: &InProcess, caller: &Caller, username: &str) -> Result<Profile> {
    let viewer = app.tokens.viewer(caller)?;
    let not_found = || Error::NotFound(Resource::Profile);
    if !validation::can_be_addressed(username) {
        return Err(not_found());
    }
    let found: Option<ProfileRow> = on_read!(&app.db, db => {
        let mut query = QueryBuilder::new("");
        push_profile_of!(query, viewer, username);
        query.build_query_as().fetch_optional(db).await
    })
    .map_err(db_error::reading)?;
    found.map(Profile::from).ok_or_else(not_found)
}

/// Makes the caller follow an account, or stop, and answers with that account.
pub(crate) async fn set_following(
    app: &InProcess,
    caller: &Caller,
    username: &str,
    wanted: bool,
) -> Result<(Tx, Profile)> {
    const FOLLOW: &str = "
        insert into follow (follower_id, followed_id)
        select $1, id from account where username = $2
        on conflict do nothing";
    const UNFOLLOW: &str = "
        delete from follow where follower_id = $1
        and followed_id = (select id from account where username = $2)";
    let (follower, _) = app.tokens.account(caller)?;
    let not_found = || Error::NotFound(Resource::Profile);
    if !validation::can_be_addressed(username) {
        return Err(not_found());
    }
    let mut tx = app.db.begin().await.map_err(db_error::in_transaction)?;
    let statement = if wanted { FOLLOW } else { UNFOLLOW };
    in_tx!(&mut tx, db => sqlx::query(statement)
        .bind(follower).bind(username).execute(db).await.map(drop))
    .map_err(db_error::by_account)?;
    let found: Option<ProfileRow> = in_tx!(&mut tx, db => {
        let mut query = QueryBuilder::new("");
        push_profile_of!(query, follower, username);
        query.build_query_as().fetch_optional(db).await
    })
    .map_err(db_error::in_transaction)?;
    Ok((tx, found.ok_or_else(not_found)?.into()))
}
