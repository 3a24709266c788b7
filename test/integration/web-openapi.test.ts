/** The OpenAPI document, and whether the API keeps to it: each of its paths is called, each answer is checked. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { every } from 'celeriac';
import { type WebHandler, web } from 'celeriac/web';
import { ROUTES } from '#src/web/api-routes.js';
import { gate, onEveryEngine, rejection } from '../support/app.js';
import { ORIGIN } from '../support/web.js';

const PATIENCE = { timeout: '30s' } as const;

interface Operation {
  readonly responses: {
    readonly 200: { readonly content: Readonly<Record<string, { readonly schema?: object }>> };
  };
}

interface Document {
  readonly openapi: string;
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}

async function documentOf(page: WebHandler, base = ''): Promise<Document> {
  const answer = await page.fetch(new Request(`${ORIGIN}${base}/api/v1/openapi.json`));
  return (await answer.json()) as Document;
}

describe('The OpenAPI document', () => {
  onEveryEngine(
    (ground) => {
      it('is valid, and names every call there is and no other', async (t) => {
        const { app } = ground.app(t);
        const page = web(app, { basePath: '/queues' });
        const document = await documentOf(page, '/queues');
        const { valid, errors } = await new Validator().validate({ ...document });
        assert.equal(valid, true, JSON.stringify(errors));
        assert.deepEqual(document.servers, [{ url: '/queues/api/v1' }]);
        const described = Object.entries(document.paths).flatMap(([path, operations]) =>
          Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
        );
        assert.deepEqual(described.sort(), ROUTES.map(({ method, path }) => `${method} ${path}`).sort());
      });

      it('says what each path answers', async (t) => {
        const { app, worker } = ground.app(t);
        const page = web(app);
        t.after(() => page.close());
        const open = gate();
        app.task('held', () => open.opened);
        app.task('broken', { maxRetries: 0 }, () => {
          throw new Error('no');
        });
        const talks = app.task('talks', async function* () {
          yield await this.step('one', () => 1);
        });
        const running = await worker({ name: 'one@here' });
        const said = await talks.delay();
        await said.get(PATIENCE);
        const failed = [
          await app.sendTask('broken'),
          await app.sendTask('broken'),
          await app.sendTask('broken'),
        ];
        for (const each of failed) await rejection(each.get(PATIENCE));
        const held = await app.sendTask('held');
        const later = [
          await app.sendTask('talks', [], { countdown: '1h' }),
          await app.sendTask('talks', [], { countdown: '1h' }),
        ];
        await app.schedules.upsert({ name: 'old', schedule: every('1h'), task: 'talks' });

        const document = await documentOf(page);
        const ajv = new Ajv2020({
          strict: false,
          validateFormats: false,
          schemas: [{ $id: 'api', ...document }],
        });
        const called = new Set<string>();
        const call = async (
          method: string,
          path: string,
          values: Record<string, string> = {},
          body?: object,
        ) => {
          const url = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));
          const request = new Request(`${ORIGIN}/api/v1${url}`, {
            method,
            ...(body !== undefined && {
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify(body),
            }),
          });
          const answer = await page.fetch(request);
          called.add(`${method} ${path}`);
          const pointer = `api#/paths/${path.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}`;
          const content = document.paths[path]?.[method.toLowerCase()]?.responses[200].content ?? {};
          const [[type = '', { schema } = {}] = []] = Object.entries(content);
          assert.equal(answer.headers.get('content-type'), type, `${method} ${path}`);
          assert.equal(answer.status, 200);
          if (schema === undefined) {
            await answer.body?.cancel();
            return;
          }
          const check = ajv.compile({
            $ref: `${pointer}/${method.toLowerCase()}/responses/200/content/application~1json/schema`,
          });
          const given: unknown = await answer.json();
          assert(
            check(given),
            `${method} ${path}: ${JSON.stringify(check.errors)}\n${JSON.stringify(given)}`,
          );
        };
        const lists = ['overview', 'tasks', 'runs', 'workers', 'queues', 'schedules', 'failed', 'limits'];
        for (const list of lists) await call('GET', `/${list}`);
        await call('GET', '/openapi.json');
        await call('GET', '/events');
        for (const { id } of [said, held, ...failed]) {
          await call('GET', '/runs/{id}', { id });
          await call('GET', '/runs/{id}/graph', { id });
        }
        await call('GET', '/runs/{id}/chunks', { id: said.id });
        const [first, second, third] = failed.map(({ id }) => ({ id }));
        await call('POST', '/runs/{id}/retry', first, { args: [] });
        await call('POST', '/runs/retry', {}, { ids: [second?.id, 'nobody'] });
        await call('DELETE', '/runs/{id}', third);
        await call('POST', '/runs/delete', {}, { filter: { state: 'SUCCESS' } });
        await call('POST', '/runs/{id}/run-now', { id: later[0]?.id ?? '' }, {});
        await call('POST', '/runs/revoke', {}, { filter: { name: 'talks' }, reason: 'enough' });
        await call('POST', '/runs/{id}/revoke', { id: held.id }, { terminate: true });
        await call(
          'POST',
          '/tasks/{name}/call',
          { name: 'talks' },
          { args: [], options: { countdown: '1h' } },
        );
        for (const action of ['pause', 'resume', 'purge'])
          await call('POST', `/queues/{name}/${action}`, { name: 'celeriac' }, {});
        await call('POST', '/workers/{node}/{command}', { node: 'one@here', command: 'ping' }, {});
        const spec = { kind: 'every', every: '2h' };
        await call('POST', '/schedules', {}, { name: 'new', task: 'talks', spec });
        await call('PUT', '/schedules/{name}', { name: 'old' }, { task: 'talks', spec });
        for (const action of ['pause', 'resume', 'run-now'])
          await call('POST', `/schedules/{name}/${action}`, { name: 'old' }, {});
        await call('DELETE', '/schedules/{name}', { name: 'old' });
        assert.deepEqual([...called].sort(), ROUTES.map(({ method, path }) => `${method} ${path}`).sort());
        open.open();
        await running.stop();
      });
    },
    ['memory'],
  );
});
