//! `pomona erase` and `pomona verify-erasure`: images out of everything below an output, and the proof.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::{ArgGroup, Args};
use indicatif::HumanBytes;
use pomona_aws::Executions;
use pomona_formats::Error as FileError;
use pomona_formats::erasure::{Certificate, Examined, FileVersion, Rewritten, Signature};
use pomona_formats::signature::{PublicKey, SigningKey};
use pomona_run::Location;
use pomona_run::counted::counted;
use pomona_run::globs::globs;
use pomona_run::layout;
use pomona_run::visible::visible;
use pomona_stages::erase::{self, Checked, Erased, Eraser, Older, Which, Wish};
use pomona_stages::open;
use pomona_stages::output::Output;

use crate::progress::Progress;
use crate::run::choice;
use crate::runtime::available_threads;
use crate::stack::{self, StackArgs};
use crate::{Ending, Error, console, signals};

/// Erase images from everything below an output: results are made anew without them, whatever holds or was made of them
/// is deleted, later runs leave them out, and a certificate says so. Without --keys, --filter or --label it goes on with
/// an erasure that was interrupted
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["keys", "filter", "label"])))]
pub(crate) struct EraseArgs {
    /// The folder (or s3://bucket/prefix) with the results
    output: Location,
    /// A file with the images' paths below the input, as in the column `path` of the results, one a line
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The images whose paths match this glob, for instance 'anna/*'
    #[arg(long, value_name = "GLOB")]
    filter: Option<String>,
    /// The images of this label
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Why; it stands in the certificate
    #[arg(long, value_name = "TEXT", requires = "which")]
    because: Option<String>,
    /// What becomes of older runs that had one of the images: delete, or rewrite, which makes those anew without them that
    /// have their tables
    #[arg(long, value_name = "HOW", default_value_t, value_parser = choice::<Older, _>(Older::ALL.map(Older::as_str)))]
    older: Older,
    /// A file with an Ed25519 key (PKCS #8, PEM) to sign the certificate with, as `openssl genpkey -algorithm ed25519`
    /// writes it
    #[arg(long, value_name = "FILE")]
    sign_with: Option<PathBuf>,
    /// Only ask for it, and have the stack's state machine do it: for outputs that are too large for one machine. Nobody
    /// signs the certificate, and older runs are deleted
    #[arg(long, conflicts_with_all = ["allow_again", "older", "sign_with", "json"])]
    on_aws: bool,
    #[command(flatten)]
    stack: StackArgs,
    /// Let the images of --keys come back in later runs
    #[arg(long, requires = "keys", conflicts_with_all = ["filter", "label", "because", "sign_with"])]
    allow_again: bool,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Hold every certificate of an erasure against all that is at an output now
#[derive(Debug, Args)]
pub(crate) struct VerifyErasureArgs {
    /// The folder (or s3://bucket/prefix) with the results
    output: Location,
    /// A file with an Ed25519 public key (PEM) by which every certificate must be signed, as `openssl pkey -pubout` writes
    /// it
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Runs `pomona erase`.
pub(crate) async fn run(args: EraseArgs, quiet: bool) -> Result<Ending, Error> {
    let keys = args.keys.as_deref().map(read_keys).transpose()?;
    let signing_key = args.sign_with.as_deref().map(read_signing_key).transpose()?;
    let output = Output::existing(&args.output).await?;
    let holder = format!("process {} (pomona erase)", std::process::id());
    let eraser = Eraser {
        output: output.store(),
        holder: &holder,
        holders: output.holders(&Executions),
        threads: available_threads(),
        older: args.older,
        signing_key: signing_key.as_ref(),
    };
    if args.allow_again {
        return allow_again(&eraser, keys.into_iter().flatten().collect(), args.json).await;
    }
    let which = match (keys, args.filter, args.label) {
        (Some(keys), _, _) => Some(Which::Keys(keys)),
        (_, Some(glob), _) => Some(Which::Matching(globs("--filter", [glob])?)),
        (_, _, Some(label)) => Some(Which::Label(label)),
        (None, None, None) => None,
    };
    let wish = which.map(|which| Wish { which, because: args.because });
    if args.on_aws {
        return start(&eraser, (&args.output, &args.stack), wish.as_ref(), quiet).await;
    }
    let progress = Progress::new(quiet);
    let received = OnceLock::new();
    let erased = eraser.erase(wish.as_ref(), &progress, signals::wait(&received)).await?;
    drop(progress);
    let Some(erased) = erased else {
        console::tell("stopped; the same command goes on from here");
        return Ok(received.into_inner().map_or(Ending::Done, Ending::Stopped));
    };
    if args.json {
        console::print_json(&serde_json::to_string_pretty(&erased.certificates)?)?;
    } else {
        console::show(&screen(&erased))?;
    }
    Ok(Ending::Done)
}

/// What was asked lies at the output, so that the execution's input names no image.
async fn start(
    eraser: &Eraser<'_>,
    (output, stack): (&Location, &StackArgs),
    wish: Option<&Wish>,
    quiet: bool,
) -> Result<Ending, Error> {
    let Location::Bucket(output) = output else {
        return Err(FileError::option(
            "on-aws",
            "the state machine erases from an output in S3: write s3://bucket/prefix",
        )
        .into());
    };
    let stack = stack.find().await?;
    if let Some(wish) = wish {
        let asked = eraser.ask(wish).await?;
        console::tell(&format!(
            "{} are to be erased, and every plan leaves them out from now on",
            images(asked as u64)
        ));
    }
    let execution = stack.start_erasure(output).await?;
    if !quiet {
        let arguments = stack::arguments(&stack, &execution);
        console::tell(&format!("started; follow it with `pomona watch {arguments}`"));
    }
    console::show(&(execution + "\n"))?;
    Ok(Ending::Done)
}

async fn allow_again(eraser: &Eraser<'_>, keys: Vec<String>, is_json: bool) -> Result<Ending, Error> {
    let allowed = eraser.allow_again(&keys).await?;
    if is_json {
        console::print_json(&serde_json::json!({ "allowed": allowed }).to_string())?;
    } else {
        let of = images(keys.len() as u64);
        console::show(&format!("allowed     {allowed} of {of} may come back in later runs\n"))?;
    }
    Ok(Ending::Done)
}

/// Runs `pomona verify-erasure`.
pub(crate) async fn verify(args: VerifyErasureArgs) -> Result<Ending, Error> {
    let key = args.public_key.as_deref().map(read_public_key).transpose()?;
    let output = open::open(&args.output).await?;
    let checks = erase::check(output.as_ref(), key.as_ref()).await?;
    if args.json {
        console::print_json(&serde_json::to_string_pretty(&checks)?)?;
    } else {
        console::show(&checked_screen(&checks.done))?;
    }
    if !checks.pending.is_empty() {
        return Err(Error::NotErasedYet { location: args.output.to_string(), erasures: checks.pending.len() });
    }
    let checked = checks.done;
    let count =
        |files: fn(&Checked) -> &Vec<FileVersion>| checked.iter().flat_map(files).collect::<BTreeSet<_>>().len();
    match (
        count(|checked| &checked.traces.holding) + count(|checked| &checked.traces.remains),
        count(|checked| &checked.traces.unreadable),
    ) {
        (0, 0) => {}
        (holding, unreadable) => {
            return Err(Error::NotErased { location: args.output.to_string(), holding, unreadable });
        }
    }
    match checked
        .iter()
        .filter(|checked| checked.signature.is_some_and(|signature| signature != Signature::Good))
        .count()
    {
        0 => Ok(Ending::Done),
        certificates => Err(Error::NotSigned { location: args.output.to_string(), certificates }),
    }
}

fn read_keys(path: &Path) -> Result<BTreeSet<String>, Error> {
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|source| Error::Keys { path: path.to_owned(), source })?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn read_signing_key(path: &Path) -> Result<SigningKey, Error> {
    SigningKey::from_pem(&read_pem(path)?).ok_or_else(|| {
        let problem = "holds no Ed25519 private key (PKCS #8, PEM), as `openssl genpkey -algorithm ed25519` writes it";
        FileError::option("sign-with", format!("`{}` {problem}", path.display())).into()
    })
}

fn read_public_key(path: &Path) -> Result<PublicKey, Error> {
    PublicKey::from_pem(&read_pem(path)?).ok_or_else(|| {
        let problem = "holds no Ed25519 public key (PEM), as `openssl pkey -in key.pem -pubout` writes it";
        FileError::option("public-key", format!("`{}` {problem}", path.display())).into()
    })
}

fn read_pem(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Keys { path: path.to_owned(), source })
}

fn screen(erased: &Erased) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_screen(&mut out, erased);
    out
}

