/** A task that streams what it writes, word by word, and returns what it made of it. */
import { Celeriac, Task, TaskService } from 'celeriac';
import { model } from './model.js';

export const app = new Celeriac('texts', { broker: process.env.CELERIAC_BROKER_URL ?? 'memory://' });

/** What a text came to. */
export interface Summary {
  readonly topic: string;
  readonly words: number;
}

export class Writer extends TaskService {
  @Task('write', { timeLimit: '5m' })
  async *write(topic: string): AsyncGenerator<string, Summary> {
    let words = 0;
    for await (const word of model(topic, this.signal)) {
      yield word;
      words++;
    }
    return { topic, words };
  }
}

export const writer = app.register(new Writer());
