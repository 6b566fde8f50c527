import type { NormalizedBrief } from '../../normalized-brief.ts';
import { agrees } from '../claims/agreement.ts';
import { quantitiesOf, type Quantity } from '../claims/quantities.ts';
import { GRAVE_DIMENSIONS } from '../claims/quantity-units.ts';
import { briefTexts } from '../evidence.ts';
import { quoted, type Severity } from '../finding.ts';
import { memo, published, spotsIn, type Gate } from '../gate.ts';

/** Unsupported numbers told of one passage at most; one is enough to hold it back. */
const MOST_SPOTS = 100;

const keysOf = ({ dimension, values }: Quantity) => values.map((value) => `${dimension} ${value}`);

const evidenceOf = memo((brief: NormalizedBrief) => {
  const quantities = briefTexts(brief).flatMap(quantitiesOf);
  return { quantities, exact: new Set(quantities.flatMap(keysOf)) };
});

function isSupported(claimed: Quantity, brief: NormalizedBrief): boolean {
  const { quantities, exact } = evidenceOf(brief);
  if (keysOf(claimed).some((key) => exact.has(key))) return true;
  return quantities.some((known) => agrees(claimed, known));
}

function unsupportedIn(text: string, brief: NormalizedBrief): Quantity[] {
  const unsupported: Quantity[] = [];
  for (const quantity of quantitiesOf(text)) {
    if (unsupported.length === MOST_SPOTS) break;
    if (!isSupported(quantity, brief)) unsupported.push(quantity);
  }
  return unsupported;
}

function severityOf({ dimension, isProof }: Quantity): Severity {
  return GRAVE_DIMENSIONS.has(dimension) || isProof ? 'major' : 'minor';
}

/** Numbers that neither a fact nor the brief's own text holds, whatever the unit and the words they are written in. */
export const numbers: Gate = {
  name: 'numbers',
  version: 1,
  check(candidate, brief) {
    return spotsIn(published(candidate), ({ text }) =>
      unsupportedIn(text, brief).map((quantity) => ({
        start: quantity.start,
        end: quantity.end,
        severity: severityOf(quantity),
        code: quantity.dimension === 'date' ? 'unsupported_date' : 'unsupported_number',
        message: `No fact and no text of the brief holds ${quoted(text.slice(quantity.start, quantity.end))}.`,
        mend: 'take it out, or add the fact that it rests on',
      })),
    );
  },
};
