import { Parser } from 'htmlparser2';
import { LONGEST_BLOCK, LONGEST_CONTEXT } from './limits.ts';
import { excerpt, type Piece, type RawLine, type Reader } from './piece.ts';
import { endRow, type Table } from './read-html-table.ts';
import { passagesOf } from './sentences.ts';
import { addStyleRules, isUnseen, type Look, lookOf, PLAIN_LOOK, type StyleRules } from './visibility.ts';

const BLOCKS: ReadonlySet<string> = new Set(
  (
    'address article aside blockquote body br button caption center dd details dialog dir div dl dt fieldset figcaption figure footer ' +
    'form h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol optgroup option p pre section select summary table tbody ' +
    'textarea tfoot thead title tr ul'
  ).split(' '),
);
const HEADING = /^h[1-6]$/;
/** Elements inside each other; no page has so many, and the time that more take grows with their square. */
const DEEPEST = 1_000;

/** What stands in these is no text that somebody hid. */
const FOR_MACHINES: ReadonlySet<string> = new Set(['script', 'style']);

class TooDeep extends Error {}

interface Element {
  tag: string;
  look: Look;
}

/**
 * HTML to text, as a reader of the page sees it: blocks become facts under their nearest heading, rows of tables with a header become
 * rows. What is hidden (by markup or by rules with simple selectors, comments, scripts) is left out and reported. The document is
 * parsed line by line; each piece of text has the lines on which it stood.
 */
export class HtmlReader implements Reader {
  readonly #parser: Parser;
  readonly #rules: StyleRules = new Map();
  #pieces: Piece[] = [];
  #stack: Element[] = [];
  #block: { line: number; text: string }[] = [];
  #context = '';
  /** The headings over what comes next, the outermost first. */
  #outline: { tag: string; text: string }[] = [];
  #line = 1;
  #sheet = '';
  #unseen: { text: string; line: number; tag: string } | null = null;
  #table: Table | null = null;
  #tables = 0;
  #blockLength = 0;
  #isTooDeep = false;

