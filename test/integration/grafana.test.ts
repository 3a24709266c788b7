/** The dashboard and the alert rules ask for metrics that a worker really has, with labels that these have. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { parser } from '@prometheus-io/lezer-promql';
import { Reject } from 'celeriac';
import { load } from 'js-yaml';
import { rejection, startWorker, testApp, until } from '../support/app.js';
import { ROOT } from '../support/installed.js';

const read = (file: string) => readFileSync(join(ROOT, 'docs/grafana', file), 'utf8');

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly definition?: string }[];
  };
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly for?: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly annotations: Readonly<Record<string, string>>;
    }[];
  }[];
}

/** What an expression asks for: metrics with the labels it matches, and the labels it groups by. */
interface Query {
  readonly metrics: Map<string, Map<string, string>>;
  readonly grouped: Set<string>;
}

/** Labels that Prometheus adds. */
const OF_THE_SCRAPE = ['job', 'instance'];

function queryOf(expr: string): Query {
  // Grafana's own variables, in its place.
  const text = expr.replaceAll('$__rate_interval', '5m');
  const query: Query = { metrics: new Map(), grouped: new Set() };
  let matched = new Map<string, string>();
  let label = '';
  parser.parse(text).iterate({
    enter({ name, from, to, type, node }) {
      const part = text.slice(from, to);
      assert(!type.isError, `${text}: cannot be read at ${from}`);
      if (name === 'VectorSelector') {
        matched = new Map();
        query.metrics.set(text.slice(from, node.getChild('Identifier')?.to), matched);
      } else if (name === 'LabelName') {
        label = part;
        if (node.parent?.name === 'GroupingLabels') query.grouped.add(part);
      } else if (name === 'StringLiteral' && /Matcher$/.test(node.parent?.name ?? '')) {
        matched.set(label, part.slice(1, -1));
      }
    },
  });
  return query;
}

describe('the dashboard and the alerts', () => {
  /** The labels of each metric, with the values that were seen. */
  let known: Map<string, Map<string, Set<string>>>;
  const dashboard = JSON.parse(read('celeriac.json')) as Dashboard;
  const rules = (load(read('alerts.yml')) as Rules).groups.flatMap((group) => group.rules);

  before(async () => {
    const ends: (() => unknown)[] = [];
    known = await metricsOfWorker({ after: (end: unknown) => void ends.push(end as () => unknown) });
    for (const end of ends) await end();
  });

  function check(expr: string): void {
    const { metrics, grouped } = queryOf(expr);
    assert(metrics.size > 0, `${expr}: asks for nothing`);
    const labels = new Set([...OF_THE_SCRAPE, 'le']);
    for (const [metric, matched] of metrics) {
      const own = known.get(metric);
      assert(own !== undefined, `${expr}: there is no metric ${metric}`);
      for (const label of own.keys()) labels.add(label);
      for (const [label, value] of matched) {
        assert(own.has(label) || OF_THE_SCRAPE.includes(label), `${expr}: ${metric} has no label ${label}`);
        if (label !== 'state') continue;
        for (const state of value.split('|'))
          assert(own.get('state')?.has(state), `${expr}: ${metric} has no state ${state}`);
      }
    }
    for (const label of grouped) assert(labels.has(label), `${expr}: nothing has the label ${label}`);
  }

  it('ask for metrics, labels and states that a worker has', () => {
    const exprs = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    assert(exprs.length > 15 && rules.length > 5);
    for (const expr of [...exprs, ...rules.map((rule) => rule.expr)]) check(expr);
    for (const { name, definition } of dashboard.templating.list) {
      if (definition === undefined) continue;
      const [, selector = '', label] = /^label_values\((.*), (\w+)\)$/.exec(definition) ?? [];
      assert.equal(label, name);
      check(`sum by (${label}) (${selector})`);
    }
  });

  it('miss no metric of a worker', () => {
    const asked = new Set<string>();
    for (const { targets = [] } of dashboard.panels)
      for (const { expr } of targets)
        for (const metric of queryOf(expr).metrics.keys())
          asked.add(metric.replace(/_(bucket|sum|count)$/, ''));
    const own = [...known.keys()].map((metric) => metric.replace(/_(bucket|sum|count)$/, ''));
    assert.deepEqual(
      own.filter((metric) => !asked.has(metric)),
      [],
    );
  });

  it('would be noticed with a mistake', () => {
    for (const expr of [
      'sum(celeriac_task_total)',
      'celeriac_tasks_total{queue="a"}',
      'celeriac_tasks_total{state="FAILED"}',
      'sum by (node) (celeriac_tasks_total)',
      'sum(rate(celeriac_tasks_total[5m])',
      '1 + 1',
    ])
      assert.throws(() => check(expr), assert.AssertionError, expr);
  });

  it('are laid out: panels have titles, ids and places of their own', () => {
    const { panels } = dashboard;
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    const taken = new Map<string, string>();
    for (const { type, title, description, gridPos } of panels) {
      assert(title !== '' && (type === 'row' || (description ?? '') !== ''), title);
      const { x, y, w, h } = gridPos;
      assert(x + w <= 24, title);
      for (let column = x; column < x + w; column++)
        for (let line = y; line < y + h; line++) {
          assert.equal(taken.get(`${column} ${line}`), undefined, title);
          taken.set(`${column} ${line}`, title);
        }
    }
  });

  it('say what is the matter: alerts have a severity, a summary and a description', () => {
    assert.equal(new Set(rules.map((rule) => rule.alert)).size, rules.length);
    for (const { alert, labels, annotations, for: during = '0s' } of rules) {
      assert.match(alert, /^Celeriac[A-Z]/);
      assert.match(during, /^\d+[sm]$/);
      assert.match(labels.severity ?? '', /^(info|warning|critical)$/);
      assert.deepEqual(Object.keys(annotations), ['summary', 'description'], alert);
      for (const [, label] of Object.values(annotations)
        .join(' ')
        .matchAll(/\$labels\.(\w+)/g))
        assert(rules.find((rule) => rule.alert === alert)?.expr.includes(`by (${label})`), alert);
    }
  });
});

/** Runs tasks that end in every way, and reads what `/metrics` says then. */
async function metricsOfWorker(
  t: Pick<TestContext, 'after'>,
): Promise<Map<string, Map<string, Set<string>>>> {
  const { app } = testApp(t, { broker: 'memory://', migrate: true });
  const bad = app.task('bad', { maxRetries: 1, autoretryFor: true, defaultRetryDelay: 1 }, async () => {
    throw new Error('no');
  });
  const rejects = app.task('rejects', async () => {
    throw new Reject('no');
  });
  const sleepy = app.task('sleepy', async function (this) {
    await this.waitFor('go');
  });
  const worker = await startWorker(app, { health: { port: 0 } });
  await rejection((await bad.delay()).get());
  await rejection((await rejects.delay()).get());
  const waits = await sleepy.delay();
  await until(async () => (await waits.state) === 'WAITING', 'its wait');
  await waits.send('go');
  await waits.get();
  const text = await (await fetch(`http://127.0.0.1:${worker.healthPort}/metrics`)).text();
  const found = new Map<string, Map<string, Set<string>>>();
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const [, metric = '', labels = ''] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? [];
    const own = found.get(metric) ?? new Map<string, Set<string>>();
    found.set(metric, own);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="([^"]*)"/g))
      own.set(label, (own.get(label) ?? new Set()).add(value));
  }
  return found;
}
