"""The same study on a Dask cluster of two real worker processes, one of which is killed."""

import os
import signal
import threading
import time

import pytest

from lnescape.study import run_study
from lnescape.study.store import CellStore
from tests.test_study import arrays_of, equal_bits
from tests.tiny import TINY


@pytest.mark.starts(3)  # processes: two workers, and one in place of the killed one
@pytest.mark.filterwarnings("ignore")  # distributed speaks of the worker that this test kills
def test_the_same_bits_on_a_cluster_that_loses_a_worker(tmp_path):
    distributed = pytest.importorskip("distributed")
    here, there = tmp_path / "here", tmp_path / "there"
    run_study(TINY, folder=here, workers=1, progress=False)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        numbers = list(client.run(os.getpid).values())

        def kill() -> None:
            while len(list(there.glob("retrainings*.json"))) < 1:
                time.sleep(0.01)
            os.kill(numbers[0], signal.SIGKILL)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        assert run_study(TINY, folder=there, executor=client.get_executor(), progress=False) == {}
        killer.join(10)
        assert numbers[0] not in client.run(os.getpid).values()
    assert CellStore(TINY, there).missing() == []
    assert equal_bits(arrays_of(TINY, here), arrays_of(TINY, there))
