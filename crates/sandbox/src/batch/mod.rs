//! Batch jobs of the Developer API: JSONL file in, JSONL file out. Nothing runs in the background: a
//! job's state follows from its times whenever somebody asks.

mod calls;
mod create;
mod files;
mod job;
mod jobs;
mod results;
mod rows;
mod upload;

pub(crate) use self::{
    calls::{cancel, delete, get, list},
    create::create,
    files::Files,
    jobs::Jobs,
    results::download,
    upload::upload,
};
