//! The dialling end's handshake.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    handshake::{Answer, Hello, LinkType, PREAMBLE_LEN, Preamble},
    outcome::ConnectError,
    stream::{Heard, Reader, Stream, Writer},
};

/// A connection that the peer accepted.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
}

/// Introduces this end on a connected stream.
///
/// # Errors
///
/// What the system says, or the peer: it may have refused.
pub(crate) async fn greet(
    stream: Stream,
    hello: &Hello,
    heard: &Heard,
) -> Result<Connected, ConnectError> {
    let (mut reader, mut writer) = stream.split(heard)?;
    writer.write_all(&hello.encode()).await?;
    writer.flush().await?;
    let mut preamble = [0; PREAMBLE_LEN];
    reader.read_exact(&mut preamble).await?;
    let preamble = Preamble::decode(&preamble).map_err(ConnectError::Handshake)?;
    let mut rest = vec![0; preamble.rest];
    reader.read_exact(&mut rest).await?;
    match Answer::decode(preamble.version, &rest).map_err(ConnectError::Handshake)? {
        Answer::Accepted(_) => Ok(Connected { reader, writer }),
        Answer::Refused(code) => Err(ConnectError::Refused(
            code.told_to(&LinkType::PARCELS, preamble.version),
        )),
    }
}
