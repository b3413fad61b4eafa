//! The `stepgate` program: parses arguments and calls the library.

fn main() -> std::process::ExitCode {
    stepgate::cli::run()
}
