//! For whom a request asks.

use tryon_core::{ids::UserId, stages::Caller};

use super::{
    MAX_USER_BYTES, ask,
    incoming::{Incoming, Signed},
    problem::Problem,
};

/// Who asks, as far as the gateway knows: a token's subject, where a token was checked; or a trusted
/// backend, which has signed its request (IAM) and names the user. Nobody else is believed, so that a
/// route deployed without its authorizer is closed, not open.
#[derive(Debug)]
pub(super) enum Asker {
    Owner(UserId),
    Backend,
}

impl Asker {
    pub(super) fn of(request: &Incoming) -> Result<Self, Problem> {
        match &request.signed {
            Signed::Nothing => Err(Problem::no_caller("sign the request, or send a token")),
            Signed::Iam(_) => Ok(Self::Backend),
            Signed::Token(subject) => {
                let subject = subject.as_deref().filter(|subject| is_user(subject));
                let subject =
                    subject.ok_or_else(|| Problem::no_caller("the token names no subject"))?;
                Ok(Self::Owner(UserId::from(subject)))
            }
        }
    }

    /// The user; the one that the request names counts for a backend alone.
    pub(super) fn user(self, named: Option<String>) -> Result<(Caller, UserId), Problem> {
        match self {
            Self::Owner(user) => Ok((Caller::Owner, user)),
            Self::Backend => match named.filter(|user| is_user(user)) {
                Some(user) => Ok((Caller::Backend, UserId::new(user))),
                None => Err(Problem::field(
                    "user_id",
                    format!("name the user in 1 to {MAX_USER_BYTES} bytes, no control characters"),
                )),
            },
        }
    }

    /// The same, named by the query.
    pub(super) fn user_of_query(self, request: &Incoming) -> Result<UserId, Problem> {
        let named = match &self {
            Self::Owner(_) => None,
            // What was no UTF-8 has become a character of its own; it could be anybody.
            Self::Backend => {
                ask::queried(request, "user_id")?.filter(|user| !user.contains('\u{fffd}'))
            }
        };
        Ok(self.user(named.map(str::to_owned))?.1)
    }
}

pub(super) fn is_user(text: &str) -> bool {
    (1..=MAX_USER_BYTES).contains(&text.len()) && text.chars().all(is_storable)
}

/// Databases refuse the first kind, queues the last two characters.
fn is_storable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
}
