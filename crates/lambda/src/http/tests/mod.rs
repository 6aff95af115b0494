//! The API through its real events; every answer is held against the document.

mod create;
mod document;
mod edge;
mod gateway;
mod health;
mod ops;
mod rating;
mod reads;
mod refusals;
mod upload;
