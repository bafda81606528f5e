//! Many leases held and renewed, in a process of their own, so that nothing else is in its memory and on its clock.

use std::{fmt, fs, io, process::Command, str::FromStr, time::Duration};

use futures::{StreamExt as _, stream};

use crate::{
    clock::{self, processor_time},
    contender::{Contender, Error, TTL},
    variant::Variant,
};

/// How many leases, by whom, for how long.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The client.
    pub variant: Variant,
    /// The nodes.
    pub urls: Vec<String>,
    /// How many leases.
    pub leases: u32,
    /// How long the process is watched once it holds all of them.
    pub time: Duration,
    /// Makes the resources its own.
    pub label: String,
}

/// What such a process needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Need {
    /// Resident memory at the end, in bytes.
    pub resident: u64,
    /// Part of one core, over all threads.
    pub core: f64,
    /// Leases that did not stand at the end.
    pub lost: u32,
}

impl Hold {
    /// Acquires, holds, and looks at this process. To be run in a process that does nothing else.
    ///
    /// # Errors
    ///
    /// When an acquisition fails or the process cannot be looked at.
    pub async fn here(&self) -> Result<Need, Error> {
        let contender = Contender::connect(self.variant, &self.urls).await?;
        let acquire = |number: u32| {
            let contender = contender.clone();
            async move {
                let mut session = contender.session();
                let held = session.acquire(&format!("{}-{number}", self.label)).await?;
                Ok::<_, Error>(session.keep(held))
            }
        };
        // Spread over a renewal period, as leases that come one by one are.
        let mut kept = Vec::new();
        let pause = TTL / 3 / self.leases.div_ceil(64).max(1);
        for from in (0..self.leases).step_by(64) {
            let batch = stream::iter(from..self.leases.min(from + 64)).map(acquire);
            let batch: Vec<_> = batch.buffer_unordered(64).collect().await;
            for lease in batch {
                kept.push(lease?);
            }
            if from + 64 < self.leases {
                clock::sleep(pause).await;
            }
        }
        // The first renewals find buffers of their final size.
        clock::sleep(self.time.min(TTL / 3)).await;
        let (begun, used) = (clock::now(), processor_time("self")?);
        clock::sleep(self.time).await;
        let used = processor_time("self")?.saturating_sub(used);
        let need = Need {
            resident: resident()?,
            core: used.as_secs_f64() / begun.elapsed().as_secs_f64(),
            lost: count(kept.iter().filter(|lease| !lease.stands())),
        };
        Ok(need)
    }

    /// Runs `program` so that it does [`Hold::here`], and reads what it prints.
    ///
    /// # Errors
    ///
    /// When that process fails.
    pub fn elsewhere(&self, program: &std::path::Path) -> Result<Need, Error> {
        let output = Command::new(program)
            .arg("hold")
            .args(["--variant", &self.variant.to_string()])
            .args(["--leases", &self.leases.to_string()])
            .args(["--millis", &self.time.as_millis().to_string()])
            .args(["--label", &self.label])
            .args(&self.urls)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let failed = || Error::Child(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        text.trim().parse().map_err(|()| failed())
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.resident, self.core, self.lost)
    }
}

impl FromStr for Need {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let [resident, core, lost] = text.split(' ').collect::<Vec<_>>()[..] else {
            return Err(());
        };
        Ok(Self {
            resident: resident.parse().map_err(drop)?,
            core: core.parse().map_err(drop)?,
            lost: lost.parse().map_err(drop)?,
        })
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// Resident memory of this process.
pub(crate) fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes
        .map(|number| number * 1024)
        .ok_or_else(|| io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_prints_is_read_back() {
        let need = Need {
            resident: 12_345_678,
            core: 0.125,
            lost: 3,
        };
        assert_eq!(need.to_string().parse(), Ok(need));
        assert_eq!("12 x 0".parse::<Need>(), Err(()));
        assert_eq!("".parse::<Need>(), Err(()));
    }
}
