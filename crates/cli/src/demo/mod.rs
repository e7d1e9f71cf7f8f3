//! `connectors demo`: the main job, on one machine, with nothing but git and curl.

mod clients;
mod git_server;
mod stage;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::admin;
use crate::args::DemoArgs;
use crate::demo::clients::Clients;
use crate::demo::git_server::GitServer;
use crate::demo::stage::{Stage, USERNAME};

/// Runs the demo and cleans up.
pub(crate) fn run(arguments: &DemoArgs) -> anyhow::Result<ExitCode> {
    let say = Say::new();
    say.title("Connectors: a private Git repository, used without its password");
    clients::require_programs()?;

    say.step("Setting up, all on loopback");
    let folder = tempfile::Builder::new().prefix("connectors-demo-").tempdir().context("cannot make a temporary folder")?;
    let stage = Stage::new(folder.path())?;
    let tool = GitServer::start(&stage.repositories(), USERNAME, stage.password())?;
    say.fact(&format!("the tool: a Git server on http://{}, which asks for a user name and password", tool.address()));
    stage.write_manifests(tool.address())?;
    let server = stage.start()?;
    say.fact(&format!("the proxy: on http://{}; it alone can read the password, in {}", server.address(), stage.secret_file().display()));
    let clients = Clients::new(&stage, &server, tool.address())?;
    say.fact("a token for service account demo/builder, good for 30 minutes");

    say.step("What a client with the token can do");
    clients.clone_directly().map(|text| say.done(&text))?;
    clients.clone_through_proxy().map(|text| say.done(&text))?;
    clients.commit_and_push().map(|text| say.done(&text))?;
    clients.curl_by_forward_proxy().map(|text| say.done(&text))?;

    say.step("What a client without it cannot");
    clients.without_token().map(|text| say.done(&text))?;
    clients.with_wrong_token().map(|text| say.done(&text))?;
    clients.without_permission().map(|text| say.done(&text))?;

    say.step("What each side saw");
    say.done(&clients.what_the_tool_saw(&tool.seen())?);
    say.done(&clients.what_the_clients_never_saw()?);

    if arguments.keep {
        // Other commands find it, as they find a `standalone`.
        let lock = stage.folder().open_state()?.lock()?;
        let admin = admin::start(SocketAddr::new(server.address().ip(), 0), server.pages())?;
        lock.announce(server.address(), admin)?;
        say.step("Try it yourself (Ctrl-C ends it and cleans up)");
        say.commands(&clients.commands_to_try()?);
        server.wait_for_signal()?;
    }
    server.stop();
    folder.close().context("cannot remove the temporary folder")?;
    say.title("Done. Everything that was started has ended, and the temporary folder is gone.");
    Ok(ExitCode::SUCCESS)
}

/// Prints progress, in colour only on a terminal.
struct Say {
    colour: bool,
}

#[expect(clippy::print_stdout, reason = "what the demo is for")]
impl Say {
    fn new() -> Self {
        use std::io::IsTerminal as _;
        Self { colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    fn title(&self, text: &str) {
        println!("{}", self.paint("1", text));
    }

    fn step(&self, text: &str) {
        println!("\n{}", self.paint("1;36", text));
    }

    fn fact(&self, text: &str) {
        println!("  · {text}");
    }

    fn done(&self, text: &str) {
        println!("  {} {text}", self.paint("32", "✓"));
    }

    fn commands(&self, text: &str) {
        println!("{text}");
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
