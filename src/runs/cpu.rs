//! How long the processors worked for the processes that this one has started and that have ended.

/// Of all of them together, in milliseconds; as fine as the kernel's clock ticks, which is 10 ms.
/// `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub fn of_children_ms() -> Option<i64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program stands in brackets and may hold blanks.
    let (_, rest) = stat.rsplit_once(')')?;
    // Source: proc_pid_stat(5): `cutime` and `cstime` are fields 16 and 17, the state is field 3.
    let mut times = rest.split_whitespace().skip(13);
    let (user, system): (i64, i64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    let a_second = i64::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some((user + system).saturating_mul(1000) / a_second.max(1))
}

#[cfg(not(target_os = "linux"))]
pub fn of_children_ms() -> Option<i64> {
    None
}
