import type { KnowledgeFormat } from '../database/tables-knowledge.ts';
import type { Reader } from './piece.ts';
import { CsvReader } from './read-csv.ts';
import { HtmlReader } from './read-html.ts';
import { JsonLinesReader } from './read-jsonl.ts';
import { MarkdownReader } from './read-markdown.ts';
import { TextReader } from './read-text.ts';

const READERS: Record<KnowledgeFormat, () => Reader> = {
  csv: () => new CsvReader(),
  html: () => new HtmlReader(),
  jsonl: () => new JsonLinesReader(),
  markdown: () => new MarkdownReader(),
  text: () => new TextReader(),
};

/** Media types that files come in, and what they are read as. */
export const MEDIA_TYPES: Readonly<Record<string, KnowledgeFormat>> = {
  'application/jsonl': 'jsonl',
  'application/x-ndjson': 'jsonl',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'markdown',
  'text/plain': 'text',
};

/** A reader at the beginning of a file. */
export function readerOf(format: KnowledgeFormat): Reader {
  return READERS[format]();
}
