"""Beyond one machine: the executor of a Dask cluster.

A Slurm cluster, say, with dask-jobqueue; each job is one worker of one thread, and finds the data sets where
`LNESCAPE_DATA` points:

    from dask_jobqueue import SLURMCluster
    from distributed import Client
    import lnescape as ln

    cluster = SLURMCluster(
        queue="cpu", cores=1, processes=1, memory="8GB", walltime="04:00:00",
        job_script_prologue=["export LNESCAPE_DATA=/shared/data", "export OMP_NUM_THREADS=1"],
    )
    cluster.scale(jobs=32)
    ln.run_study("mnist-cnn", executor=Client(cluster).get_executor())

Results come back to this process, which stores them: the workers need no folder in common. A worker that dies
loses nothing: Dask gives its cell to another one. The same from the shell, with a scheduler that runs already:
`lnescape study mnist-cnn --dask tcp://head:8786`.
"""

from concurrent.futures import Executor

from lnescape.study.cells import StudyError


def dask_executor(address: str, *, timeout: float = 10.0) -> Executor:
    """Connect to a Dask scheduler.

    Args:
        address: Such as "tcp://head:8786".
        timeout: Seconds after which a silent scheduler counts as none.

    Returns:
        An executor for `run_study`.

    Raises:
        StudyError: Dask isn't installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise StudyError("Dask isn't installed; type: pip install 'lnescape[cluster]'.") from error
    try:
        return Client(address, timeout=timeout).get_executor()
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise StudyError(
            f"No Dask scheduler answers at {address} ({type(error).__name__}); start one with `dask scheduler`, or "
            "leave --dask out to compute here."
        ) from error