fn write_screen(out: &mut String, Erased { certificates, obstacle }: &Erased) -> std::fmt::Result {
    let Some(Certificate { run, rewritten, deleted, examined, not_examined, beyond, .. }) = certificates.first() else {
        return Ok(());
    };
    let asked: BTreeSet<&String> = certificates.iter().flat_map(|certificate| &certificate.request.digests).collect();
    writeln!(out, "erased      {}", images(asked.len() as u64))?;
    let unlisted = certificates.iter().map(|certificate| certificate.request.unlisted).sum();
    if let Some(unlisted) = counted(unlisted, "of these keys", "of these keys") {
        writeln!(out, "            {unlisted} no run here lists; later runs leave them out")?;
    }
    match (run, obstacle) {
        (Some(run), _) => writeln!(out, "new run     {}, the result of a fresh run over the rest", run.run_id)?,
        (None, Some(obstacle)) => writeln!(out, "new run     none, and there is no newest run any more: {obstacle}")?,
        (None, None) => writeln!(out, "new run     none: the newest run had none of them, or nothing else")?,
    }
    for Rewritten { was, run } in rewritten {
        writeln!(out, "rewritten   {was} as {}", run.run_id)?;
    }
    let bytes = deleted.iter().map(|file| file.bytes).sum();
    writeln!(out, "deleted     {} ({})", files(deleted.len() as u64), HumanBytes(bytes))?;
    writeln!(out, "examined    {}: none names them", examined_files(examined))?;
    if let Some(foreign) = not_looked_into(*not_examined) {
        writeln!(out, "            {foreign}")?;
    }
    for Certificate { request, .. } in certificates {
        writeln!(out, "certificate {}", layout::erasure_certificate(&request.id))?;
        writeln!(out, "            {}, the same for print", layout::erasure_page(&request.id))?;
    }
    writeln!(out, "\nout of reach")?;
    beyond.iter().try_for_each(|what| writeln!(out, "  {what}"))
}

