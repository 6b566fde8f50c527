import { isJsonObject, walkJson } from '../shared/json.ts';
import { messageOf } from '../shared/errors.ts';
import { excerpt, storable, type Piece, type RawLine, type Reader } from './piece.ts';
import { rowPieces } from './rows.ts';
import { passagesOf } from './sentences.ts';

/** Of one object, at most; of what is nested deeper or comes later nothing is told. */
const MOST_FIELDS = 64;
const DEEPEST = 6;

/** JSON Lines: an object is a row, a text is text. */
export class JsonLinesReader implements Reader {
  push({ line, text }: RawLine): Piece[] {
    if (text.trim() === '') return [];
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return [{ problem: broken(line, text, messageOf(error)) }];
    }
    if (typeof value === 'string')
      return passagesOf([{ line, text: storable(value) }]).map((segment) => ({ segment: { ...segment, context: '' } }));
    if (!isJsonObject(value)) return [{ problem: broken(line, text, 'neither an object nor a text') }];
    return rowPieces(line, line, fieldsOf(value));
  }

  end(): Piece[] {
    return [];
  }
}

function broken(line: number, text: string, why: string) {
  return {
    line,
    code: 'JSON_BROKEN' as const,
    message: `the line is no JSON object (${excerpt(why)}) and was left out: "${excerpt(text)}"`,
    mend: 'write one whole JSON object a line, without commas between the lines',
  };
}

/** Names with dots for what is nested; items of a list are told together. */
function fieldsOf(value: unknown): [string, string][] {
  const fields = new Map<string, string[]>();
  walkJson(value, (place) => {
    const item = place.value;
    if (typeof item === 'object') return place.depth > DEEPEST ? false : undefined;
    const name = place
      .keys()
      .filter((key) => typeof key === 'string')
      .join('.');
    const told = typeof item === 'string' ? item : JSON.stringify(item);
    const known = fields.get(name);
    if (known) known.push(told);
    else if (fields.size < MOST_FIELDS) fields.set(name, [told]);
    return undefined;
  });
  return [...fields].map(([name, values]) => [storable(name), storable(values.join(', '))]);
}
