/**
 * The commands that a process started later must receive to match the others. The list grows with the number of
 * queues and tasks, never with the number of changes: a schedule that scales every minute leaves one entry.
 */
import type { CommandName, Commands } from '../../control/commands.js';

/** A command and its arguments. */
export interface LastingCommand {
  readonly command: CommandName;
  readonly args: object;
}

/**
 * Key for the pool's size: a new range replaces the entry, and later additions and removals are summed in one number.
 */
const POOL = 'pool';

export class LastingCommands {
  /** By subject, in the order of the latest change. */
  readonly #commands = new Map<string, LastingCommand>();

  /** @param consumes whether a new process consumes this queue anyway */
  constructor(private readonly consumes: (queue: string) => boolean) {}

  /** Notes a command; ignores those that do not matter to a later process. */
  note(command: CommandName, args: object): void {
    const { n = 0, queue = '' } = args as { n?: number; queue?: string };
    if (command === 'poolGrow') this.#addToPool(n);
    if (command === 'poolShrink') this.#addToPool(-n);
    if (command === 'autoscale') this.#commands.delete(POOL);
    const about = aboutOf(command, args);
    if (about === undefined) return;
    this.#commands.delete(about); // re-inserted at the end: the order is that of the latest changes
    if (command !== 'cancelConsumer' || this.consumes(queue)) this.#commands.set(about, { command, args });
  }

  /** All noted commands, in order. */
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

/** The subject of a command: the latest command on a subject replaces the others. */
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
      // A change of one limit must not replace an earlier change of the other.
      return `${Object.keys(changed).sort()} of ${task}`;
    default:
      return undefined;
  }
}

function signed({ command, args }: LastingCommand): number {
  const { n } = args as Commands['poolGrow']['args'];
  return command === 'poolGrow' ? n : -n;
}
