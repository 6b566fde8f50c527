import type { Quantity } from './quantities.ts';

/** Dimensions that can mean the same. */
function canBe(claimed: Quantity, known: Quantity): boolean {
  if (claimed.dimension === known.dimension) return true;
  const either = new Set([claimed.dimension, known.dimension]);
  if (either.has('money or weight')) return either.has('gbp') || either.has('pound');
  // A bare number in the brief, as in “price: 19.99”, stands for whatever it is there.
  return (known.dimension === 'count' && !known.isProof) || (claimed.dimension === 'count' && !claimed.isProof);
}

const isEqual = (a: number, b: number, slack: number) => Math.abs(a - b) <= Math.abs(a) * slack;

/** Whether a known number makes a claimed one true. Of a numeral with two readings, bounds take the likelier one, the greater. */
export function agrees(claimed: Quantity, known: Quantity): boolean {
  if (!canBe(claimed, known)) return false;
  if (claimed.values.some((value) => known.values.some((fact) => isEqual(value, fact, 1e-9)))) return true;
  const [value, fact] = [Math.max(...claimed.values), Math.max(...known.values)];
  // “Nearly” forgives a tenth.
  if (claimed.bound === 'about') return isEqual(value, fact, 0.1);
  return (claimed.bound === 'least' && fact > value) || (claimed.bound === 'most' && fact < value);
}
