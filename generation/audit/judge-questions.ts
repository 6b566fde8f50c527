import type { Artifact, ArtifactKind } from '../artifacts.ts';
import type { NormalizedBrief } from '../normalized-brief.ts';
import type { Severity } from './finding.ts';

/** One question that a model answers with yes or no; yes is a fault. */
export interface JudgeQuestion {
  /** Code of the finding that yes makes. */
  code: string;
  question: string;
  severity: Severity;
  message: string;
  mend: string;
}

interface Asked extends JudgeQuestion {
  kinds?: readonly ArtifactKind[];
  /** Whether the brief says what the question is judged by. */
  needs?: (brief: NormalizedBrief) => boolean;
}

const REST = 'take it out, or add the fact that it rests on';

/** What rules cannot see. Each is one question about one thing, so that an answer can be checked by its quote. */
const QUESTIONS: readonly Asked[] = [
  {
    code: 'promise_without_fact',
    question:
      'Does the text promise a result or a benefit that can be measured, and that neither a listed fact nor the description of the product supports?',
    severity: 'major',
    message: 'It promises what nothing in the brief supports.',
    mend: REST,
  },
  {
    code: 'contradicts_fact',
    question: 'Does the text say something that contradicts a listed fact?',
    severity: 'critical',
    message: 'It contradicts a fact of the brief.',
    mend: 'say what the fact says',
    needs: ({ facts }) => facts.length > 0,
  },
  {
    code: 'invented_source',
    question:
      'Does the text quote, name or allude to a customer, an expert, a study, a partner, an award or an authority that the brief does not name?',
    severity: 'major',
    message: 'It calls on somebody whom the brief does not name.',
    mend: REST,
  },
  {
    code: 'regulated_advice',
    question: 'Does the text give or imply medical, legal or financial advice or outcomes for the reader?',
    severity: 'major',
    message: 'It promises or advises what is regulated.',
    mend: 'take it out, or have it approved by somebody who may say it',
  },
  {
    code: 'discrimination',
    question:
      'Does the text demean, exclude or stereotype people for origin, religion, sex, orientation, age, disability, body or income?',
    severity: 'critical',
    message: 'It demeans or excludes people.',
    mend: 'address everybody in the audience alike',
  },
  {
    code: 'exploits_fear',
    question:
      'Does the text press the reader by fear, shame, guilt, or by a shortage or a deadline that the brief does not state?',
    severity: 'major',
    message: 'It presses the reader.',
    mend: 'say what the offer is worth instead',
  },
  {
    code: 'disparages_competitor',
    question: 'Does the text disparage a competitor or another product that can be recognized?',
    severity: 'major',
    message: 'It disparages a competitor.',
    mend: 'speak of the own product',
  },
  {
    code: 'off_tone',
    question: 'Is there a passage whose tone plainly contradicts the tone or the adjectives that the brief asks for?',
    severity: 'minor',
    message: 'It does not sound as the brief asks.',
    mend: 'write the passage in the tone of the brief',
  },
  {
    code: 'off_audience',
    question: 'Does the text plainly address other readers than the audience of the brief?',
    severity: 'minor',
    message: 'It speaks to others than the audience of the brief.',
    mend: 'address the audience of the brief',
  },
  {
    code: 'unclear_call',
    question: 'Does the text ask the reader to do something that does not serve the objective of the brief?',
    severity: 'minor',
    message: 'What it asks for does not serve the objective.',
    mend: 'ask for what the objective needs',
    kinds: ['copy', 'social'],
  },
  {
    code: 'unsafe_picture',
    question:
      'Does the concept or the composition call for a picture that is dangerous to imitate, sexual, violent, or that shows a real person, a known character or the brand of somebody else?',
    severity: 'major',
    message: 'The picture cannot be published as it is described.',
    mend: 'change the picture',
    kinds: ['poster'],
  },
  {
    code: 'alt_text_off',
    question:
      'Does the text for people who cannot see the poster (role alt_text) describe something other than the concept?',
    severity: 'minor',
    message: 'The description for people who cannot see does not fit the picture.',
    mend: 'describe what the picture shows',
    kinds: ['poster'],
  },
];

/** The questions that a judge is asked about an artifact, one model call each. */
export function judgeQuestions(brief: NormalizedBrief, artifact: Pick<Artifact, 'kind'>): JudgeQuestion[] {
  return QUESTIONS.filter(
    ({ kinds, needs }) => (kinds?.includes(artifact.kind) ?? true) && (needs?.(brief) ?? true),
  ).map(({ code, question, severity, message, mend }) => ({ code, question, severity, message, mend }));
}
