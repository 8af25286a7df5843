//! What was begun and is not finished; most folders never see any of it.

use super::Part;
use crate::care::examine::Examined;
use crate::care::under_way;
use crate::erasure::marker_path;

pub fn repairing(found: &Examined) -> Option<Part> {
    found.repairing.as_ref()?;
    let path = under_way::path(&found.data_dir);
    let mut part = Part::new("repairing.json", "a repair was interrupted");
    let todo = "stop the server and run `aurora repair` again: it goes on";
    part.add(&path, None, "a repair has begun and not ended".to_owned(), todo);
    Some(part)
}

pub fn erasing(found: &Examined) -> Option<Part> {
    let path = marker_path(&found.data_dir);
    let name = "erasing.json";
    match &found.erasing {
        Ok(None) => None,
        Ok(Some(marker)) => {
            let (n_calls, at) = (marker.call_ids.len(), marker.at);
            let mut part = Part::new(name, format!("{n_calls} calls are being erased, since {at}"));
            part.notes.push(
                "it is not finished, and words may still be there: a running server goes on with \
                 it; without one, start it, which finishes the erasure"
                    .to_owned(),
            );
            Some(part)
        }
        Err(err) => {
            let mut part = Part::new(name, "does not read");
            let todo = "restore it; or remove it, start the server, and erase the caller once more";
            part.add(&path, None, err.to_string(), todo);
            Some(part)
        }
    }
}
