/** A reporter for `node --test`: the file of each failed test, a line each. */
export default async function* failedFiles(source) {
  for await (const { type, data } of source) {
    if (type === 'test:fail' && data.file !== undefined) yield `${data.file}\n`;
  }
}
