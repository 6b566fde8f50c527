import { fit, plain } from './text.ts';

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

const escaped = (text: string) => plain(text).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

/** Markup that is finished. Only this module makes it of text, so no text gets in unescaped. */
export class Markup {
  readonly xml: string;
  constructor(xml: string) {
    this.xml = xml;
  }
}

type Attributes = Record<string, string | number | undefined>;

/** An element; strings among its children are text. Numbers are rounded to a tenth of a pixel. */
export function element(name: string, attributes: Attributes, ...children: readonly (Markup | string)[]): Markup {
  const written = Object.entries(attributes).map(([key, value]) => {
    if (value === undefined) return '';
    return ` ${key}="${typeof value === 'number' ? Math.round(value * 10) / 10 : escaped(value)}"`;
  });
  const inner = children.map((child) => (typeof child === 'string' ? escaped(child) : child.xml)).join('');
  return new Markup(inner === '' ? `<${name}${written.join('')}/>` : `<${name}${written.join('')}>${inner}</${name}>`);
}

export const group = (...children: readonly Markup[]): Markup => element('g', {}, ...children);

/** A group that tells more when the pointer rests on it. */
export const titled = (title: string, ...children: readonly Markup[]): Markup =>
  element('g', {}, element('title', {}, title), ...children);

export interface TextBox {
  x: number;
  /** Of the base line. */
  y: number;
  /** Of the font, in pixels. */
  size: number;
  /** What is wider is cut with an ellipsis. */
  room?: number;
  weight?: 'bold';
  fill?: string;
  anchor?: 'middle' | 'end';
  /** Keeps lines that cross it from the letters. */
  halo?: string;
  struck?: boolean;
}

/** How much wider bold letters are. */
const BOLD = 1.1;

/** One line of text. */
export function line(content: string, box: TextBox): Markup {
  return element(
    'text',
    {
      x: box.x,
      y: box.y,
      'font-size': box.size,
      'font-weight': box.weight,
      fill: box.fill,
      'text-anchor': box.anchor,
      'text-decoration': box.struck ? 'line-through' : undefined,
      ...(box.halo ? { stroke: box.halo, 'stroke-width': 5, 'paint-order': 'stroke', 'stroke-linejoin': 'round' } : {}),
    },
    box.room === undefined ? content : fit(content, box.room, box.size * (box.weight ? BOLD : 1)),
  );
}
