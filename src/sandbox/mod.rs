//! A simulated Dropbox over a real local folder, with fault switches.
