/** How it looks: a bar per report in a terminal, plain lines anywhere else. Nothing here is about tasks. */
import { MultiBar, type SingleBar } from 'cli-progress';
import pc from 'picocolors';
import type { Progress } from './tasks.js';

export interface Show {
  note(text: string): void;
  progress(id: string, progress: Progress): void;
  done(id: string, result: string): void;
  end(): void;
}

export function showProgress(ids: readonly string[]): Show {
  return process.stdout.isTTY ? new Bars(ids) : new Lines();
}

class Bars implements Show {
  readonly #ids: readonly string[];
  readonly #multi: MultiBar;
  readonly #bars = new Map<string, SingleBar>();
  readonly #results: string[] = [];

  constructor(ids: readonly string[]) {
    this.#ids = ids;
    this.#multi = new MultiBar({
      format: `  ${pc.bold('{label}')}  ${pc.cyan('{bar}')}  {percentage}%  {status}`,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 32,
      autopadding: true,
      hideCursor: true,
    });
    process.once('SIGINT', () => {
      this.#multi.stop(); // gives the cursor back
      process.exit(130);
    });
  }

  note(text: string): void {
    console.log(`\n  ${pc.bold(pc.green('celeriac'))}  ${pc.dim(text)}\n`);
  }

  progress(id: string, { step, total, status }: Progress): void {
    const bar = this.#bar(id);
    bar.setTotal(total);
    bar.update(step, { status: pc.dim(status) });
  }

  done(id: string, result: string): void {
    const bar = this.#bar(id);
    bar.update(bar.getTotal(), { status: pc.green('done') });
    this.#results.push(result);
  }

  end(): void {
    this.#multi.stop();
    console.log();
    for (const result of this.#results) console.log(`  ${pc.green('✔')} ${result}`);
    console.log();
  }

  /** All bars appear together, with the first news. */
  #bar(id: string): SingleBar {
    if (this.#bars.size === 0) {
      for (const each of this.#ids) {
        const values = { label: `report ${each}`, status: pc.dim('waiting') };
        this.#bars.set(each, this.#multi.create(1, 0, values));
      }
    }
    return this.#bars.get(id) ?? this.#multi.create(1, 0, { label: `report ${id}`, status: '' });
  }
}

class Lines implements Show {
  readonly #last = new Map<string, string>();

  note(text: string): void {
    console.log(`celeriac: ${text}`);
  }

  progress(id: string, { step, total, status }: Progress): void {
    if (this.#last.get(id) === status) return;
    this.#last.set(id, status);
    console.log(`report ${id}: ${status} (${step}/${total})`);
  }

  done(_id: string, result: string): void {
    console.log(result);
  }

  end(): void {}
}
