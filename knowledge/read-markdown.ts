import { marked, type Tokens } from 'marked';
import { LONGEST_BLOCK } from './limits.ts';
import { excerpt, type Piece, type RawLine, type Reader } from './piece.ts';
import { HtmlReader } from './read-html.ts';
import { rowPieces } from './rows.ts';

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}#{1,6}\s/;
const UNDERLINE = /^ {0,3}(=+|-{2,})\s*$/;
const BULLET = /^\s*(?:[-*+]|\d{1,9}[.)])\s+/;
const DELIMITER_ROW = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/**
 * Markdown (GitHub's): each block is rendered by itself and read as HTML, so that what a page would hide is hidden here too, also
 * where markup opens in one block and closes in another. Tables become rows.
 */
export class MarkdownReader implements Reader {
  readonly #html = new HtmlReader();
  #block: RawLine[] = [];
  #fence: string | null = null;
  #length = 0;
  #isInComment = false;

  push(line: RawLine): Piece[] {
    const { text } = line;
    const pieces: Piece[] = [];
    const isInside = this.#fence !== null || this.#isInComment;
    const gap = this.#block.length > 0 && line.line !== (this.#block.at(-1)?.line ?? 0) + 1;
    if (gap || this.#length > LONGEST_BLOCK || (!isInside && this.#begins(text))) pieces.push(...this.#flush());
    this.#trackFence(text);
    if (text.trim() === '' && !isInside) return pieces;
    this.#block.push(line);
    this.#length += text.length;
    if (text.includes('<!--') || text.includes('-->'))
      this.#isInComment = text.lastIndexOf('<!--') > text.lastIndexOf('-->');
    const isUnderlined = !isInside && this.#block.length > 1 && UNDERLINE.test(text);
    if (!isInside && this.#fence === null && (HEADING.test(text) || isUnderlined)) pieces.push(...this.#flush());
    return pieces;
  }

  end(): Piece[] {
    return [...this.#flush(), ...this.#html.end()];
  }

  /** Whether a line begins a block of its own. */
  #begins(text: string): boolean {
    if (text.trim() === '' || HEADING.test(text) || BULLET.test(text) || FENCE.test(text)) return true;
    const last = this.#block.at(-1)?.text ?? '';
    return last.trimStart().startsWith('>') !== text.trimStart().startsWith('>');
  }

  #trackFence(text: string): void {
    const [, fence] = FENCE.exec(text) ?? [];
    if (fence === undefined) return;
    if (this.#fence === null) this.#fence = fence;
    else if (fence.startsWith(this.#fence) && text.trim() === fence) this.#fence = null;
  }

  #flush(): Piece[] {
    const block = this.#block;
    this.#block = [];
    this.#fence = null;
    this.#isInComment = false;
    this.#length = 0;
    const [first] = block;
    if (!first) return [];
    if (block.length > 1 && DELIMITER_ROW.test(block[1]?.text ?? '') && first.text.includes('|'))
      return this.#table(block);
    return this.#prose(block);
  }

  #prose(block: readonly RawLine[]): Piece[] {
    const source = block.map(({ text }) => text.replace(/^ {4,}|\t/, ' ')).join('\n');
    const rendered = source.length > LONGEST_BLOCK ? null : rendering(source);
    if (rendered === null) return block.flatMap(({ line, text }) => this.#html.feed(line, `${text}\n`));
    // Rendering keeps the line ends of prose, so that the lines of the source can be followed.
    const html = rendered.replace(/^(<(?:[uo]l|blockquote)[^>]*>)\n/, '$1');
    const before = FENCE.test(block[0]?.text ?? '') ? 1 : 0;
    const pieces: Piece[] = [];
    for (const [at, text] of html.split('\n').entries())
      pieces.push(...this.#html.feed(block[Math.min(at + before, block.length - 1)]?.line ?? 1, `${text}\n`));
    return [...pieces, ...this.#html.endBlock()];
  }

  #table(block: readonly RawLine[]): Piece[] {
    const table = marked.lexer(block.map(({ text }) => text).join('\n')).find((token) => token.type === 'table') as
      | Tokens.Table
      | undefined;
    if (!table) return this.#prose(block);
    const pieces = this.#html.endBlock();
    const header = table.header.map((cell) => visibleText(cell, pieces, block[0]?.line ?? 1));
    for (const [at, row] of table.rows.entries()) {
      const line = block[at + 2]?.line ?? 1;
      const cells = row.map((cell, column) => [header[column] ?? '', visibleText(cell, pieces, line)] as const);
      if (this.#html.isHidden) pieces.push({ problem: hiddenRow(line, cells) });
      else pieces.push(...rowPieces(line, line, cells));
    }
    return pieces;
  }
}

/** null: so deeply nested that it cannot be parsed; it is then taken as it is. */
function rendering(source: string): string | null {
  try {
    return marked.parse(source, { async: false, gfm: true });
  } catch {
    return null;
  }
}

/** The text of a cell; what is hidden in it goes to the pieces as a problem. */
function visibleText(cell: Tokens.TableCell, pieces: Piece[], line: number): string {
  const reader = new HtmlReader();
  const found = [
    ...reader.feed(line, marked.parser([{ type: 'text', raw: '', text: '', tokens: cell.tokens }])),
    ...reader.end(),
  ];
  const texts: string[] = [];
  for (const piece of found)
    if ('segment' in piece) texts.push(piece.segment.text);
    else pieces.push(piece);
  return texts.join(' ');
}

function hiddenRow(line: number, cells: readonly (readonly [string, string])[]) {
  const text = cells.map(([, cell]) => cell).join(' ');
  return {
    line,
    code: 'HIDDEN_TEXT' as const,
    message: `a row of a hidden table was left out: "${excerpt(text)}"`,
    mend: 'nothing, if people are not to read it; otherwise make it visible',
  };
}
