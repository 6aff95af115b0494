use std::{fmt, future::Future, io, net::SocketAddr};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::net::TcpListener;

use crate::Sandbox;

/// A sandbox bound to a port; it answers once run.
pub struct Server {
    addr: SocketAddr,
    run: BoxFuture<'static, io::Result<()>>,
}

impl Sandbox {
    /// Binds `addr` (port 0 for any). When `until` ends, the server takes no more connections and
    /// ends once the open ones have their answers.
    pub async fn serve(
        &self,
        addr: SocketAddr,
        until: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Server> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let serve = axum::serve(listener, self.app.clone().router());
        Ok(Server { addr, run: serve.with_graceful_shutdown(until).into_future().boxed() })
    }
}

impl Server {
    /// The address bound.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until told to end.
    pub async fn run(self) -> io::Result<()> {
        self.run.await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addr", &self.addr).finish_non_exhaustive()
    }
}
