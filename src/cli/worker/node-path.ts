/**
 * Paths that name their node: `/var/log/%n.log`, as Celery's `--logfile` and `--pidfile` take them. Pure.
 */
import { resolve } from 'node:path';
import { OptionError } from '../../errors.js';

/**
 * The path with `%n` (the node's name before the @), `%h` (the host behind it), `%d` (the host's domain), `%p` (the
 * whole name) and `%%` replaced; absolute.
 * @param flag for errors
 * @param node such as `mail@web1.example.com`
 * @throws {OptionError} for any other `%`
 */
export function nodePath(flag: string, path: string, node: string): string {
  const [name = node, host = ''] = splitOnce(node, '@');
  const [, domain = ''] = splitOnce(host, '.');
  const values = new Map([
    ['n', name],
    ['h', host],
    ['d', domain],
    ['p', node],
    ['%', '%'],
  ]);
  const named = path.replace(/%(.?)/g, (_all, key: string) => {
    const value = values.get(key);
    // A name must not lead to another folder.
    if (value !== undefined) return value.replaceAll(/[/\\]/g, '_');
    throw new OptionError(
      `${flag}: "%${key}" means nothing. Use %n (the name before the @), %h (host), %d (domain) or %p (all of it).`,
    );
  });
  return resolve(named);
}

function splitOnce(text: string, mark: string): string[] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + mark.length)];
}
