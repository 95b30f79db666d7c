//! Records as events of the Open Cybersecurity Schema Framework, version 1.3.0 (<https://schema.ocsf.io/1.3.0>).

use exoclaw_store::audit::{Decision, Record, What};
use serde_json::{Map, Value, json};

const VERSION: &str = "1.3.0";

/// Which class and activity a record is one of.
struct Class {
    class: u32,
    activity: u32,
}

impl Class {
    fn of(record: &Record) -> Self {
        let (class, activity) = match (record.what, record.action.as_str()) {
            // Authentication: Logon, Logoff
            (What::Authentication, "connection") => (3002, 2),
            (What::Authentication, _) => (3002, 1),
            // Account Change: Create, Password Reset, Delete
            (What::Token, "create") => (3001, 1),
            (What::Token, "rotate") => (3001, 4),
            (What::Token, _) => (3001, 6),
            (What::Device, "pair" | "approve") => (3001, 1),
            (What::Device, "remove") => (3001, 6),
            // Account Change: Other
            (What::Login | What::Device, _) => (3001, 99),
            // Entity Management: Create, Update, Delete
            (What::Job, "add") => (3004, 1),
            (What::Job, "remove") | (What::Session, "delete") => (3004, 4),
            (What::Config | What::Session, _) | (What::Job, "update") => (3004, 3),
            // Network Activity: Refuse
            (What::Egress, _) => (4001, 5),
            // Network Activity: Close, Refuse
            (What::Limit, "connection") => (4001, 2),
            (What::Limit, _) => (4001, 5),
            // Application Lifecycle: Stop, Start
            (What::Daemon, "stop") => (6002, 4),
            (What::Daemon | What::Plugin, _) => (6002, 3),
            // Detection Finding: Create
            (What::Guest | What::Trail, _) => (2004, 1),
            // API Activity: Other
            _ => (6003, 99),
        };
        Self { class, activity }
    }
}

pub(super) fn event(record: &Record) -> Value {
    let Class { class, activity } = Class::of(record);
    let (status, severity) = match record.decision {
        Decision::Allowed => (1, 1),
        Decision::Failed if record.what == What::Trail => (2, 4),
        Decision::Refused | Decision::Stopped | Decision::Failed => (2, 3),
        _ => (0, 1),
    };
    let mut event = json!({
        "metadata": {
            "version": VERSION,
            "uid": record.seq.to_string(),
            "product": { "name": "exoclaw", "vendor_name": "exoclaw", "version": env!("CARGO_PKG_VERSION") },
        },
        "time": record.ms,
        "category_uid": class / 1000,
        "class_uid": class,
        "activity_id": activity,
        "type_uid": class * 100 + activity,
        "status_id": status,
        "severity_id": severity,
        "message": format!("{} {} {}", record.what, record.action, record.decision),
        "count": record.more.unwrap_or(1),
        "unmapped": record,
    });
    let Some(fields) = event.as_object_mut() else { return event };
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if let Some(reason) = &record.reason {
        set("status_detail", json!(reason));
    }
    if let Some(from) = &record.from {
        let name = if from.parse::<std::net::IpAddr>().is_ok() { "ip" } else { "name" };
        set("src_endpoint", json!({ name: from }));
    }
    let user = record.who.as_ref().map(|who| json!({ "name": who }));
    match class {
        3001 => {
            set("user", json!({ "name": record.object.as_deref().unwrap_or("browser") }));
            set("actor", json!({ "user": user }));
        }
        3002 => {
            set("user", user.unwrap_or_else(|| json!({ "name": "unknown" })));
            set("auth_protocol", json!(record.action));
        }
        3004 => {
            set("entity", json!({ "name": record.object, "type": "config" }));
        }
        6002 => {
            let hashes: Vec<Value> =
                record.sha256.iter().map(|hash| json!({ "algorithm_id": 3, "value": hash })).collect();
            set("app", json!({ "name": record.object.as_deref().unwrap_or("exoclawd"), "vendor_name": "exoclaw" }));
            set("fingerprints", Value::Array(hashes));
        }
        6003 => {
            set("api", json!({ "operation": record.object.as_deref().unwrap_or(&record.action) }));
            set("actor", json!({ "user": user }));
        }
        2004 => {
            let title = format!("{} {}", record.what, record.decision);
            set("finding_info", json!({ "uid": record.seq.to_string(), "title": title, "desc": record.reason }));
        }
        _ => {
            set("dst_endpoint", record.object.as_ref().map_or(Value::Object(Map::new()), |to| json!({ "name": to })));
            set("actor", json!({ "user": user }));
        }
    }
    event
}