fn checked_screen(checked: &[Checked]) -> String {
    let mut out = String::new();
    if checked.is_empty() {
        out.push_str("no erasure has a certificate here\n");
    }
    for Checked { certificate, signature, allowed_again, traces } in checked {
        let request = &certificate.request;
        let _ = writeln!(out, "{}  {}, asked {}", request.id, images(request.digests.len() as u64), request.asked);
        if let Some(allowed) = counted(*allowed_again, "image was allowed again", "images were allowed again") {
            let _ = writeln!(out, "  {allowed}, and not looked for");
        }
        if let Some(signature) = signature {
            let _ = writeln!(out, "  {}", said_of(*signature));
        }
        let is_clean = traces.holding.is_empty() && traces.unreadable.is_empty() && traces.remains.is_empty();
        let verdict = if is_clean { ": none names them" } else { "" };
        let _ = writeln!(out, "  examined {}{verdict}", examined_files(&traces.examined));
        if let Some(foreign) = not_looked_into(traces.foreign) {
            let _ = writeln!(out, "           {foreign}");
        }
        for file in &traces.holding {
            let _ = writeln!(out, "  names an erased image: {}", visible(&file.to_string()));
        }
        for file in &traces.unreadable {
            let _ = writeln!(out, "  cannot be read: {}", visible(&file.to_string()));
        }
        for file in &traces.remains {
            let _ = writeln!(out, "  is of a run that has no plan any more: {}", visible(&file.to_string()));
        }
    }
    out
}

fn not_looked_into(files: u64) -> Option<String> {
    let foreign = counted(files, "file that no run writes", "files that no run writes")?;
    Some(format!("{foreign}: not looked into (`pomona verify` names them)"))
}

fn said_of(signature: Signature) -> &'static str {
    match signature {
        Signature::Good => "signed by this key",
        Signature::Missing => "not signed",
        Signature::Wrong => "not signed by this key, or for another text",
    }
}

fn examined_files(examined: &Examined) -> String {
    let older = counted(examined.older_versions, "older version among them", "older versions among them");
    let older = older.map_or_else(String::new, |older| format!(", {older}"));
    format!("{} ({}{older})", files(examined.files), HumanBytes(examined.bytes))
}

fn files(count: u64) -> String {
    counted(count, "file", "files").unwrap_or_else(|| "no file".to_owned())
}

fn images(count: u64) -> String {
    counted(count, "image", "images").unwrap_or_else(|| "no image".to_owned())
}
