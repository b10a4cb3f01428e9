// Strings and names in Cedar's own syntax (language reference: strings, identifiers).

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0' };
const ESCAPE = /\\(?:u\{([\da-f]{1,6})\}|x([\da-f]{2})|(.))/gisu;

/** The text that a string literal stands for. */
export const unquoted = (literal: string): string =>
  literal
    .slice(1, -1)
    .replaceAll(ESCAPE, (_, ...[unicode, hex, one = '']: readonly (string | undefined)[]) =>
      unicode === undefined && hex === undefined ? (ESCAPES[one] ?? one) : String.fromCodePoint(Number.parseInt(unicode ?? hex ?? '', 16)),
    );

/** A string literal for any well-formed text, on one line and with nothing invisible in it. */
export const quoted = (text: string): string =>
  `"${text.replaceAll(/["\\]|(?! )[\p{C}\p{Z}]/gu, (character) =>
    character === '"' || character === '\\' ? `\\${character}` : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )}"`;

const RESERVED: ReadonlySet<string> = new Set(['true', 'false', 'if', 'then', 'else', 'in', 'is', 'like', 'has', '__cedar']);
const isIdentifier = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name) && !RESERVED.has(name);

/** `.name`, or `["a name"]` */
export const member = (name: string): string => (isIdentifier(name) ? `.${name}` : `[${quoted(name)}]`);

/** What stands right of `has`. */
export const memberName = (name: string): string => (isIdentifier(name) ? name : quoted(name));
