import { setImmediate } from 'node:timers/promises';
import { Parser } from 'htmlparser2';
import { clean } from '../../../knowledge/clean.ts';
import { isKnownCharset } from '../../../knowledge/lines.ts';
import type { Piece, Reader } from '../../../knowledge/piece.ts';
import { HtmlReader } from '../../../knowledge/read-html.ts';
import { MarkdownReader } from '../../../knowledge/read-markdown.ts';
import { TextReader } from '../../../knowledge/read-text.ts';
import { jsonPath, walkJson } from '../../../shared/json.ts';
import { ToolError } from '../tool.ts';

/** Media types that are read as text. */
export const PAGE_TYPES = ['text/html', 'text/plain', 'text/markdown', 'application/json'] as const;

/** A piece of a page that can stand alone. */
export interface PagePassage {
  /** As people read it. */
  text: string;
  /** The heading over it; empty without one. */
  context: string;
  /** What characters that nobody sees spelt out in it; empty for ordinary text. */
  invisible: string;
}

export interface PageText {
  /** Empty where the page has none. */
  title: string;
  passages: PagePassage[];
  /** Pieces of hidden text and comments, which were left out. */
  hidden: number;
}

const LONGEST_TITLE = 200;
/** Characters read at once; between two such the process does other work. */
const PORTION = 32_768;
const MOST_LEAVES = 2_000;
const LONGEST_LEAF = 600;

/**
 * The text of a page as its readers see it, in pieces. Hidden text is left out.
 * @param page `mediaType` is one of {@link PAGE_TYPES}
 * @throws {ToolError} TOOL_ANSWER_INVALID for JSON that is none
 */
export async function readPage(page: { mediaType: string; charset: string | null; body: Buffer }): Promise<PageText> {
  const isHtml = page.mediaType === 'text/html';
  const text = decode(page.body, page.charset ?? (isHtml ? declaredCharset(page.body) : null));
  if (page.mediaType === 'application/json') return { title: '', passages: passagesOfJson(text), hidden: 0 };
  if (isHtml) return { title: titleOf(text), ...(await read(text, new HtmlReader())) };
  const isMarkdown = page.mediaType === 'text/markdown';
  const [, heading = ''] = (isMarkdown && /^#[ \t]+(.+)$/m.exec(text)) || [];
  return { title: shown(heading), ...(await read(text, isMarkdown ? new MarkdownReader() : new TextReader())) };
}

async function read(text: string, reader: Reader): Promise<Omit<PageText, 'title'>> {
  const passages: PagePassage[] = [];
  let hidden = 0;
  const take = (pieces: readonly Piece[]) => {
    for (const piece of pieces)
      if ('segment' in piece) passages.push(passageOf(piece.segment.context, piece.segment.text));
      else hidden += 1;
  };
  let sinceRest = 0;
  for (const [at, line] of text.split(/\r\n|\r|\n/).entries()) {
    for (const part of portionsOf(line, reader)) {
      take(part.isWhole ? reader.push({ line: at + 1, text: part.text }) : part.feed(at + 1));
      sinceRest += part.text.length;
      if (sinceRest < PORTION) continue;
      sinceRest = 0;
      await setImmediate();
    }
  }
  take(reader.end());
  return { passages, hidden };
}

interface Portion {
  text: string;
  isWhole: boolean;
  feed(line: number): Piece[];
}

/** Pages without line ends are common: a long line of markup is read bit by bit. */
function portionsOf(line: string, reader: Reader): Portion[] {
  if (line.length <= PORTION || !(reader instanceof HtmlReader)) return [{ text: line, isWhole: true, feed: () => [] }];
  const portions: Portion[] = [];
  for (let at = 0; at < line.length; at += PORTION) {
    const text = line.slice(at, at + PORTION);
    portions.push({ text, isWhole: false, feed: (number) => reader.feed(number, text) });
  }
  return portions;
}

function passageOf(context: string, given: string): PagePassage {
  return { ...clean(given), context: clean(context).text };
}

/** By byte order mark, else by the name that the page or its server gives; wrong bytes become U+FFFD. */
function decode(body: Buffer, charset: string | null): string {
  const marked =
    body[0] === 0xff && body[1] === 0xfe ? 'utf-16le' : body[0] === 0xfe && body[1] === 0xff ? 'utf-16be' : null;
  const named = charset !== null && isKnownCharset(charset) ? charset : 'utf-8';
  return new TextDecoder(marked ?? named).decode(body);
}

/** What `<meta charset>` says; looked for as far as HTML asks for it (1,024 bytes). */
function declaredCharset(body: Buffer): string | null {
  const start = body.subarray(0, 1_024).toString('latin1');
  return /<meta[^>]+charset\s*=\s*["']?([\w.:-]+)/i.exec(start)?.[1] ?? null;
}

function titleOf(html: string): string {
  let title = '';
  let state: 'before' | 'inside' | 'after' = 'before';
  const parser = new Parser({
    onopentagname: (name) => {
      if (state === 'before' && name === 'title') state = 'inside';
    },
    ontext: (text) => {
      if (state === 'inside') title += text;
    },
    onclosetag: (name) => {
      if (state === 'inside' && name === 'title') state = 'after';
    },
  });
  // A title stands at the beginning, or it is none.
  parser.end(html.slice(0, 4 * PORTION));
  return shown(title);
}

const shown = (title: string) => clean(title).text.slice(0, LONGEST_TITLE).toWellFormed();

/** Each value with the names that lead to it. @throws {ToolError} TOOL_ANSWER_INVALID */
export function passagesOfJson(text: string): PagePassage[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ToolError('TOOL_ANSWER_INVALID', 'The server says that it gave JSON, which it is not.', { cause: error });
  }
  return leavesOf(json);
}

/** Every text, number and truth value of a JSON value, as `path: value`. */
export function leavesOf(json: unknown): PagePassage[] {
  const leaves: PagePassage[] = [];
  walkJson(json, ({ value, ...place }) => {
    if (leaves.length >= MOST_LEAVES) return false;
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined;
    const path = jsonPath(place.keys());
    const { text, invisible } = clean(`${path === '' ? '' : `${path}: `}${value}`);
    if (value !== '') leaves.push({ text: text.slice(0, LONGEST_LEAF).toWellFormed(), context: '', invisible });
    return undefined;
  });
  return leaves;
}
