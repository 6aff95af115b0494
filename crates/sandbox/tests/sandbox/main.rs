//! The sandbox as its callers meet it.

#[cfg(test)]
mod auth;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod bill;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod online;
#[cfg(test)]
mod port;
#[cfg(test)]
mod predict;
#[cfg(test)]
mod predictions;
#[cfg(test)]
mod support;
