//! Rust text as rustfmt writes it.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

/// How rustfmt writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// With its own settings.
    Own,
    /// As this project's `rustfmt.toml` says.
    Project,
}

/// The width of rustfmt's own settings.
pub const OWN_WIDTH: usize = 100;

/// The text in a style.
pub fn format(text: &str, style: Style) -> Result<String> {
    let settings = match style {
        Style::Own => format!("max_width={OWN_WIDTH},use_small_heuristics=Default"),
        Style::Project => "max_width=120,use_small_heuristics=Max".into(),
    };
    let mut command = Command::new("rustfmt");
    command.args(["--edition", "2024", "--config", &settings]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().context("cannot start rustfmt")?;
    let mut input = child.stdin.take().context("no pipe to rustfmt")?;
    let text = text.to_owned();
    // It may answer before it has read everything.
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("rustfmt: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    writer.join().map_err(|_| anyhow!("nothing was written to rustfmt"))??;
    String::from_utf8(output.stdout).context("rustfmt wrote no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_style_is_that_of_its_file() {
        let file = include_str!("../../rustfmt.toml");
        assert_eq!(file, "max_width = 120\nuse_small_heuristics = \"Max\"\n");
        let long = "fn f() { if some_condition { one_name_of_many(a_first_argument, a_second_argument, a_third_argument, x); } }";
        assert!(format(long, Style::Own).expect("formatted").contains("\n    if some_condition {\n"));
        assert!(format("fn f() {", Style::Own).is_err());
    }
}
