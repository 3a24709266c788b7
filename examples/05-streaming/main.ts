/** Shows a text in the terminal while the task writes it: `node main.js [topic]`. */
import { app, writer } from './tasks.js';

// Without a broker of its own the example brings everything: an embedded broker, and a worker in this process.
if (process.env.CELERIAC_BROKER_URL === undefined) await app.worker().start();

const result = await writer.write.delay(process.argv[2] ?? 'hops');
for await (const word of result.stream()) process.stdout.write(word);
const { topic, words } = await result.get();
console.log(`\n${words} words about ${topic}`);
await app.close();
