import { expect } from '@jest/globals';

const NAME = '[a-zA-Z][a-zA-Z-]*';
const TOKEN = new RegExp(
  `<\\?xml [^?<>]*\\?>|<(${NAME})(?: ${NAME}="(?:[^"<&]|&(?:amp|lt|gt|quot|apos);)*")*(/?)>|</(${NAME})>|[^<>&]+|&(?:amp|lt|gt|quot|apos);`,
  'y',
);

/** Fails unless the text is one element in which everything is closed and escaped (well-formed XML 1.0, as far as this service writes it). */
export function expectWellFormed(xml: string): void {
  // oxlint-disable-next-line no-control-regex
  expect(xml).not.toMatch(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/);
  expect(xml.isWellFormed()).toBe(true);
  const open: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < xml.length) {
    const at = TOKEN.lastIndex;
    const found = TOKEN.exec(xml);
    if (!found) throw new Error(`not well-formed at: ${xml.slice(at, at + 80)}`);
    const [, opened, closes, closed] = found;
    if (opened !== undefined && closes === '') open.push(opened);
    if (closed !== undefined && closed !== open.pop()) throw new Error(`${closed} is closed where it is not open`);
  }
  expect(open).toEqual([]);
}
