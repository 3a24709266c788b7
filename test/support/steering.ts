/** What in a text would steer a terminal: control characters but line breaks, and marks that turn the direction. */
export function steering(text: string): string[] {
  const found = [...text].filter((char) => {
    const code = char.codePointAt(0) ?? 0;
    const control = code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0x2028 || code === 0x2029;
    return (
      (control && char !== '\n') || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)
    );
  });
  return found.map((char) => JSON.stringify(char));
}
