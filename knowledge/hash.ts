import { createHash } from 'node:crypto';

/**
 * A UUID that follows from what is named (version 8 of RFC 9562, section 5.8: the bits are ours): the first 122 bits of a SHA-256
 * over the parts, which are kept apart by a sign that none of them holds.
 */
export function nameId(...parts: readonly string[]): string {
  const bytes = createHash('sha256').update(parts.join('\u001f')).digest().subarray(0, 16);
  bytes[6] = 0x80 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
