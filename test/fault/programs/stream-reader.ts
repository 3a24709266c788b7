/**
 * Reads streams to their end: `stream-reader.js BROKER PREFIX`, then a message
 * `{ streams: [[task id, index of the first chunk], …] }`. Says what it heard: see `readStreams`.
 */
import { Celeriac } from 'celeriac';
import { readStreams } from '../../support/read-streams.js';

const [broker = '', prefix = ''] = process.argv.slice(2);
const app = new Celeriac('reading', { broker, prefix, publishRetry: '20s' });

process.on('message', ({ streams }: { streams: [string, number][] }) => {
  void readStreams(app, streams, (heard) => process.send?.(heard)).then(async () => {
    await app.close();
    process.disconnect();
  });
});
process.send?.('ready');
