import retextEnglish from 'retext-english';
import retextReadability from 'retext-readability';
import retextStringify from 'retext-stringify';
import { unified } from 'unified';
import type { Severity } from '../finding.ts';
import { published, spotsIn, type Gate, type Spot } from '../gate.ts';
import { proseOf } from '../text/prose.ts';
import { windowsOf } from '../text/windows.ts';
import { sentencesOf, wordsOf } from '../text/words.ts';

/** Fewer words say nothing of a level. */
const LEAST_WORDS = 20;
/** Above this a text is called hard although the brief asks for nothing: what a student reads. */
const HARD_GRADE = 14;
/** Grades above what the brief allows from which it is a grave fault. */
const TOLERANCE = 2;
/** Where the parser is still quick; sentences that are cut here are judged in two halves. */
const WINDOW = 4000;
/** Of the seven formulas, how many have to agree that a sentence is too hard. */
const AGREEMENT = 5 / 7;

/**
 * US school grade by the Automated Readability Index: 4.71 · characters / words + 0.5 · words / sentences − 21.43 (E. A. Smith and
 * R. J. Senter, Automated Readability Index, AMRL-TR-66-220, 1967). Characters are letters and digits. English only.
 * @returns undefined for texts of fewer than 20 words
 */
export function readingGrade(text: string): number | undefined {
  const prose = proseOf(text);
  const words = wordsOf(prose);
  if (words.length < LEAST_WORDS) return undefined;
  const characters = words.reduce((sum, { start, end }) => sum + end - start, 0);
  return (4.71 * characters) / words.length + (0.5 * words.length) / sentencesOf(prose).length - 21.43;
}

/** The library speaks of ages; a grade is left at the age of the grade and five. */
const AGE_OF_FIRST_GRADE = 5;

/** Sentences that most of the library's seven formulas find harder than a grade. */
function hardSentences(text: string, grade: number): { start: number; end: number }[] {
  const reader = unified()
    .use(retextEnglish)
    .use(retextReadability, { age: Math.round(grade) + AGE_OF_FIRST_GRADE, threshold: AGREEMENT, minWords: 8 })
    .use(retextStringify);
  return windowsOf(proseOf(text), WINDOW).flatMap((window) =>
    reader.processSync(window.text).messages.flatMap(({ place }) => {
      const [start, end] = place && 'start' in place ? [place.start.offset, place.end.offset] : [];
      return start === undefined || end === undefined
        ? []
        : [{ start: window.offset + start, end: window.offset + end }];
    }),
  );
}

function wholeSpot(text: string, grade: number, severity: Severity, message: string): Spot {
  return {
    start: 0,
    end: text.length,
    severity,
    code: 'hard_to_read',
    message: `Grade ${grade.toFixed(1)} by the Automated Readability Index; ${message}`,
    mend: 'shorten the sentences, and use shorter words',
  };
}

/** Reading level of English bodies and posts. */
export const readingLevel: Gate = {
  name: 'reading-level',
  version: 1,
  check(candidate, brief) {
    if (!brief.language.startsWith('en')) return [];
    const most = brief.constraints.maxReadingGrade;
    const passages = published(candidate).filter(({ role }) => role === 'body' || role === 'post');
    return spotsIn(passages, ({ text }) => {
      const grade = readingGrade(text);
      if (most === undefined) {
        const isHard = grade !== undefined && grade > HARD_GRADE;
        return isHard ? [wholeSpot(text, grade, 'info', 'most readers give up before that.')] : [];
      }
      const whole =
        grade !== undefined && grade > most
          ? [wholeSpot(text, grade, grade > most + TOLERANCE ? 'major' : 'minor', `the brief allows ${most}.`)]
          : [];
      const sentences = hardSentences(text, most).map((place): Spot => ({
        ...place,
        severity: 'info',
        code: 'hard_sentence',
        message: `Most formulas find this sentence harder than grade ${most}.`,
        mend: 'cut it in two, or use shorter words',
      }));
      return [...whole, ...sentences];
    });
  },
};
