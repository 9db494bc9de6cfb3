//! Says which core it is on.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(cores_programs::say);
