//! `deepnode model operators`

use dn_import::Operator;
use dn_service::Report;

/// Lists the operators that can be imported: group and form by name.
pub(crate) fn operators() -> Report {
    let mut report = Report::default();
    let name = |o: &Operator| match o.domain {
        "" => o.name.to_owned(),
        domain => format!("{domain}::{}", o.name),
    };
    for operator in dn_import::operators() {
        let form =
            if operator.form.is_empty() { String::new() } else { format!(": {}", operator.form) };
        report.set(name(operator).as_str(), format!("{}{form}", operator.group.name()));
    }
    report
}
