//! The settings of jobs, as flags and environment variables.

use std::{fs, path::PathBuf};

use clap::ValueEnum;
use conduit::Token;

use crate::StartError;

const SCHEDULE: &str = "0 6 * * *";
const TIME_ZONE: &str = "UTC";
const MAIL_FROM: &str = "Conduit <conduit@localhost>";
const SITE_URL: &str = "http://localhost:3000";

/// A token that is shorter could be guessed.
const SHORTEST_TOKEN: usize = 16;

/// Where the jobs run that this server brings about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Placement {
    /// In the request that causes them, before it is answered.
    Inline,
    /// In this process, beside the requests.
    Inside,
    /// Not here: in a process of their own (`work`).
    #[default]
    Off,
}

/// Where jobs run, as a flag of `serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PlacementArgs {
    /// Where jobs run: in the request that causes them, in this process, or not here but in a
    /// process that was started with `work` [default: inside for monolith, off for split-backend]
    #[arg(long, env = "JOBS", value_name = "WHERE")]
    pub jobs: Option<Placement>,
}

/// With which priority the computations of jobs run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum JobPriority {
    /// That of requests.
    #[default]
    Normal,
    /// On threads of their own, which get the time that nobody else wants.
    Low,
}

/// How jobs run, wherever that is.
#[derive(Clone, Debug, clap::Args)]
pub struct JobArgs {
    /// Priority of what jobs compute; `low` gives it threads of its own
    #[arg(long, env = "JOB_PRIORITY", value_name = "PRIORITY", default_value = "normal")]
    pub job_priority: JobPriority,

    /// When the daily digest is due: minute, hour, day of month, month, day of week
    #[arg(long, env = "DIGEST_SCHEDULE", value_name = "CRON", default_value = SCHEDULE)]
    pub digest_schedule: String,

    /// Time zone of that schedule
    #[arg(long, env = "DIGEST_TIME_ZONE", value_name = "ZONE", default_value = TIME_ZONE)]
    pub digest_time_zone: String,

    /// What becomes of a digest that fell into a time without workers: sent as soon as there is one
    /// (the latest only), or left out
    #[arg(long, env = "DIGEST_MISSED", value_name = "POLICY", default_value = "catch-up")]
    pub digest_missed: Missed,

    /// Mail server: smtp://HOST or smtp://HOST:PORT, without encryption and password, as for a relay
    /// in the same network [default: one file for each mail, in the data directory]
    #[arg(long, env = "SMTP_URL", value_name = "URL")]
    pub smtp_url: Option<String>,

    /// Sender of mails
    #[arg(long, env = "MAIL_FROM", value_name = "ADDRESS", default_value = MAIL_FROM)]
    pub mail_from: String,

    /// Address of the site, for links in mails
    #[arg(long, env = "SITE_URL", value_name = "URL", default_value = SITE_URL)]
    pub site_url: String,

    /// File with the token that opens the operators' page, 16 characters or more [default: the page
    /// stays shut]
    #[arg(long, env = "OPERATOR_TOKEN_FILE", value_name = "FILE")]
    pub operator_token_file: Option<PathBuf>,
}

/// What becomes of ticks that nobody was there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Missed {
    /// The latest of them runs as soon as somebody is there.
    #[default]
    CatchUp,
    /// They are left out.
    Skip,
}

impl Default for JobArgs {
    fn default() -> Self {
        Self {
            job_priority: JobPriority::Normal,
            digest_schedule: SCHEDULE.into(),
            digest_time_zone: TIME_ZONE.into(),
            digest_missed: Missed::CatchUp,
            smtp_url: None,
            mail_from: MAIL_FROM.into(),
            site_url: SITE_URL.into(),
            operator_token_file: None,
        }
    }
}

impl JobArgs {
    /// What opens the operators' view; `None` when nothing does.
    pub(crate) fn operator_token(&self) -> Result<Option<Token>, StartError> {
        let Some(file) = &self.operator_token_file else { return Ok(None) };
        let text = fs::read_to_string(file)
            .map_err(|error| StartError::job_setting("--operator-token-file", error))?;
        if text.trim().len() < SHORTEST_TOKEN {
            let reason = format!("has to hold at least {SHORTEST_TOKEN} characters");
            return Err(StartError::job_setting("--operator-token-file", reason));
        }
        Ok(Some(Token::new(text.trim())))
    }
}
