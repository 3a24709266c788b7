/** A stand-in for a language model: words about a topic, one after the other. No network, and no wisdom. */
import { setTimeout as pause } from 'node:timers/promises';

const TEXT =
  'Nobody knows who first thought of TOPIC. Some say it was a rainy afternoon, some say a wager. What is certain is ' +
  'that TOPIC came to stay: people who had never cared for TOPIC began to talk of it, then to write of it, and in the ' +
  'end a machine did the writing for them, word by word, while they watched.';

/** How long the model thinks about a word, ms. */
const THINKS_MS = 40;

export async function* model(topic: string, signal: AbortSignal): AsyncGenerator<string, void> {
  for (const word of TEXT.replaceAll('TOPIC', topic).split(/(?<= )/)) {
    await pause(THINKS_MS, undefined, { signal });
    yield word;
  }
}
