//! Who may use the ops routes.
//!
//! The gateway lets only those through whom IAM allows to call them. That alone would let a shop's
//! backend in whose policy names every route, or a caller of another gateway; so the deployment
//! names its operators, and nobody else is one.

use super::{
    incoming::{Incoming, Signed},
    problem::Problem,
};

/// The operator's ARN.
pub(super) fn operator<'a>(
    request: &'a Incoming,
    principals: &[String],
) -> Result<&'a str, Problem> {
    match &request.signed {
        Signed::Nothing => Err(Problem::no_caller("sign the request")),
        Signed::Iam(arn) if principals.iter().any(|principal| is_of(arn, principal)) => Ok(arn),
        Signed::Iam(_) | Signed::Token(_) => Err(Problem::not_ops()),
    }
}

/// Whether a caller's ARN is that of a principal: itself, or a session of that role.
fn is_of(arn: &str, principal: &str) -> bool {
    Principal::of(arn).is_some_and(|caller| Some(caller) == Principal::of(principal))
}

/// Names of roles and of users are unique in an account, whatever their path.
#[derive(PartialEq, Eq)]
struct Principal<'a> {
    partition: &'a str,
    account: &'a str,
    kind: &'a str,
    name: &'a str,
}

impl<'a> Principal<'a> {
    fn of(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (Some("arn"), Some(partition)) = (parts.next(), parts.next()) else { return None };
        let (service, _region, account) = (parts.next()?, parts.next()?, parts.next()?);
        let (kind, path) = parts.next()?.split_once('/')?;
        let (kind, name) = match (service, kind) {
            ("sts", "assumed-role") => ("role", path.split('/').next()?),
            ("iam", "role" | "user") => (kind, path.rsplit('/').next()?),
            _ => return None,
        };
        let named = !account.is_empty() && !name.is_empty();
        named.then_some(Self { partition, account, kind, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/ops";

    #[test]
    fn a_role_is_known_by_its_sessions() {
        for arn in [
            "arn:aws:sts::123456789012:assumed-role/ops/alice@shop.example",
            "arn:aws:iam::123456789012:role/ops",
            "arn:aws:iam::123456789012:role/team/ops",
        ] {
            assert!(is_of(arn, ROLE), "{arn}");
        }
        let sso =
            "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Ops_1a";
        assert!(is_of("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Ops_1a/alice", sso));
        let user = "arn:aws:iam::123456789012:user/people/alice";
        assert!(is_of("arn:aws:iam::123456789012:user/people/alice", user));
    }

    #[test]
    fn nobody_else_is_it() {
        for arn in [
            "arn:aws:sts::123456789012:assumed-role/shop/ops",
            "arn:aws:sts::123456789012:assumed-role/ops2/x",
            "arn:aws:sts::210987654321:assumed-role/ops/x",
            "arn:aws-cn:sts::123456789012:assumed-role/ops/x",
            "arn:aws:sts::123456789012:federated-user/ops",
            "arn:aws:iam::123456789012:user/ops",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:role/",
            "ops",
            "",
        ] {
            assert!(!is_of(arn, ROLE), "{arn}");
        }
        assert!(!is_of("", "") && !is_of("nonsense", "nonsense"));
    }
}
