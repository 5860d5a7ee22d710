//! Accounts as their owners see them: registration, signing in, and who am I.

use conduit::{
    Caller, Credentials, Error, Outcome, Problems, Registration, Result, Token, Unauthorized, User,
    UserUpdate,
};
use sqlx::{FromRow, QueryBuilder};

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
            let taken = which_is_taken(app, 0, Some(&username), Some(&email));
            Err(within(caller, Outcome::NotDone, taken).await?)
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

/// The error for a name or an address that met a constraint: it names both fields where both are
/// taken, by another account than number `own`.
async fn which_is_taken(
    app: &InProcess,
    own: i64,
    username: Option<&str>,
    email: Option<&str>,
) -> Result<Error> {
    const TAKEN: &str = "
        select exists (select 1 from account where username = $1 and id <> $3),
               exists (select 1 from account where email = $2 and id <> $3)";
    let (username, email): (bool, bool) = on_read!(&app.db, db => sqlx::query_as(TAKEN)
        .bind(username).bind(email).bind(own).fetch_one(db).await)
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

pub(crate) async fn update(app: &InProcess, caller: &Caller, changes: UserUpdate) -> Result<User> {
    let (id, token) = app.tokens.account(caller)?;
    validation::user_update(&changes).into_result()?;
    let UserUpdate { email, username, password, bio, image } = changes;
    let password_hash = match password {
        Some(password) => Some(within(caller, Outcome::NotDone, passwords::hash(password)).await?),
        None => None,
    };
    let columns = [
        ("email", email.clone().map(Some)),
        ("username", username.clone().map(Some)),
        ("password_hash", password_hash.map(Some)),
        ("bio", bio.map(validation::optional)),
        ("image", image.map(validation::optional)),
    ];
    // From here on a lost answer may hide a change.
    match within(caller, Outcome::Unknown, change(app, id, columns)).await? {
        Some(account) => Ok(account.with(token.clone())),
        None => {
            let taken = which_is_taken(app, id, username.as_deref(), email.as_deref());
            Err(within(caller, Outcome::NotDone, taken).await?)
        }
    }
}

/// The changed account; `None` when somebody else has the username or the e-mail.
async fn change<const N: usize>(
    app: &InProcess,
    id: i64,
    columns: [(&str, Option<Option<String>>); N],
) -> Result<Option<AccountRow>> {
    let now = app.clock.now();
    let changed: sqlx::Result<Option<AccountRow>> = on_write!(&app.db, db => {
        let mut query = QueryBuilder::new("update account set updated_at = ");
        query.push_bind(now);
        for (column, value) in columns {
            if let Some(value) = value {
                query.push(format_args!(", {column} = ")).push_bind(value);
            }
        }
        query.push(" where id = ").push_bind(id);
        query.push(" returning email, username, bio, image");
        query.build_query_as().fetch_optional(db).await
    });
    match changed {
        Ok(Some(account)) => Ok(Some(account)),
        // A good token of an account that is gone.
        Ok(None) => Err(Error::Unauthorized(Unauthorized::Invalid)),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(None),
        Err(error) => Err(db_error::writing(error)),
    }
}
