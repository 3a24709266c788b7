"""The Celery app and its one task, as Celery's first steps would write them. Results are kept in Redis."""
import os

from celery import Celery

HOST = os.environ['BENCH_REDIS']

# Results have a database of their own, so that its size says how many tasks are done.
app = Celery('tasks', broker=f'redis://{HOST}/0', backend=f'redis://{HOST}/1')


@app.task(name='noop')
def noop(text):
    return len(text)
