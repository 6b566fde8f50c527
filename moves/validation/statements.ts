import { quoted } from '../../generation/audit/finding.ts';
import type { Finding } from '../finding.ts';
import type { Evidence, Statement } from '../statement.ts';
import { flaw, type Keys, listed } from './flaw.ts';
import type { KnownNumbers } from './known-numbers.ts';
import { unsupportedNumbers } from './numbers.ts';

/** A statement of a proposal, with the titles over it, which cite what it cites. */
export interface Said {
  at: Keys;
  statement: Statement;
  titles?: readonly { at: Keys; text: string }[];
  numbers: KnownNumbers;
}

/** Numbers named in one finding at most. */
const MOST_NAMED = 5;

function numberFindings(at: Keys, numbers: readonly string[]): Finding[] {
  if (numbers.length === 0) return [];
  const named = numbers.slice(0, MOST_NAMED).map(quoted).join(', ');
  const what = `says ${named}, which neither a fact that it cites nor the context of the plan holds`;
  return [flaw('PLAN_NUMBER_UNSUPPORTED', at, what, 'cite the fact that it stands in, or say it without a number')];
}

function citationFindings({ at, statement }: Said, known: ReadonlyMap<string, Evidence>): Finding[] {
  const { facts } = statement;
  if (facts.length === 0)
    return [flaw('PLAN_UNCITED', [...at, 'facts'], 'cites nothing', 'cite at least one id of the evidence')];
  return facts.flatMap((id, index) =>
    known.has(id)
      ? []
      : [
          flaw(
            'PLAN_FACT_UNKNOWN',
            [...at, 'facts', index],
            `is ${quoted(id)}, which is no id of the evidence`,
            `cite one that was given, such as ${listed([...known.keys()].slice(0, 3))}`,
          ),
        ],
  );
}

/** What is wrong with what a proposal says: no facts, facts that there are not, numbers that rest on nothing. */
export function statementFindings(all: readonly Said[], evidence: readonly Evidence[]): Finding[] {
  const known = new Map(evidence.map((fact) => [fact.id, fact]));
  return all.flatMap((said) => {
    const { at, statement, titles = [], numbers } = said;
    const cited = statement.facts.flatMap((id) => known.get(id) ?? []);
    return [
      ...citationFindings(said, known),
      ...numberFindings([...at, 'text'], unsupportedNumbers(statement.text, cited, numbers)),
      ...titles.flatMap((title) =>
        numberFindings(title.at, unsupportedNumbers(title.text, cited, numbers, { onlyGrave: true })),
      ),
    ];
  });
}
