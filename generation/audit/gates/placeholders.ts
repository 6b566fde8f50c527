import type { Severity } from '../finding.ts';
import { published, spotsIn, type Gate, type Spot } from '../gate.ts';
import { lettersOf } from '../text/letters.ts';
import { TermMatcher } from '../text/term-matcher.ts';

/** What is asked for between brackets; `[sic]`, `[1]` and `[Live]` are no placeholders. */
const SLOT = String.raw`(?:insert|enter|add|your|company|brand|product|customer|client|first|last|full|user|recipient|sender|city|location|date|time|day|month|year|price|amount|discount|percent(?:age)?|number|phone|e-?mail|address|website|url|link|name|title|cta|hashtag|emoji|image|photo|logo|placeholder|todo|tbd|tbc|xx+)`;

interface Leak {
  pattern: RegExp;
  code: string;
  severity: Severity;
  message: string;
}

const LEAKS: readonly Leak[] = [
  {
    // Liquid, Handlebars, mail merges, shell and JavaScript templates.
    pattern:
      /\{\{[^{}\n]{0,80}\}\}|\{%[^{}\n]{0,80}%\}|<%[^<>\n]{0,80}%>|\$\{[^{}\n]{1,80}\}|%%[A-Za-z_]{2,40}%%|\*\|[A-Z_:]{2,40}\|\*|(?<![\w%])%[A-Z_]{3,40}%/g,
    code: 'template_leak',
    severity: 'critical',
    message: 'A template field that was not filled in.',
  },
  {
    pattern: new RegExp(
      String.raw`[[<{(](?:[^\][<>{}()\n]{0,40}[\s_-])?${SLOT}(?:[\s_-][^\][<>{}()\n]{0,40})?[\]>}]`,
      'giu',
    ),
    code: 'placeholder',
    severity: 'critical',
    message: 'A placeholder that was not filled in.',
  },
  {
    pattern:
      /(?<![\p{L}\p{N}])(?:TBD|TBC|TODO|FIXME|XXX+|N\/A)(?![\p{L}\p{N}])|(?<![\p{L}\p{N}])lorem ipsum|_{4,200}|(?<![.…])\.{6,200}/giu,
    code: 'placeholder',
    severity: 'major',
    message: 'A part that is still to be written.',
  },
  {
    pattern: /\[object Object\]|(?<![\p{L}\p{N}])(?:undefined|NaN)(?![\p{L}\p{N}])/gu,
    code: 'template_leak',
    severity: 'major',
    message: 'A value that was missing when the text was put together.',
  },
  {
    pattern:
      /(?<![\p{L}\p{N}.-])(?:[\w-]{1,63}\.)?example\.(?:com|org|net)(?![\p{L}\p{N}-])|(?<!\d)555-01\d\d(?!\d)|\+1 ?\(?555\)?/giu,
    code: 'placeholder',
    severity: 'major',
    message: 'An address that is reserved for examples.',
  },
  {
    pattern:
      /```[a-z]{0,12}|^\s{0,3}(?:headline|subheadline|body|caption|cta|call to action|hashtags?|option \d|version \d|variant \d|draft|post \d|tweet \d?|subject(?: line)?)\s?:/gimu,
    code: 'label_leak',
    severity: 'minor',
    message: 'A label or a mark of the work on it, which is not to be published.',
  },
];

/** What a model says of itself or to whoever asked it. */
const CHATTER: readonly string[] = [
  'as an ai language model',
  'as an ai model',
  'as an ai assistant',
  'as a large language model',
  'as a language model',
  'i am an ai',
  "i'm an ai",
  'my training data',
  'my knowledge cutoff',
  'i cannot fulfill this request',
  'i cannot assist with',
  "i can't assist with",
  "i'm sorry but i can't",
  "i'm sorry but i cannot",
  'i am unable to generate',
  "here's a draft",
  'here is a draft',
  'here is your copy',
  "here's your copy",
  'here are some options',
  'here are three options',
  'let me know if you would like',
  "let me know if you'd like me to",
  'feel free to adjust',
  'i hope this helps',
  'as per your brief',
  'as requested in the brief',
];
const chatter = new TermMatcher(CHATTER, { language: 'en', disguised: true });
const OPENING = /^\s{0,5}(?:sure|certainly|of course|absolutely)[!,.]\s(?:here|i)\b/i;

const MEND = 'write what belongs here, or take it out';

/** Fields of templates, gaps, marks of the work, and what a model says beside the text that it was asked for. */
export const placeholders: Gate = {
  name: 'placeholders',
  version: 1,
  check(candidate) {
    return spotsIn(published(candidate), ({ text }) => {
      const leaks = LEAKS.flatMap(({ pattern, ...leak }) =>
        Array.from(text.matchAll(pattern), (found): Spot => ({
          ...leak,
          start: found.index,
          end: found.index + found[0].length,
          mend: MEND,
        })),
      );
      const said = chatter.find(lettersOf(text, chatter.folding));
      const opening = OPENING.exec(text);
      if (opening) said.push({ term: 0, start: 0, end: opening[0].length, disguised: false });
      return [
        ...leaks,
        ...said.map(({ start, end }): Spot => ({
          start,
          end,
          severity: 'critical',
          code: 'model_chatter',
          message: 'The model speaks about itself or to the person who asked it.',
          mend: 'take it out, or have the text written again',
        })),
      ];
    });
  },
};
