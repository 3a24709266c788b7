/**
 * Traces: one from the call through the task to whatever the task calls, told to a real OpenTelemetry SDK.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SpanKind } from '@opentelemetry/api';
import { Queue, Worker } from 'bullmq';
import { Celeriac, chain, group, OptionError } from 'celeriac';
import { onEveryEngine, startWorker, uniqueName, until } from '../support/app.js';
import { isError, otel } from '../support/otel.js';
import { startRedis } from '../support/redis.js';

const PATIENCE = { timeout: '30s' } as const;

describe('Telemetry', () => {
  onEveryEngine((ground) => {
    it('makes one trace of a call, its task, and what that calls, each span named after its task', async (t) => {
      const { telemetry, spans, within } = otel();
      const { app, worker } = ground.app(t, { telemetry });
      const child = app.task('child', () => 'grown');
      const parent = app.task('parent', async () => (await child.delay()).id);
      await worker({ name: 'one@here' });
      let id = '';
      const trace = await within('request', async () => {
        const result = await parent.delay();
        id = result.id;
        const childId = await result.get(PATIENCE);
        await app.result(childId).get(PATIENCE);
      });
      const found = await until(() => spans(trace).length === 5 && spans(trace), 'five spans');
      assert.ok(found);
      const [request, sent, ran, childSent, childRan] = found;
      assert.deepEqual(
        found.map((span) => [span.name, span.kind]),
        [
          ['request', SpanKind.INTERNAL],
          ['parent', SpanKind.PRODUCER],
          ['parent', SpanKind.CONSUMER],
          ['child', SpanKind.PRODUCER],
          ['child', SpanKind.CONSUMER],
        ],
      );
      const parents = found.map((span) => span.parentSpanContext?.spanId);
      const ids = found.map((span) => span.spanContext().spanId);
      assert.deepEqual(parents, [undefined, ids[0], ids[1], ids[2], ids[3]]);
      assert.ok(request && sent && ran && childSent && childRan);
      assert.equal(sent.attributes['messaging.message.id'], id);
      assert.equal(sent.attributes['messaging.destination.name'], 'celeriac');
      assert.equal(ran.attributes['messaging.message.id'], id);
      assert.equal(ran.attributes['celeriac.node'], 'one@here');
      assert.equal(ran.attributes['celeriac.task.state'], 'SUCCESS');
    });

    it('records retries and failures, each attempt in a span of its own, and counts them', async (t) => {
      const { telemetry, spans, within, measures } = otel();
      const { app, worker } = ground.app(t, { telemetry });
      const flaky = app.task('flaky', { maxRetries: 1, retryDelay: () => 1, autoretryFor: true }, () => {
        throw new RangeError('out of it');
      });
      await worker();
      const trace = await within('request', async () => {
        await (await flaky.delay()).get({ ...PATIENCE, propagate: false });
      });
      await until(() => spans(trace).length === 4, 'four spans');
      const attempts = spans(trace).filter(({ kind }) => kind === SpanKind.CONSUMER);
      assert.deepEqual(
        attempts.map((span) => [
          span.attributes['celeriac.task.state'],
          span.attributes['celeriac.task.retries'],
        ]),
        [
          ['RETRY', 0],
          ['FAILURE', 1],
        ],
      );
      for (const attempt of attempts) {
        assert.ok(isError(attempt));
        assert.equal(attempt.attributes['error.type'], 'RangeError');
        const exception = attempt.events.find(({ name }) => name === 'exception');
        assert.equal(exception?.attributes?.['exception.message'], 'out of it');
      }
      assert.deepEqual(
        measures.map(({ name }) => name),
        ['bullmq.jobs.retried', 'bullmq.job.duration', 'bullmq.jobs.failed', 'bullmq.job.duration'],
      );
    });

    it('takes all steps of a workflow into the trace of its call', async (t) => {
      const { telemetry, spans, within } = otel();
      const { app, worker } = ground.app(t, { telemetry });
      const one = app.task('one', () => 1);
      const plus = app.task('plus', (n: number) => n + 1);
      await worker();
      const trace = await within('request', async () => {
        assert.deepEqual(
          await (await chain(one.s(), group(plus.s(), plus.s())).delay()).get(PATIENCE),
          [2, 2],
        );
      });
      const ran = () => spans(trace).filter(({ kind }) => kind === SpanKind.CONSUMER);
      await until(() => ran().length === 3, 'the spans of three tasks');
      assert.deepEqual(
        ran()
          .map(({ name }) => name)
          .sort(),
        ['one', 'plus', 'plus'],
      );
    });

    it('makes one trace of a workflow that is sent outside any span, from a span of its own', async (t) => {
      const { telemetry, ended } = otel();
      const { app, worker } = ground.app(t, { telemetry });
      const name = uniqueName();
      const one = app.task(name, () => 1);
      const plus = app.task(`${name}+`, (n: number) => n + 1);
      await worker();
      const result = await chain(one.s(), group(plus.s(), plus.s())).delay();
      assert.deepEqual(await result.get(PATIENCE), [2, 2]);
      const ran = () => ended().filter((span) => span.name.startsWith(name));
      await until(() => ran().length === 3, 'the spans of three tasks');
      const [trace, ...others] = new Set(ran().map((span) => span.spanContext().traceId));
      assert.deepEqual(others, []);
      const sent = ended().find((span) => span.name === 'chain' && span.spanContext().traceId === trace);
      assert.equal(sent?.kind, SpanKind.PRODUCER);
      assert.equal(sent?.attributes['messaging.message.id'], result.id);
    });

    it('says of a failed attempt that it is an error, with an adapter that has no word for it', async (t) => {
      const { telemetry, spans, within } = otel({ statusless: true });
      const { app, worker } = ground.app(t, { telemetry });
      const fails = app.task('fails', () => {
        throw new Error('no');
      });
      await worker();
      const trace = await within('request', async () => {
        await (await fails.delay()).get({ ...PATIENCE, propagate: false });
      });
      const ran = () => spans(trace).find(({ kind }) => kind === SpanKind.CONSUMER);
      await until(() => ran() !== undefined, 'the span of the attempt');
      const span = ran();
      assert.ok(span !== undefined && isError(span));
    });

    it('begins a trace of its own for a task whose caller has none', async (t) => {
      const { telemetry, spans, within } = otel();
      const { app, prefix, worker } = ground.app(t, { telemetry });
      const seen: string[] = [];
      app.task('orphan', () => {
        seen.push(telemetry.contextManager.getMetadata(telemetry.contextManager.active()));
      });
      // Started within somebody's span, which is none of the task's.
      const trace = await within('deploy', () => worker());
      const plain = new Celeriac('plain', { broker: ground.url, prefix, migrate: true });
      t.after(() => plain.close());
      await (await plain.sendTask('orphan')).get(PATIENCE);
      assert.match(seen[0] ?? '', /traceparent/);
      assert.ok(!(seen[0] ?? '').includes(trace));
      assert.deepEqual(
        spans(trace).map(({ name }) => name),
        ['deploy'],
      );
    });
  });

  it('goes on into and out of BullMQ programs', async (t) => {
    const server = await startRedis();
    const { telemetry, spans, within } = otel();
    const prefix = uniqueName();
    const app = new Celeriac('mixed', { broker: server.url, prefix, telemetry });
    const bullmq = { connection: { url: server.url }, prefix, telemetry };
    const queue = new Queue('celeriac', bullmq);
    const theirs = new Worker('theirs', async () => 'theirs', bullmq);
    t.after(async () => {
      await Promise.all([queue.close(), theirs.close(), app.close()]);
      await server.close();
    });
    app.task('ours', () => 'ours');
    await startWorker(app);
    const trace = await within('request', async () => {
      await queue.add('ours', { v: 1, args: [] });
      await app.sendTask('elsewhere', [], { queue: 'theirs' });
    });
    const consumed = () => spans(trace).filter(({ kind }) => kind === SpanKind.CONSUMER);
    await until(() => consumed().length === 2, 'a span of ours and one of BullMQ');
    assert.ok(consumed().some(({ name }) => name === 'ours'));
  });

  it('goes on in what a task calls from a thread', async (t) => {
    const server = await startRedis();
    process.env['TRACED_BROKER'] = `${server.url} ${uniqueName()}`;
    const url = new URL('./programs/traced-threads.js', import.meta.url).href;
    const { app, branch, traces } = (await import(url)) as typeof import('./programs/traced-threads.js');
    t.after(() => app.close().then(() => server.close()));
    await startWorker(app, { module: url });
    const trace = await traces.within('request', async () => {
      const leafId = await (await branch.delay()).get(PATIENCE);
      await app.result(leafId).get(PATIENCE);
    });
    const ran = () => traces.spans(trace).filter(({ kind }) => kind === SpanKind.CONSUMER);
    await until(() => ran().length === 2, 'the spans of both tasks');
    // The span of the call is the thread's to tell: here only the two runs are seen, in no order.
    assert.deepEqual(new Set(ran().map(({ name }) => name)), new Set(['branch', 'leaf']));
  });

  it('that is no telemetry is refused where it is written', () => {
    for (const telemetry of [true, {}, { tracer: {} }]) {
      assert.throws(
        () => new Celeriac('wrong', { telemetry: telemetry as never }),
        (error: unknown) => {
          return error instanceof OptionError && /bullmq-otel/.test(error.message);
        },
      );
    }
  });
});
