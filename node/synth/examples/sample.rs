//! Writes a sample to a folder and prints what it took: `sample OUT SEED ORGS HOSTS DAYS [ROWS]`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use flowlore_synth::{Output, Params, generate};

struct Folder(PathBuf, BTreeMap<String, File>);

impl Output for Folder {
    fn append(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if !self.1.contains_key(path) {
            let full = self.0.join(path);
            fs::create_dir_all(full.parent().unwrap_or(&self.0))?;
            self.1.insert(path.to_owned(), File::create(full)?);
        }
        self.1.get_mut(path).map_or(Ok(()), |file| file.write_all(bytes))
    }
    fn finish(&mut self, path: &str) -> io::Result<()> {
        self.1.remove(path);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("sample OUT SEED ORGS HOSTS DAYS [ROWS]")?;
    let mut number = |default: u64| args.next().map_or(Ok(default), |text| text.parse());
    let defaults = Params::default();
    let params = Params {
        seed: number(1)?,
        orgs: u8::try_from(number(1)?)?,
        hosts: u32::try_from(number(50)?)?,
        days: u16::try_from(number(1)?)?,
        rows: Some(number(0)?).filter(|rows| *rows > 0),
        ..defaults
    };
    let begun = std::time::Instant::now();
    let summary = generate(&params, &mut Folder(folder.into(), BTreeMap::new()))?;
    let seconds = begun.elapsed().as_secs_f64();
    let rows: u64 = summary.rows.values().sum();
    println!("{:?}\n{} machines an org", summary.rows, summary.hosts);
    println!("{rows} rows in {seconds:.2} s, {:.0} a second", rows as f64 / seconds);
    Ok(())
}
