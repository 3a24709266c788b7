/**
 * What a process that starts later must hear to work as the others do by now. It grows with what there is (queues, tasks),
 * never with how often it was changed: a schedule that scales by the minute leaves one entry.
 */
import type { CommandName, Commands } from '../../control/commands.js';

/** A command and its arguments. */
export interface LastingCommand {
  readonly command: CommandName;
  readonly args: object;
}

/** The pool's size: a range starts it anew, and what was added and taken since then is one number. */
const POOL = 'pool';

export class LastingCommands {
  /** By what they are about, in the order in which they came last. */
  readonly #commands = new Map<string, LastingCommand>();

  /** @param consumes whether a new process begins with this queue anyway */
  constructor(private readonly consumes: (queue: string) => boolean) {}

  /** Commands that say nothing to a later process are passed over. */
  note(command: CommandName, args: object): void {
    const { n = 0, queue = '' } = args as { n?: number; queue?: string };
    if (command === 'poolGrow') this.#addToPool(n);
    if (command === 'poolShrink') this.#addToPool(-n);
    if (command === 'autoscale') this.#commands.delete(POOL);
    const about = aboutOf(command, args);
    if (about === undefined) return;
    this.#commands.delete(about); // the order is that of the last ones
    if (command !== 'cancelConsumer' || this.consumes(queue)) this.#commands.set(about, { command, args });
  }

  /** All of it, in order. */
  get commands(): LastingCommand[] {
    return [...this.#commands.values()];
  }

  #addToPool(n: number): void {
    const known = this.#commands.get(POOL);
    const before = known === undefined ? 0 : signed(known);
    const sum = before + n;
    this.#commands.delete(POOL);
    if (sum > 0) this.#commands.set(POOL, { command: 'poolGrow', args: { n: sum } });
    if (sum < 0) this.#commands.set(POOL, { command: 'poolShrink', args: { n: -sum } });
  }
}

/** What a command is about, of which the last word counts. */
function aboutOf(command: CommandName, args: object): string | undefined {
  const { queue = '', task = '', ...changed } = args as { queue?: string; task?: string };
  switch (command) {
    case 'autoscale':
    case 'loglevel':
      return command;
    case 'addConsumer':
    case 'cancelConsumer':
      return `consumer of ${queue}`;
    case 'timeLimit':
      // One that says nothing of the other limit leaves it as those before have set it.
      return `${Object.keys(changed).sort()} of ${task}`;
    default:
      return undefined;
  }
}

function signed({ command, args }: LastingCommand): number {
  const { n } = args as Commands['poolGrow']['args'];
  return command === 'poolGrow' ? n : -n;
}
