import { spotsIn, type Gate } from '../gate.ts';

/** Each begins only where a word begins, so that no stretch of text is gone through more than once. */
const SECRETS: readonly RegExp[] = [
  /(?<![\w-])(?:AKIA|ASIA)[0-9A-Z]{16}(?![\w-])/g,
  /(?<![\w-])AIza[0-9A-Za-z_-]{35}/g,
  /(?<![\w-])(?:gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255})/g,
  /(?<![\w-])xox[abprs]-[0-9A-Za-z-]{10,250}/g,
  /(?<![\w-])sk-[0-9A-Za-z_-]{20,250}/g,
  /(?<![\w-])[rs]k_(?:live|test)_[0-9A-Za-z]{16,250}/g,
  /(?<![\w-])eyJ[\w-]{10,2000}\.eyJ[\w-]{10,2000}\.[\w-]{10,1000}/g,
  /-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----/g,
  /hooks\.slack\.com\/services\/[\w/]{10,100}/g,
  /(?<![\w-])(?:api[ _-]?key|secret|password|passwd|access[ _-]?token|client[ _-]?secret)\s?[:=]\s?["']?(?=\S{0,100}\d)[^\s"']{8,200}/gi,
];

/** Keys, tokens and passwords, wherever they stand. */
export const secrets: Gate = {
  name: 'secrets',
  version: 1,
  check({ passages }) {
    return spotsIn(passages, ({ text }) =>
      SECRETS.flatMap((secret) => Array.from(text.matchAll(secret))).map((found) => ({
        start: found.index,
        end: found.index + found[0].length,
        severity: 'critical',
        code: 'secret',
        message: 'What looks like a key, a token or a password.',
        mend: 'take it out, and make it invalid where it is accepted',
      })),
    );
  },
};
