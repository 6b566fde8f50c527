import type { Passage } from '../../artifacts.ts';
import { memo } from '../gate.ts';
import { lettersOf, type Folding, type Letters } from './letters.ts';
import { wordsOf } from './words.ts';

const byFolding = memo((_passage: Passage) => new Map<string, Letters>());

/** The letters of a passage; read once however many gates ask. */
export function passageLetters(passage: Passage, folding: Folding): Letters {
  const readings = byFolding(passage);
  const key = `${folding.accents}/${folding.lookalikes}`;
  const letters = readings.get(key) ?? lettersOf(passage.text, folding, passage.role === 'hashtag');
  readings.set(key, letters);
  return letters;
}

/** The words of a passage; read once however many gates ask. */
export const passageWords = memo((passage: Passage) => wordsOf(passage.text));
