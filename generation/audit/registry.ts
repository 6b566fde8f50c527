import type { Gate } from './gate.ts';
import { brandVoice } from './gates/brand-voice.ts';
import { claimsGate } from './gates/claims.ts';
import { emojis } from './gates/emojis.ts';
import { hiddenText } from './gates/hidden-text.ts';
import { language } from './gates/language.ts';
import { length } from './gates/length.ts';
import { links } from './gates/links.ts';
import { numbers } from './gates/numbers.ts';
import { palette } from './gates/palette.ts';
import { personalData } from './gates/personal-data.ts';
import { placeholders } from './gates/placeholders.ts';
import { profanity } from './gates/profanity.ts';
import { prohibitedTerms } from './gates/prohibited-terms.ts';
import { promptInjection } from './gates/prompt-injection.ts';
import { readingLevel } from './gates/reading-level.ts';
import { repetition } from './gates/repetition.ts';
import { requiredTerms } from './gates/required-terms.ts';
import { secrets } from './gates/secrets.ts';

/** Every deterministic gate, one line each, in alphabetical order. */
export const gates: readonly Gate[] = [
  brandVoice,
  claimsGate,
  emojis,
  hiddenText,
  language,
  length,
  links,
  numbers,
  palette,
  personalData,
  placeholders,
  profanity,
  prohibitedTerms,
  promptInjection,
  readingLevel,
  repetition,
  requiredTerms,
  secrets,
];
