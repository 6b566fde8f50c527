import { folded } from './clean.ts';

/**
 * Ways in which text speaks to a model instead of about the business, in English, German, French and Spanish. Text that matches
 * is kept as data and marked, so that prompts can leave it out; that no pattern matches proves nothing.
 */
const PATTERNS: readonly RegExp[] = [
  /(?<!\b(never|not|don't) )\b(ignore|disregard|forget|override|bypass|skip)\b.{0,40}\b(instructions?|prompts?|rules|guidelines|directives|commands|training|everything (above|before)|previous (text|messages?))\b/,
  /\b(ignoriere|vergiss|missachte)\b.{0,40}\b(anweisung\w*|regeln|vorgaben|alles)\b/,
  /\b(ignore[zr]?|oublie[zr]?)\b.{0,40}\b(instructions|consignes|regles)\b/,
  /\b(ignora|olvida|descarta)\b.{0,40}\b(instrucciones|reglas|indicaciones)\b/,
  /\b(system|developer|hidden|initial)[ -]?(prompt|message|instructions?)\b/,
  /\b(reveal|print|repeat|leak|output|show)\b.{0,30}\b(your|the)\b.{0,15}\b(prompt|instructions)\b/,
  /\byou are (now|no longer)\b.{0,60}\b(an?|the|bound|restricted|allowed|assistant|model|ai|dan)\b/,
  /\b(act|behave|respond|answer) as (if you (are|were)|an? (ai|assistant|language model|unrestricted|different))\b/,
  /\bas an? (ai|language model|large language model)\b/,
  /\b(note|attention|message|hint|instructions?) (to|for) (the |any |all )?(ai|llm|model|assistant|chatbot|language model|crawler)s?\b/,
  /\b(new|updated|real|actual) (instructions?|task|objective) ?:/,
  /\b(do not|don't|never) (tell|inform|mention (this|it) to|reveal (this|it) to) (the |your )?(user|human|operator|customer)\b/,
  /<\|\w+\|>|\[\/?inst\]|<<\/?sys>>|<\/?(system|assistant|instructions?)>/,
  /^\s*#{0,4}\s*(system|assistant|developer)\s*:/,
  /\bjailbreak\b|\bprompt injection\b|\bdeveloper mode\b/,
];

const SPACED_OUT = /\b(?:\p{L}[ .*_-]){4,}\p{L}\b/gu;

/** Whether a text reads like an instruction to a model. Letters set apart and look-alike letters of other forms do not hide it. */
export function isSuspicious(text: string): boolean {
  const plain = folded(text).replaceAll(/[\u2018\u2019]/g, "'");
  const joined = plain.replaceAll(SPACED_OUT, (run) => run.replaceAll(/[ .*_-]/g, ''));
  const withoutMarks = joined.replaceAll(/[*_`~"]/g, '').replaceAll(/\s+/g, ' ');
  return PATTERNS.some((pattern) => pattern.test(plain) || pattern.test(withoutMarks));
}
