/** A module whose tasks run in threads and are traced: what they call belongs to their trace. */
import { Celeriac } from 'celeriac';
import { otel } from '../../support/otel.js';

const [broker = '', prefix = ''] = (process.env['TRACED_BROKER'] ?? '').split(' ');
export const traces = otel();
export const app = new Celeriac('traced', { broker, prefix, telemetry: traces.telemetry });
export const leaf = app.task('leaf', () => 'leaf');
export const branch = app.task('branch', { pool: 'threads' }, async () => (await leaf.delay()).id);
