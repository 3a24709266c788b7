/** A word that no shell splits or expands: in single quotes. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", '’')}'`;
}
