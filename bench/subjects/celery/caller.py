"""Celery's calling process: answers the requests of bench/processes/json-child.ts, one JSON object per line."""
import json
import resource
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from celery import chain, chord
from tasks import app, burn, noop, progress, step, total

# Celery calls block; its connection pool, and so the calls that can be under way at once, is 10 by default.
THREADS = 10
WAVE = 1000


def argument(index):
    return f'report-{index:09d}/customer-4711/2024-06-01T00:00:00.000Z/eu'


def call_one(indexes):
    for index in indexes:
        noop.delay(argument(index))


def call_many(indexes):
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(lambda index: noop.delay(argument(index)), indexes):
            pass


def publish_many(indexes):
    # The cheapest way Celery has: one producer for all. A group of as many costs more.
    with app.producer_pool.acquire(block=True) as producer:
        for index in indexes:
            noop.apply_async((argument(index),), producer=producer)


def await_one(indexes):
    latencies = []
    for index in indexes:
        called_at = time.perf_counter()
        noop.delay(argument(index)).get(timeout=60)
        latencies.append((time.perf_counter() - called_at) * 1000)
    return latencies


def await_many(indexes):
    for start in range(indexes.start, indexes.stop, WAVE):
        results = [noop.delay(argument(index)) for index in range(start, start + WAVE)]
        for result in results:
            result.get(timeout=60)


UPDATES = 500
MEMBERS = 1000
STEPS = 10


def progress_updates(indexes):
    for _ in range(0, len(indexes), UPDATES):
        progress.delay(UPDATES).get(timeout=60)


def chords(indexes):
    for start in range(indexes.start, indexes.stop, MEMBERS):
        members = [noop.s(argument(index)) for index in range(start, start + MEMBERS)]
        chord(members)(total.s()).get(timeout=120)


def chains(indexes):
    steps = [step.s(0)] + [step.s()] * (STEPS - 1)
    results = [chain(*steps).apply_async() for _ in range(len(indexes) // STEPS)]
    for result in results:
        result.get(timeout=120)


def burns(indexes):
    for result in [burn.delay() for _ in indexes]:
        result.get(timeout=120)


OPERATIONS = {
    'call-one': call_one,
    'call-many': call_many,
    'publish-many': publish_many,
    'await-one': await_one,
    'await-many': await_many,
    'listeners-1': await_many,
    'listeners-4': await_many,
    'listeners-16': await_many,
    'progress': progress_updates,
    'chord-1000': chords,
    'chain-10': chains,
    'cpu-threads': burns,
}


def usage():
    own = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == 'darwin' else 1024
    return {
        'atMs': time.perf_counter() * 1000,
        'cpuMs': (own.ru_utime + own.ru_stime) * 1000,
        'peakRssBytes': own.ru_maxrss * unit,
    }


def answer(request):
    if request['request'] == 'usage':
        return {'after': usage()}
    indexes = range(request['first'], request['first'] + request['count'])
    if request['request'] == 'fill':
        call_one(indexes)
        return {}
    operation = OPERATIONS.get(request['workload'])
    if operation is None:
        return {'unsupported': True}
    before = usage()
    latencies = operation(indexes)
    return {'before': before, 'after': usage(), 'latenciesMs': latencies}


for line in sys.stdin:
    message = json.loads(line)
    try:
        reply = answer(message)
    except Exception:
        reply = {'error': traceback.format_exc()}
    print(json.dumps({'id': message['id'], **reply}, separators=(',', ':')), flush=True)
