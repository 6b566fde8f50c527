/** What decides whether the text of an element is seen, as far as it comes from the element's own markup and the page's style rules. */
export interface Look {
  /** Hidden with everything inside it. */
  hidden: boolean;
  /** Red, green and blue, 0 to 255; null: fully transparent. */
  color: Rgb | null;
  background: Rgb;
}

type Rgb = readonly [number, number, number];

/** Pages are white, and text on them is black, until something says otherwise. */
export const PLAIN_LOOK: Look = { hidden: false, color: [0, 0, 0], background: [255, 255, 255] };

/** Declarations by simple selector (`.note`, `#intro`, `small`). */
export type StyleRules = Map<string, string>;

/** Elements whose text is for machines. */
const UNSEEN: ReadonlySet<string> = new Set(
  'script style template noscript head object audio video canvas svg math iframe datalist'.split(' '),
);
/** Colours closer than this, summed over the three parts, cannot be told apart. */
const TOLD_APART = 48;
const NAMED: Readonly<Record<string, Rgb>> = {
  white: [255, 255, 255],
  snow: [255, 250, 250],
  ivory: [255, 255, 240],
  whitesmoke: [245, 245, 245],
  black: [0, 0, 0],
  red: [255, 0, 0],
  green: [0, 128, 0],
  blue: [0, 0, 255],
  gray: [128, 128, 128],
  grey: [128, 128, 128],
  yellow: [255, 255, 0],
};

/** Takes the rules with simple selectors out of a style sheet; others (nested, combined) are beyond what is looked at. */
export function addStyleRules(sheet: string, rules: StyleRules): void {
  const plain = sheet.replaceAll(/\/\*[\s\S]*?\*\//g, '');
  for (const [, selectors = '', body = ''] of plain.matchAll(/([^{}]+)\{([^{}]*)\}/g))
    for (const selector of selectors.split(','))
      if (/^\s*[.#]?[\w-]+\s*$/.test(selector)) {
        const name = selector.trim().toLowerCase();
        rules.set(name, `${rules.get(name) ?? ''};${body}`);
      }
}

/** How an element looks inside another one. */
export function lookOf(tag: string, attributes: Record<string, string>, outer: Look, rules: StyleRules): Look {
  if (outer.hidden) return outer;
  const style = declarationsOf(tag, attributes, rules);
  const background = colorOf(style.get('background-color') ?? style.get('background') ?? attributes['bgcolor']);
  const color = colorOf(style.get('color') ?? attributes['color']);
  return {
    hidden: UNSEEN.has(tag) || 'hidden' in attributes || hides(style),
    color: color === undefined ? outer.color : color,
    background: background ?? outer.background,
  };
}

/** Whether text that stands right in an element of this look cannot be read. */
export function isUnseen({ hidden, color, background }: Look): boolean {
  return hidden || color === null || isSame(color, background);
}

function declarationsOf(tag: string, attributes: Record<string, string>, rules: StyleRules): Map<string, string> {
  const selectors = [
    tag,
    ...(attributes['class'] ?? '').split(/\s+/).map((name) => `.${name}`),
    `#${attributes['id'] ?? ''}`,
  ];
  const texts = [...selectors.map((selector) => rules.get(selector.toLowerCase()) ?? ''), attributes['style'] ?? ''];
  const declarations = new Map<string, string>();
  for (const declaration of texts.join(';').split(';')) {
    const colon = declaration.indexOf(':');
    if (colon < 0) continue;
    const value = declaration.slice(colon + 1).replace(/!\s*important/i, '');
    declarations.set(declaration.slice(0, colon).trim().toLowerCase(), value.trim().toLowerCase());
  }
  return declarations;
}

const isTiny = (size: string | undefined) =>
  size !== undefined && /^(0*\.?0+|0*[01])(px|pt|em|rem|%|vh|vw)?$/.test(size);

function hides(style: ReadonlyMap<string, string>): boolean {
  const is = (name: string, pattern: RegExp) => pattern.test(style.get(name) ?? '');
  if (is('display', /^none/) || is('visibility', /^(hidden|collapse)/) || is('content-visibility', /^hidden/))
    return true;
  if (is('opacity', /^(0|0?\.0\d*|0+%)$/) || isZero(style.get('font-size'))) return true;
  const isCut = is('overflow', /hidden|clip/) || is('overflow-x', /hidden/) || is('overflow-y', /hidden/);
  if (isCut && ['width', 'height', 'max-width', 'max-height'].some((name) => isTiny(style.get(name)))) return true;
  if (is('position', /absolute|fixed/) && ['left', 'top', 'right', 'bottom'].some((name) => isFarOff(style.get(name))))
    return true;
  return (
    isFarOff(style.get('text-indent')) ||
    is('clip', /rect\(\s*[01](px)?[\s,]+[01](px)?[\s,]+[01](px)?[\s,]+[01](px)?\s*\)/) ||
    is('clip-path', /inset\(\s*(50|100)%/) ||
    is('transform', /scale\(\s*0(\.0+)?\s*[,)]|translate\w*\(\s*-\d{4,}px/)
  );
}

/** Text of one pixel is as unseen as text of none. */
function isZero(size: string | undefined): boolean {
  return size !== undefined && /^(0*\.?0+(px|pt|em|rem|%)?|0*1px|0*\.\d+px|0*1pt)$/.test(size);
}

function isFarOff(length: string | undefined): boolean {
  return length !== undefined && /^-\d{3,}(\.\d+)?(px|pt|em|rem|vw|vh|%)$/.test(length);
}

function isSame(a: Rgb, b: Rgb): boolean {
  return Math.abs(a[0] - b[0]) + Math.abs(a[1] - b[1]) + Math.abs(a[2] - b[2]) < TOLD_APART;
}

/** undefined: none is given, or one that is not understood; null: given, and fully transparent. */
function colorOf(text: string | undefined): Rgb | null | undefined {
  if (text === undefined || text === '') return undefined;
  if (text === 'transparent') return null;
  const named = Object.hasOwn(NAMED, text) ? NAMED[text] : undefined;
  if (named) return named;
  const hex = /#([\da-f]{3,8})\b/i.exec(text)?.[1];
  if (hex !== undefined) return hexColor(hex);
  const [, red, green, blue, alpha] =
    /rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+%?))?\s*\)/.exec(text) ?? [];
  if (red === undefined) return undefined;
  if (alpha !== undefined && Number.parseFloat(alpha) === 0) return null;
  return [Number(red), Number(green), Number(blue)];
}

function hexColor(hex: string): Rgb | null | undefined {
  const short = hex.length <= 4;
  const parts = hex.match(short ? /./g : /../g)?.map((part) => Number.parseInt(short ? part + part : part, 16)) ?? [];
  const [red, green, blue, alpha] = parts;
  if (red === undefined || green === undefined || blue === undefined) return undefined;
  return alpha === 0 ? null : [red, green, blue];
}
