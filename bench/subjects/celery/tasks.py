"""The Celery app and its one task, as Celery's first steps would write them. Results are kept in Redis."""
import os
import time

from celery import Celery

HOST = os.environ['BENCH_REDIS']

# Results have a database of their own, so that its size says how many tasks are done.
app = Celery('tasks', broker=f'redis://{HOST}/0', backend=f'redis://{HOST}/1')


@app.task(name='noop')
def noop(text):
    return len(text)


@app.task(name='progress', bind=True)
def progress(self, updates):
    for done in range(updates):
        self.update_state(state='PROGRESS', meta={'done': done, 'of': updates})
    return updates


@app.task(name='total')
def total(values):
    return sum(values)


@app.task(name='step')
def step(value):
    return value + 1


@app.task(name='burn')
def burn():
    # About 5 ms, as bench/workloads/burn.ts takes in JavaScript: not the same work, but the same time.
    until = time.process_time() + 0.005
    while time.process_time() < until:
        pass
    return 1
