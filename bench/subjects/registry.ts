/** Every subject, in the order of the table's columns. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { celerySubject } from './celery.js';
import { nodeSubject } from './node-subject.js';
import type { Subject } from './subject.js';

/** The one that celeriac is measured against, celeriac, and the one it takes its shape from. */
export const BASELINE = 'bullmq';
export const OURS = 'celeriac';
export const MODEL = 'celery';

export const SUBJECTS: readonly Subject[] = [
  nodeSubject({ name: BASELINE, title: 'raw BullMQ', version: () => packageVersion('bullmq/package.json') }),
  nodeSubject({ name: OURS, title: 'celeriac', version: () => packageVersion('celeriac/package.json') }),
  celerySubject(),
];

/** @throws on a name that no subject has */
export function selectSubjects(names: readonly string[]): readonly Subject[] {
  const unknown = names.find((name) => !SUBJECTS.some((subject) => subject.name === name));
  if (unknown !== undefined) {
    throw new Error(
      `no subject "${unknown}"; there are ${SUBJECTS.map((subject) => subject.name).join(', ')}`,
    );
  }
  return SUBJECTS.filter((subject) => names.length === 0 || names.includes(subject.name));
}

function packageVersion(packageJson: string): string {
  const content: unknown = JSON.parse(
    readFileSync(createRequire(import.meta.url).resolve(packageJson), 'utf8'),
  );
  const hasVersion = typeof content === 'object' && content !== null && 'version' in content;
  return hasVersion ? String(content.version) : 'unknown';
}
