//! Which function is at the other end of a connection. Its calls do not say, so its process is looked for.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::net::TcpListener;

/// The function's name; `client` for anybody else.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) String);

impl Connected<IncomingStream<'_, TcpListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(function(*stream.remote_addr()).unwrap_or_else(|| "client".to_owned()))
    }
}

fn function(peer: SocketAddr) -> Option<String> {
    let socket = PathBuf::from(format!("socket:[{}]", inode(peer)?));
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let process = processes.filter(|process| is_function(&process.path())).find(|process| {
        let files = fs::read_dir(process.path().join("fd")).ok();
        files.is_some_and(|mut files| {
            files.any(|file| fs::read_link(file.unwrap().path()).is_ok_and(|link| link == socket))
        })
    })?;
    let environment = fs::read(process.path().join("environ")).ok()?;
    let environment = String::from_utf8_lossy(&environment);
    let name =
        environment.split('\0').find_map(|pair| pair.strip_prefix("AWS_LAMBDA_FUNCTION_NAME="))?;
    Some(name.trim_start_matches("tryon-").trim_end_matches("-local").to_owned())
}

fn is_function(process: &Path) -> bool {
    fs::read_to_string(process.join("comm")).is_ok_and(|name| name == "bootstrap\n")
}

/// Of the socket with this address of its own.
fn inode(peer: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = peer.ip() else { return None };
    let address = format!("{:08X}:{:04X}", u32::from_le_bytes(ip.octets()), peer.port());
    let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
    sockets.lines().find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        (columns.next()? == address).then(|| columns.nth(7).map(str::to_owned))?
    })
}
