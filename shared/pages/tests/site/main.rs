//! The pages as a browser gets them, on a scripted port (which can be told to fail, and to say
//! hostile things) and on the port in memory (which has a whole dataset).

mod actions;
mod article;
mod assets;
mod auth;
mod browser;
mod colours;
mod editor;
mod faults;
mod home;
mod jobs;
mod layout;
mod profile;
mod script;
mod settings;
