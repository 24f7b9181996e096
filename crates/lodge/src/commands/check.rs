//! `lodge check`.

use super::{config_path, configuration};
use crate::cli::{ConfigArg, complain, print};
use crate::compose::{Building, open_store};
use crate::config::Checked;
use lodge_channel::Probe;
use serde_json::json;
use std::process::ExitCode;

/// What to check.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
    /// Also try every connection: mailboxes, mail servers, the store, the core.
    #[arg(long)]
    online: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Checks the configuration.
///
/// # Errors
/// All problems of the configuration, or where standard output is closed.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let path = config_path(arguments.config.config.as_deref())?;
    let checked = match configuration(Some(&path)) {
        Ok(checked) => checked,
        Err(error) if arguments.json => return problems_as_json(&error),
        Err(error) => return Err(error),
    };
    if !arguments.online {
        if arguments.json {
            print(&json!({"problems": [], "probes": []}).to_string())?;
        } else {
            complain(&format!("{}: no problem found; `--online` also tries the connections", path.display()));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let probes = online(&checked).await;
    let failed = probes.iter().filter(|probe| probe.result.is_err()).count();
    for probe in &probes {
        if arguments.json {
            continue;
        }
        match &probe.result {
            Ok(note) => print(&format!("ok    {}: {note}", probe.what))?,
            Err(problem) => {
                print(&format!(
                    "FAIL  {}: {}\n      remedy: {}",
                    probe.what, problem.reason, problem.remedy
                ))?;
            }
        }
    }
    if arguments.json {
        let list: Vec<_> = probes.iter().map(as_json).collect();
        print(&json!({"problems": [], "probes": list}).to_string())?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_json(probe: &Probe) -> serde_json::Value {
    match &probe.result {
        Ok(note) => json!({"what": probe.what, "ok": true, "note": note}),
        Err(problem) => {
            json!({"what": probe.what, "ok": false, "reason": problem.reason, "remedy": problem.remedy})
        }
    }
}

fn problems_as_json(error: &anyhow::Error) -> anyhow::Result<ExitCode> {
    let Some(problems) = error.downcast_ref::<crate::config::Problems>() else {
        anyhow::bail!("{error}");
    };
    let list: Vec<_> = problems
        .0
        .iter()
        .map(
            |p| json!({"file": p.file, "line": p.line, "key": p.key, "reason": p.reason, "remedy": p.remedy}),
        )
        .collect();
    print(&json!({"problems": list, "probes": []}).to_string())?;
    Ok(ExitCode::from(2))
}

/// Tries every connection.
async fn online(checked: &Checked) -> Vec<Probe> {
    let mut probes = Vec::new();
    let failed = |what: &str, reason: String, remedy: &str| Probe {
        what: what.to_owned(),
        result: Err(lodge_channel::Problem::new("", reason, remedy)),
    };
    let store = match open_store(checked, false).await {
        Ok(store) => store,
        Err(error) => {
            let remedy = "start the store, or correct `[store] url` and its password";
            probes.push(failed("store", format!("{error:#}"), remedy));
            return probes;
        }
    };
    let result = store.check().await.map_err(|error| {
        lodge_channel::Problem::new("store.url", error.to_string(), "correct what the store complains of")
    });
    probes.push(Probe { what: "store".to_owned(), result });
    match Building::new(checked.clone(), store).await {
        Ok(building) => probes.extend(building.probe().await),
        Err(error) => probes.push(failed("house", format!("{error:#}"), "correct what is named")),
    }
    probes
}
