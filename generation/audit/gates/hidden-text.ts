import type { Severity } from '../finding.ts';
import { spotsIn, type Gate, type Spot } from '../gate.ts';

interface Hidden {
  pattern: RegExp;
  code: string;
  severity: Severity;
  message: string;
  mend: string;
  /** Languages that need these characters. */
  except?: ReadonlySet<string>;
}

/** Languages that are written from right to left, and those whose letters joiners bind. */
const RIGHT_TO_LEFT = new Set(['ar', 'fa', 'he', 'ps', 'sd', 'ug', 'ur', 'yi']);
const JOINED = new Set([
  'ar',
  'bn',
  'fa',
  'gu',
  'hi',
  'kn',
  'ml',
  'mr',
  'ne',
  'pa',
  'ps',
  'sd',
  'si',
  'ta',
  'te',
  'ug',
  'ur',
]);

const TAKE_OUT = 'take it out';

const HIDDEN: readonly Hidden[] = [
  {
    pattern: /[\u034f\u200b\u2060-\u2064\u180e\ufeff\u115f\u1160\u17b4\u17b5\u3164\uffa0]/gu,
    code: 'invisible_character',
    severity: 'major',
    message: 'A character that cannot be seen.',
    mend: TAKE_OUT,
  },
  {
    // A joiner within an emoji is part of what is seen.
    pattern: /(?<!\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f)\u200d|\u200c/gu,
    code: 'invisible_character',
    severity: 'major',
    message: 'A character that cannot be seen.',
    mend: TAKE_OUT,
    except: JOINED,
  },
  {
    pattern: /(?<!\u{1f3f4}[\u{e0020}-\u{e007f}]{0,8})[\u{e0001}-\u{e007f}]{1,2000}/gu,
    code: 'hidden_text',
    severity: 'critical',
    message: 'Text in characters that people cannot see and machines read.',
    mend: TAKE_OUT,
  },
  {
    pattern: /[\u202a-\u202e\u2066-\u2069]/g,
    code: 'bidi_control',
    severity: 'critical',
    message: 'A control character that changes the order in which text is shown.',
    mend: TAKE_OUT,
    except: RIGHT_TO_LEFT,
  },
  {
    pattern: /[\u200e\u200f\u061c]/g,
    code: 'bidi_control',
    severity: 'minor',
    message: 'A mark of writing direction.',
    mend: TAKE_OUT,
    except: RIGHT_TO_LEFT,
  },
  {
    pattern: /<!--[\s\S]{0,5000}?(?:-->|$)|<!\[CDATA\[/g,
    code: 'hidden_text',
    severity: 'critical',
    message: 'A comment of HTML, which people do not see.',
    mend: TAKE_OUT,
  },
  {
    pattern:
      /<\/?(?:a|abbr|b|blockquote|body|br|button|code|div|em|embed|font|form|h[1-6]|head|hr|html|i|iframe|img|input|li|link|meta|object|ol|p|pre|script|section|small|span|strong|style|sub|sup|svg|table|tbody|td|th|title|tr|u|ul|video)(?=[\s/>])[^<>]{0,2000}>/gi,
    code: 'markup',
    severity: 'major',
    message: 'Markup of HTML in a text that is published as it stands.',
    mend: 'write plain text',
  },
  {
    pattern: /&(?:nbsp|amp|lt|gt|quot|shy|zwnj|zwj|#\d{1,7}|#x[0-9a-f]{1,6});/gi,
    code: 'markup',
    severity: 'minor',
    message: 'A character reference of HTML, which would be published letter by letter.',
    mend: 'write the character itself',
  },
  {
    pattern: /\[[^\][\n]{1,200}\]\((?:https?:|\/|#|mailto:)[^()\s]{0,500}\)|\*\*[^*\n]{1,300}\*\*|^#{1,6}\s(?=\S)/gm,
    code: 'markdown',
    severity: 'minor',
    message: 'Markdown, which would be published sign by sign.',
    mend: 'write plain text',
  },
  {
    pattern: /(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufff9-\ufffb]/gu,
    code: 'broken_character',
    severity: 'major',
    message: 'A control character or half of a character.',
    mend: TAKE_OUT,
  },
  {
    pattern: /\ufffd/g,
    code: 'broken_character',
    severity: 'minor',
    message: 'A character that was lost in an earlier conversion.',
    mend: 'write the character that was meant',
  },
  {
    pattern: /[\u{1d400}-\u{1d7ff}]{2,200}|[\uff21-\uff3a\uff41-\uff5a]{2,200}/gu,
    code: 'styled_letters',
    severity: 'minor',
    message:
      'Letters from mathematics in place of ordinary ones; screen readers spell them out and searches miss them.',
    mend: 'write ordinary letters',
  },
];

/** Latin and Cyrillic or Greek letters within one word. */
const MIXED =
  /(?<![\p{L}\p{M}])(?=[\p{L}\p{M}]{0,60}[A-Za-z])(?=[\p{L}\p{M}]{0,60}[\p{Script=Cyrillic}\p{Script=Greek}])[\p{L}\p{M}]{2,60}/gu;
/** Units and signs of science that put a Greek letter beside Latin ones. */
const SCIENCE = /^(?:[µμΩ]\p{L}{0,2}|\p{L}{0,2}[ΩπΔ])$/u;

function mixedWords(text: string): Spot[] {
  return Array.from(text.matchAll(MIXED))
    .filter(([word]) => !SCIENCE.test(word))
    .map((found) => ({
      start: found.index,
      end: found.index + found[0].length,
      severity: 'major' as const,
      code: 'mixed_scripts',
      message: 'A word with letters of two scripts, which look alike and are not.',
      mend: 'write it in one script',
    }));
}

/** What people do not see or cannot read: invisible characters, comments, markup, control characters, letters in disguise. */
export const hiddenText: Gate = {
  name: 'hidden-text',
  version: 1,
  check({ passages }, brief) {
    const language = brief.language.slice(0, 2);
    return spotsIn(passages, ({ text }) => [
      ...HIDDEN.filter(({ except }) => except?.has(language) !== true).flatMap(
        ({ pattern, code, severity, message, mend }) =>
          Array.from(text.matchAll(pattern), (found): Spot => ({
            start: found.index,
            end: found.index + found[0].length,
            severity,
            code,
            message,
            mend,
          })),
      ),
      ...mixedWords(text),
    ]);
  },
};
