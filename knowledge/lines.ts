import { LONGEST_LINE } from './limits.ts';
import { excerpt, type LineProblem, type RawLine } from './piece.ts';

export type DecodedLine = RawLine | { problem: LineProblem };

interface Encoding {
  label: string;
  /** Bytes of a unit: line ends are looked for in whole units. */
  unit: 1 | 2;
  littleEndian: boolean;
}

const UTF_8: Encoding = { label: 'utf-8', unit: 1, littleEndian: true };
const UTF_16_LE: Encoding = { label: 'utf-16le', unit: 2, littleEndian: true };
const UTF_16_BE: Encoding = { label: 'utf-16be', unit: 2, littleEndian: false };
const MARKS: readonly [Encoding, readonly number[]][] = [
  [UTF_8, [0xef, 0xbb, 0xbf]],
  [UTF_16_LE, [0xff, 0xfe]],
  [UTF_16_BE, [0xfe, 0xff]],
];
const SNIFFED_BYTES = 512;
const LF = 0x0a;
const CR = 0x0d;
/** No column of text can hold it. */
const NUL = /\0/g;
const CONTROL_OR_SPACE = /^[\s\p{Cc}]*$/u;
const CONTROL = /(?!\s)\p{Cc}/u;

/** Whether text in this charset can be read; what comes in a Content-Type. */
export function isKnownCharset(label: string): boolean {
  try {
    return new TextDecoder(label).encoding !== 'iso-2022-jp';
  } catch {
    return false;
  }
}

function encodingOf(label: string): Encoding {
  const { encoding } = new TextDecoder(label);
  return [UTF_16_LE, UTF_16_BE].find((each) => each.label === encoding) ?? { ...UTF_8, label: encoding };
}

/**
 * Cuts the bytes of a file into lines and decodes each by itself, so that bytes which are wrong spoil one line only. A byte order
 * mark decides on the encoding, then the charset that the sender names, then what UTF-16 without a mark looks like; else it is
 * UTF-8. Lines end with LF, CR LF or CR. Holds no more than one line.
 */
export class LineDecoder {
  readonly #given: string | undefined;
  #encoding: Encoding | null = null;
  #decoder = new TextDecoder();
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #tooLong = false;
  /** Bytes before the encoding is known, or half a unit. */
  #rest = new Uint8Array(0);
  #afterCr = false;
  #line = 0;

  /** @param charset as the sender names it, one that {@link isKnownCharset} */
  constructor(charset?: string) {
    this.#given = charset;
  }

  /** Lines begun so far. */
  get lines(): number {
    return this.#line + (this.#pendingBytes > 0 || this.#tooLong ? 1 : 0);
  }

  push(chunk: Uint8Array): DecodedLine[] {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (!this.#encoding && bytes.length < SNIFFED_BYTES) {
      this.#rest = Uint8Array.from(bytes);
      return [];
    }
    return this.#take(bytes);
  }

  end(): DecodedLine[] {
    const lines = this.#take(this.#rest, true);
    if (this.#pendingBytes > 0 || this.#tooLong) lines.push(this.#finish());
    return lines;
  }

  #take(given: Uint8Array, last = false): DecodedLine[] {
    const bytes = this.#encoding ? given : this.#begin(given);
    const encoding = this.#encoding ?? UTF_8;
    const whole = last ? bytes.length : bytes.length - (bytes.length % encoding.unit);
    this.#rest = Uint8Array.from(bytes.subarray(whole));
    const lines: DecodedLine[] = [];
    let start = 0;
    for (let at = 0; at < whole; at += encoding.unit) {
      const code = unitAt(bytes, at, encoding);
      if (code === LF && this.#afterCr && at === start) start += encoding.unit;
      else if (code === LF || code === CR) {
        this.#hold(bytes.subarray(start, at));
        lines.push(this.#finish());
        start = at + encoding.unit;
      }
      this.#afterCr = code === CR;
    }
    this.#hold(bytes.subarray(start, whole));
    return lines;
  }

  /** Settles the encoding and returns what follows the byte order mark. */
  #begin(bytes: Uint8Array): Uint8Array {
    const [marked, mark] = MARKS.find(([, signs]) => signs.every((sign, at) => bytes[at] === sign)) ?? [];
    this.#encoding = marked ?? (this.#given === undefined ? unmarkedEncoding(bytes) : encodingOf(this.#given));
    this.#decoder = new TextDecoder(this.#encoding.label, { fatal: true, ignoreBOM: true });
    return bytes.subarray(mark?.length ?? 0);
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#tooLong) return;
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes > LONGEST_LINE) {
      this.#tooLong = true;
      this.#pending = [];
      // A copy: what is held must not keep the whole chunk.
    } else this.#pending.push(Uint8Array.from(bytes));
  }

  #finish(): DecodedLine {
    this.#line += 1;
    const bytes = Buffer.concat(this.#pending);
    const tooLong = this.#tooLong;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#tooLong = false;
    if (tooLong) return { problem: tooLongLine(this.#line) };
    try {
      const text = this.#decoder.decode(bytes);
      if (CONTROL_OR_SPACE.test(text) && CONTROL.test(text)) return { problem: controlAlone(this.#line) };
      return { line: this.#line, text: text.replaceAll(NUL, '').toWellFormed() };
    } catch {
      return { problem: undecodable(this.#line, bytes, this.#encoding ?? UTF_8) };
    }
  }
}

function unitAt(bytes: Uint8Array, at: number, { unit, littleEndian }: Encoding): number {
  const first = bytes[at] ?? 0;
  if (unit === 1) return first;
  const second = bytes[at + 1] ?? 0;
  return littleEndian ? first | (second << 8) : (first << 8) | second;
}

/** Text in Latin letters as UTF-16 has a zero in nearly every second byte; nothing else that is text has. */
function unmarkedEncoding(bytes: Uint8Array): Encoding {
  const sample = bytes.subarray(0, SNIFFED_BYTES);
  let even = 0;
  let odd = 0;
  for (const [at, byte] of sample.entries())
    if (byte === 0) {
      if (at % 2 === 0) even += 1;
      else odd += 1;
    }
  const many = sample.length / 4;
  if (sample.length >= 4 && odd > many && even < many / 8) return UTF_16_LE;
  if (sample.length >= 4 && even > many && odd < many / 8) return UTF_16_BE;
  return UTF_8;
}

function tooLongLine(line: number): LineProblem {
  return {
    line,
    code: 'LINE_TOO_LONG',
    message: `the line is longer than ${LONGEST_LINE} bytes and was left out`,
    mend: 'break it into several lines',
  };
}

function controlAlone(line: number): LineProblem {
  return {
    line,
    code: 'LINE_ENCODING',
    message: 'the line holds control characters alone and was left out',
    mend: 'send text: this looks like a file of another kind',
  };
}

function undecodable(line: number, bytes: Uint8Array, { label }: Encoding): LineProblem {
  const shown = excerpt(new TextDecoder(label).decode(bytes).replaceAll(NUL, ''));
  return {
    line,
    code: 'LINE_ENCODING',
    message: `the line is not ${label.toUpperCase()} and was left out: "${shown}"`,
    mend: 'save the file as UTF-8, or name its charset in Content-Type',
  };
}
