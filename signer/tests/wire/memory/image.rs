//! What a process has in memory, as a thief with root's rights takes it: a core file by gcore, and /proc/PID/mem.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use super::forms::Form;

const PAGE_BYTES: usize = 4096;
const ZEROS: &[u8] = &[0; PAGE_BYTES];

/// All that is readable of a process at one time.
pub(super) struct Image {
    /// How it was taken.
    taken: &'static str,
    parts: Vec<Part>,
}

struct Part {
    /// Where it is, for the report.
    place: String,
    bytes: Vec<u8>,
}

/// Whether images can be taken here; if not, why is printed. With `CI=true` it is a failure.
#[expect(clippy::disallowed_methods, reason = "what the tests run on is no configuration of the program")]
pub(super) fn can_be_taken() -> bool {
    let answers = |program: &str, argument: &str| {
        Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let can = is_root && answers("gcore", "-h") && answers("setpriv", "--version");
    assert!(can || std::env::var("CI").as_deref() != Ok("true"), "root, gcore (gdb) and setpriv are required");
    if !can {
        println!("left out: this needs root, gcore (gdb) and setpriv");
    }
    can
}

/// Runs a line of shell with this account and without the rights of a superuser.
pub(super) fn without_capabilities(line: &str) -> ExitStatus {
    let rights = ["--bounding-set", "-all", "--inh-caps", "-all"];
    Command::new("setpriv").args(rights).args(["/bin/sh", "-c", line]).status().unwrap()
}

impl Image {
    /// A core file, registers included.
    pub(super) fn core(process: u32, folder: &Path) -> Self {
        let prefix = folder.join("core");
        let taken = Command::new("gcore").arg("-o").arg(&prefix).arg(process.to_string()).output().unwrap();
        let file = folder.join(format!("core.{process}"));
        let bytes = fs::read(&file).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&taken.stderr)));
        fs::remove_file(&file).unwrap();
        Self { taken: "gcore", parts: vec![Part { place: "core file".to_owned(), bytes }] }
    }

    /// The memory as it is, while the process runs on.
    pub(super) fn live(process: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let memory = File::open(format!("/proc/{process}/mem")).unwrap();
        let parts = maps.lines().filter_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (from, to) = range.split_once('-')?;
            let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
            // reserved space and the kernel's pages cannot be read
            let mut bytes = vec![0; usize::try_from(to - from).ok().filter(|_| rest.starts_with('r'))?];
            memory.read_exact_at(&mut bytes, from).ok()?;
            Some(Part { place: line.to_owned(), bytes })
        });
        let parts: Vec<_> = parts.collect();
        assert!(parts.len() > 10, "{maps}");
        Self { taken: "/proc/PID/mem", parts }
    }

    /// One line for each form and place in which it is found.
    pub(super) fn found(&self, forms: &[(String, Vec<Form>)]) -> Vec<String> {
        let forms: Vec<_> = forms.iter().flat_map(|(of, forms)| forms.iter().map(move |form| (of, form))).collect();
        // all pieces at once: which ones begin with these two bytes
        let mut beginning = vec![Vec::new(); 1 << 16];
        for (index, (_, form)) in forms.iter().enumerate() {
            for piece in &form.pieces {
                beginning[usize::from(u16::from_be_bytes([piece[0], piece[1]]))].push((index, piece.as_slice()));
            }
        }
        let mut found = Vec::new();
        for part in &self.parts {
            let mut times = vec![0; forms.len()];
            // most pages are empty, and no piece begins in one
            let pages = part.bytes.chunks(PAGE_BYTES).enumerate().filter(|(_, page)| !ZEROS.starts_with(page));
            for at in pages.flat_map(|(number, page)| (0..page.len()).map(move |at| number * PAGE_BYTES + at)) {
                let Some(next) = part.bytes.get(at + 1) else { continue };
                for (index, piece) in &beginning[usize::from(part.bytes[at]) << 8 | usize::from(*next)] {
                    if part.bytes[at..].starts_with(piece) {
                        times[*index] += 1;
                    }
                }
            }
            let lines = forms.iter().zip(times).filter(|(_, times)| *times > 0);
            found.extend(lines.map(|((of, form), times)| {
                format!("{}: {of}, {}: {times} pieces in {}", self.taken, form.name, part.place)
            }));
        }
        found
    }
}