  constructor() {
    this.#parser = new Parser({
      onopentag: (tag, attributes) => this.#open(tag, attributes),
      onclosetag: (tag) => this.#close(tag),
      ontext: (text) => this.#text(text),
      oncomment: (text) => this.#report(this.#line, 'comment', text),
    });
  }

  push({ line, text }: RawLine): Piece[] {
    return this.feed(line, `${text}\n`);
  }

  /** Markup that stands on one line. */
  feed(line: number, markup: string): Piece[] {
    if (this.#isTooDeep) return [];
    this.#line = line;
    try {
      this.#parser.write(markup);
    } catch (error) {
      if (!(error instanceof TooDeep)) throw error;
      this.#giveUp();
    }
    return this.#pieces.splice(0);
  }

  /** Ends the block that is open, whatever the markup says. */
  endBlock(): Piece[] {
    this.#flush();
    return this.#pieces.splice(0);
  }

  /** The heading over what comes next. */
  get context(): string {
    return this.#context;
  }

  /** Whether what comes next is inside something that is not seen. */
  get isHidden(): boolean {
    return isUnseen(this.#look());
  }

  end(): Piece[] {
    if (!this.#isTooDeep) this.#parser.end();
    this.#flush();
    this.#reportUnseen();
    return this.#pieces.splice(0);
  }

  #look(): Look {
    return this.#stack.at(-1)?.look ?? PLAIN_LOOK;
  }

  #open(tag: string, attributes: Record<string, string>): void {
    // The title of the page is seen, though its head is not.
    const look = tag === 'title' ? PLAIN_LOOK : lookOf(tag, attributes, this.#look(), this.#rules);
    this.#stack.push({ tag, look });
    if (this.#stack.length > DEEPEST) throw new TooDeep();
    if (tag === 'style') this.#sheet = '';
    if (look.hidden) return;
    if (BLOCKS.has(tag)) this.#boundary();
    this.#openTable(tag);
  }

  #close(tag: string): void {
    const { look } = this.#stack.pop() ?? { look: PLAIN_LOOK };
    if (tag === 'style') addStyleRules(this.#sheet, this.#rules);
    if (isUnseen(look) && !isUnseen(this.#look())) this.#reportUnseen();
    if (look.hidden) return;
    if (HEADING.test(tag) || tag === 'title' || tag === 'caption') this.#endHeading(tag);
    else if (BLOCKS.has(tag)) this.#boundary();
    this.#closeTable(tag);
  }

  #text(text: string): void {
    const { tag, look } = this.#stack.at(-1) ?? { tag: '', look: PLAIN_LOOK };
    if (tag === 'style') this.#sheet += text;
    if (isUnseen(look)) {
      if (FOR_MACHINES.has(tag)) return;
      this.#unseen ??= { text: '', line: this.#line, tag };
      this.#unseen.text += text;
      if (this.#unseen.text.length > LONGEST_BLOCK) this.#reportUnseen();
    } else if (this.#table && this.#table.cell !== null) this.#addToCell(this.#table, text);
    else if (text.trim() !== '' || this.#block.length > 0) this.#addToBlock(text);
  }

  /** A cell with so much in it lays out a page; what comes then is a block like others. */
  #addToCell(table: Table, text: string): void {
    table.cell += text;
    if ((table.cell?.length ?? 0) <= LONGEST_BLOCK) return;
    this.#pieces.push(
      ...passagesOf([{ line: this.#line, text: table.cell ?? '' }]).map((passage) => ({
        segment: { ...passage, line: table.line, context: this.#context },
      })),
    );
    table.cell = '';
  }

  #addToBlock(text: string): void {
    const last = this.#block.at(-1);
    if (last?.line === this.#line) last.text += text;
    else this.#block.push({ line: this.#line, text });
    this.#blockLength += text.length;
    if (this.#blockLength > LONGEST_BLOCK) this.#flush();
  }

  /** A block begins or ends: what is in it is a piece; inside a cell it only parts words. */
  #boundary(): void {
    if (this.#table && this.#table.cell !== null) this.#table.cell += ' ';
    else this.#flush();
  }

  #flush(): void {
    for (const passage of passagesOf(this.#block))
      if (/[\p{L}\p{N}]/u.test(passage.text))
        this.#pieces.push({ segment: { ...passage, context: this.#context, outer: this.#outer } });
    this.#block = [];
    this.#blockLength = 0;
  }

  get #outer(): string[] {
    const texts = this.#outline.map(({ text }) => text).toReversed();
    return texts.filter((text) => text !== this.#context);
  }

  #endHeading(tag: string): void {
    const text = this.#block.map((part) => part.text).join(' ');
    this.#block = [];
    this.#blockLength = 0;
    this.#context = text.replaceAll(/\s+/g, ' ').trim().slice(0, LONGEST_CONTEXT).toWellFormed();
    if (HEADING.test(tag))
      this.#outline = [...this.#outline.filter((over) => over.tag < tag), { tag, text: this.#context }];
  }

  /** Tables inside tables lay out a page: their cells are blocks like others. */
  #openTable(tag: string): void {
    if (tag === 'table') {
      this.#tables += 1;
      if (this.#tables === 1)
        this.#table = { header: [], cells: [], cell: null, isHeaderCell: false, line: this.#line };
    }
    if (!this.#table || this.#tables > 1) return;
    if (tag === 'tr') Object.assign(this.#table, { cells: [], line: this.#line });
    if (tag === 'td' || tag === 'th') Object.assign(this.#table, { cell: '', isHeaderCell: tag === 'th' });
  }

  #closeTable(tag: string): void {
    const table = this.#table;
    if (tag === 'table') {
      this.#tables -= 1;
      if (this.#tables === 0) this.#table = null;
    }
    if (!table || this.#tables > 1) return;
    if ((tag === 'td' || tag === 'th') && table.cell !== null) {
      table.cells.push({ text: table.cell.replaceAll(/\s+/g, ' ').trim(), isHeader: table.isHeaderCell });
      table.cell = null;
    }
    if (tag === 'tr') this.#pieces.push(...endRow(table, this.#line, this.#context));
  }

  /** What is hidden and what is seen cannot be told any more: nothing else of the file is taken. */
  #giveUp(): void {
    this.#isTooDeep = true;
    this.#flush();
    this.#pieces.push({
      problem: {
        line: this.#line,
        code: 'HTML_TOO_DEEP',
        message: `more than ${DEEPEST} elements stand inside each other; the file was left out from here on`,
        mend: 'close the elements that are open, and send the file again',
      },
    });
  }

  #reportUnseen(): void {
    if (this.#unseen) this.#report(this.#unseen.line, this.#unseen.tag, this.#unseen.text);
    this.#unseen = null;
  }

  #report(line: number, tag: string, text: string): void {
    if (!/[\p{L}\p{N}]/u.test(text)) return;
    const what = tag === 'comment' ? 'a comment' : `hidden text in <${tag}>`;
    this.#pieces.push({
      problem: {
        line,
        code: 'HIDDEN_TEXT',
        message: `${what} of ${text.trim().length} characters was left out: "${excerpt(text)}"`,
        mend: 'nothing, if people are not to read it; otherwise make it visible',
      },
    });
  }
}
