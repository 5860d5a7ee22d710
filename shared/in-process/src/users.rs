//! Accounts as their owners see them: registration, signing in, and who am I.

use conduit::{
    Caller, Credentials, Error, Outcome, Problems, Registration, Result, Token, Unauthorized, User,
};
use sqlx::FromRow;

use crate::{
    InProcess,
    budget::within,
    db::{on_read, on_write},
    db_error, passwords, validation,
};

/// An account's own columns.
#[derive(FromRow)]
struct AccountRow {
    email: String,
    username: String,
    bio: Option<String>,
    image: Option<String>,
}

impl AccountRow {
    fn with(self, token: Token) -> User {
        let Self { email, username, bio, image } = self;
        User { email, token, username, bio, image }
    }
}

/// What signing in needs to know besides.
#[derive(FromRow)]
struct LoginRow {
    id: i64,
    password_hash: String,
    #[sqlx(flatten)]
    account: AccountRow,
}

pub(crate) async fn register(app: &InProcess, caller: &Caller, new: Registration) -> Result<User> {
    validation::registration(&new).into_result()?;
    let Registration { username, email, password } = new;
    let hash = within(caller, Outcome::NotDone, passwords::hash(password)).await?;
    // From here on a lost answer may hide a new account.
    let insert = insert(app, &username, &email, &hash);
    match within(caller, Outcome::Unknown, insert).await? {
        Some(id) => {
            let account = AccountRow { email, username, bio: None, image: None };
            Ok(account.with(app.tokens.issue(id)?))
        }
        None => {
            Err(within(caller, Outcome::NotDone, which_is_taken(app, &username, &email)).await?)
        }
    }
}

/// The new account's number; `None` when the database's unique constraints know the username or the
/// e-mail already. No look beforehand could promise that: somebody else may register in between.
async fn insert(app: &InProcess, username: &str, email: &str, hash: &str) -> Result<Option<i64>> {
    const INSERT: &str = "
        insert into account (username, email, password_hash, created_at, updated_at)
        values ($1, $2, $3, $4, $4)
        on conflict do nothing
        returning id";
    let now = app.clock.now();
    on_write!(&app.db, db => sqlx::query_scalar(INSERT)
        .bind(username).bind(email).bind(hash).bind(now).fetch_optional(db).await)
    .map_err(db_error::writing)
}

/// The error for a registration that met a constraint: it names both fields where both are taken.
async fn which_is_taken(app: &InProcess, username: &str, email: &str) -> Result<Error> {
    const TAKEN: &str = "
        select exists (select 1 from account where username = $1),
               exists (select 1 from account where email = $2)";
    let (username, email): (bool, bool) = on_read!(&app.db, db => sqlx::query_as(TAKEN)
        .bind(username).bind(email).fetch_one(db).await)
    .map_err(db_error::reading)?;

    let mut problems = Problems::new();
    for (field, taken) in [("username", username), ("email", email)] {
        if taken {
            problems.add(field, "has already been taken");
        }
    }
    Ok(Error::Conflict(problems))
}

pub(crate) async fn login(app: &InProcess, given: Credentials) -> Result<User> {
    const BY_EMAIL: &str = "
        select id, password_hash, email, username, bio, image from account where email = $1";
    validation::credentials(&given).into_result()?;
    let found: Option<LoginRow> = if validation::can_exist(&given.email) {
        on_read!(&app.db, db => sqlx::query_as(BY_EMAIL)
            .bind(&given.email).fetch_optional(db).await)
        .map_err(db_error::reading)?
    } else {
        None
    };
    // An unknown address is no shortcut: a quick answer would tell which addresses have accounts.
    let hash = found.as_ref().map(|row| row.password_hash.clone());
    let fits = passwords::verify(given.password, hash).await?;
    match found {
        Some(row) if fits => Ok(row.account.with(app.tokens.issue(row.id)?)),
        _ => Err(Error::Unauthorized(Unauthorized::Credentials)),
    }
}

pub(crate) async fn current(app: &InProcess, caller: &Caller) -> Result<User> {
    const BY_ID: &str = "select email, username, bio, image from account where id = $1";
    let (id, token) = app.tokens.account(caller)?;
    let found: Option<AccountRow> =
        on_read!(&app.db, db => sqlx::query_as(BY_ID).bind(id).fetch_optional(db).await)
            .map_err(db_error::reading)?;
    // A good signature on the number of an account that is gone: the token is of no use any more.
    let account = found.ok_or(Error::Unauthorized(Unauthorized::Invalid))?;
    Ok(account.with(token.clone()))
}
