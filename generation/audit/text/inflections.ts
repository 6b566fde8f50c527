/** Adjectives of advertising that are compared; other words keep their -er and -est, as corn does in corner. */
const GRADABLE = new Set(
  (
    'big bold bright calm cheap clean clear cool cute dark deep dull easy fair fancy fast fresh great happy hard healthy heavy ' +
    'high hot large late light long loud low lucky mild neat new nice old poor posh pretty pure quick quiet rich safe sharp ' +
    'short silly simple slim slow small smart smooth soft strong sweet tacky tall tasty thick thin tiny tough ugly warm weak wide wild wise young'
  ).split(' '),
);

const VOWEL = /[aeiou]/;
/** Ends in consonant, vowel, consonant, where the last is doubled: stop, stopped. */
const DOUBLES = /^[^aeiou]*[aeiou][bdgklmnprtvz]$/;

function english(word: string, isAdjective: boolean): string[] {
  const forms = [word];
  const endsInY = word.endsWith('y') && !VOWEL.test(word.at(-2) ?? 'a');
  const stem = endsInY ? `${word.slice(0, -1)}i` : word;
  if (/(?:[sxz]|[cs]h)$/.test(word)) forms.push(`${word}es`);
  else forms.push(endsInY ? `${stem}es` : `${word}s`);
  if (word.endsWith('o')) forms.push(`${word}es`);
  if (word.length > 4 && word.endsWith('s') && !/(?:ss|us|is)$/.test(word)) forms.push(word.slice(0, -1));
  if (word.length > 4 && word.endsWith('ies')) forms.push(`${word.slice(0, -3)}y`);
  const bases = DOUBLES.test(word) ? [word, `${word}${word.at(-1)}`] : [word];
  for (const base of bases) {
    if (base.endsWith('e')) forms.push(`${base}d`, `${base.slice(0, -1)}ing`, `${base}ing`);
    else forms.push(`${endsInY ? stem : base}ed`, `${base}ing`);
    if (!isAdjective && !GRADABLE.has(word)) continue;
    const root = base.endsWith('e') ? base.slice(0, -1) : endsInY ? stem : base;
    forms.push(`${root}er`, `${root}est`, `${stem}ly`);
  }
  return forms;
}

/** Endings of adjectives and nouns; enough to find the other forms of a term, not a grammar. */
const ENDINGS: Record<string, readonly string[]> = {
  de: ['e', 'en', 'er', 'es', 'em', 'n', 's'],
  es: ['s', 'es', 'a', 'as', 'o', 'os'],
  fr: ['s', 'e', 'es', 'x'],
  it: ['a', 'e', 'i', 'o'],
  nl: ['e', 'en', 's'],
  pt: ['s', 'es', 'a', 'as', 'o', 'os'],
};

function others(word: string, language: string): string[] {
  const endings = ENDINGS[language] ?? [];
  if (word.length < 3) return [word];
  const isOpen = /[aeio]$/.test(word) && ['es', 'it', 'pt'].includes(language);
  const stem = isOpen ? word.slice(0, -1) : word;
  return [word, ...endings.map((ending) => `${stem}${ending}`), ...endings.map((ending) => `${word}${ending}`)];
}

/**
 * A word and its regular forms: plural and singular, third person, past and -ing; comparison of adjectives. Irregular verbs are
 * not known.
 * @param word folded as `lettersOf` folds
 * @param language ISO 639-1
 */
export function formsOf(word: string, language: string, isAdjective = false): string[] {
  if (!/^\p{L}+$/u.test(word)) return [word];
  return [...new Set(language === 'en' ? english(word, isAdjective) : others(word, language))];
}
