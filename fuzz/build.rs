//! `sqlite-loadable` brings a second SQLite, of which nothing may be linked. LLD takes the first archive that has a symbol,
//! and so parts of both; GNU ld takes what comes after its use, which is the SQLite of rusqlite.

fn main() {
    println!("cargo:rustc-link-arg-bins=-fuse-ld=bfd");
}
