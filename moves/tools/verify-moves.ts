import type { Finding } from '../finding.ts';
import type { MoveDraft } from '../move.ts';
import type { StepTools, ToolOutcome } from './step-tools.ts';

/** An address, up to what cannot stand in one or only ends a sentence. */
const LINK = /https?:\/\/[^\s<>"'`\])}]+/gi;
const SENTENCE_END = /[.,;:!?…]+$/;
/** How a text names a declared endpoint: `api:leads`. */
const ENDPOINT = /\bapi:([a-z0-9][a-z0-9_-]{0,59})\b/g;

/** How texts of moves name what tools can check; for whoever tells a model to write them. */
export const HOW_TO_NAME =
  'Write addresses in full, with https://, and name an endpoint that a task needs as api:name. Name only what exists.';

interface Text {
  /** JSON path within the proposal. */
  path: string;
  text: string;
}

const textsOf = (moves: readonly MoveDraft[]): Text[] =>
  moves.flatMap(({ title, hypothesis, tasks }, at) => [
    { path: `moves[${at}].title`, text: title },
    { path: `moves[${at}].hypothesis.text`, text: hypothesis.text },
    ...tasks.map((task, index) => ({ path: `moves[${at}].tasks[${index}].title`, text: task.title })),
  ]);

/** Each thing that texts name, with the places where it stands. */
function namedIn(texts: readonly Text[], find: (text: string) => string[]): Map<string, Text[]> {
  const named = new Map<string, Text[]>();
  for (const text of texts)
    for (const one of new Set(find(text.text))) named.set(one, [...(named.get(one) ?? []), text]);
  return named;
}

const finding = (path: string, message: string, mend: string): Finding => ({
  code: 'PLAN_TOOL_UNVERIFIED',
  path,
  message,
  mend,
});

/**
 * Checks by tools what moves name: that addresses can be read, and that endpoints (`api:name`) are declared. Says what could not be
 * seen to exist, whatever the reason; no model is asked.
 * @throws like {@link StepTools.use}
 */
export async function verifyMoves({ moves }: { moves: readonly MoveDraft[] }, tools: StepTools): Promise<Finding[]> {
  const texts = textsOf(moves);
  const links = namedIn(texts, (text) => (text.match(LINK) ?? []).map((link) => link.replace(SENTENCE_END, '')));
  const findings: Finding[] = [];
  for (const [url, places] of links) {
    const question = places[0]?.text.slice(0, 500).toWellFormed() ?? url;
    const outcome = await tools.use('research', { url, question }, 'verify');
    if (outcome.outcome !== 'completed')
      findings.push(...places.map(({ path }) => finding(path, `names ${url}, ${why(outcome)}`, mendOf(outcome))));
  }
  const declared = tools.offers(['api']).flatMap(({ name = [] }) => name);
  const endpoints = namedIn(texts, (text) => [...text.matchAll(ENDPOINT)].map(([, name = '']) => name));
  for (const [name, places] of endpoints)
    if (!declared.includes(name))
      findings.push(
        ...places.map(({ path }) =>
          finding(path, `names the endpoint ${name}, which is not declared`, declaredAre(declared)),
        ),
      );
  return findings;
}

/** Refusals that say nothing about the page. */
const NOT_LOOKED_AT = new Set([
  'TOOL_ADDRESS_FORBIDDEN',
  'TOOL_BUDGET_EXHAUSTED',
  'TOOL_CALLS_EXHAUSTED',
  'TOOL_ORIGIN_FORBIDDEN',
  'TOOL_ROBOTS_DISALLOWED',
  'TOOL_ROBOTS_UNREACHABLE',
]);

const isNotLookedAt = ({ error }: ToolOutcome) => NOT_LOOKED_AT.has(error?.code ?? '');

function why(outcome: ToolOutcome): string {
  const said = outcome.error?.message ?? '';
  return isNotLookedAt(outcome) ? `which could not be looked at: ${said}` : `which could not be read: ${said}`;
}

const mendOf = (outcome: ToolOutcome) =>
  isNotLookedAt(outcome) ? 'leave the address out, or have its origin allowed' : 'name an address that exists';

const declaredAre = (names: readonly string[]) =>
  names.length === 0 ? 'leave it out: no endpoints are declared' : `name one of ${names.join(', ')}`;
