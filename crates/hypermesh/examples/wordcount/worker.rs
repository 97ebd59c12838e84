//! The actor that counts one share; one lives in each worker process.

use hypermesh::prelude::*;

use crate::share::{Count, Progress, of_rank};
use crate::tally::{SpanReader, Tally};

/// Report progress after this many bytes.
const REPORT_EVERY: u64 = 4 * 1024 * 1024;

/// Counts the share of its rank.
pub(crate) struct Worker;

impl RemoteSpawn for Worker {
    type Params = ();

    async fn create(_params: (), _env: &Env) -> Result<Self> {
        Ok(Self)
    }
}

#[actor(spawn = "wordcount")]
impl Worker {
    #[handler]
    async fn count(&mut self, cx: &Cx<'_, Self>, job: Count) -> Result<Tally> {
        let own_rank = cx.point().map_or(0, |point| point.rank());
        let rank = job.rank.unwrap_or(own_rank);
        let mut tally = Tally::default();
        let mut done = 0;
        let mut reported = 0;
        for span in of_rank(&job.sources, rank, job.ranks) {
            let source = &job.sources[span.file];
            let counted = SpanReader::open(source, span).map(|reader| (reader, 0));
            let mut reading = match counted {
                Ok(reading) => reading,
                Err(error) => {
                    tally
                        .errors
                        .push(format!("{}: {error}", source.path.escape_ascii()));
                    continue;
                }
            };
            loop {
                match reading.0.count_block(&mut tally) {
                    Ok(Some(bytes)) => reading.1 = bytes,
                    Ok(None) => break,
                    Err(error) => {
                        tally
                            .errors
                            .push(format!("{}: {error}", source.path.escape_ascii()));
                        break;
                    }
                }
                if REPORT_EVERY <= done + reading.1 - reported {
                    reported = done + reading.1;
                    job.progress.send(
                        cx,
                        Progress {
                            rank,
                            bytes: reported,
                        },
                    );
                }
                // One block is a short time; between two the process answers its supervisor.
                tokio::task::yield_now().await;
            }
            done += span.end - span.start;
        }
        job.progress.send(cx, Progress { rank, bytes: done });
        Ok(tally)
    }
}
