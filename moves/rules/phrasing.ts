import type { Channel } from '../../generation/artifacts.ts';
import { clip, firstSentence, inSentence, productName } from '../../generation/rules/phrases.ts';
import type { Kpi } from '../context.ts';

/** Channels as their makers spell them. */
const CHANNEL_NAMES: Readonly<Record<Channel, string>> = {
  facebook: 'Facebook',
  instagram: 'Instagram',
  tiktok: 'TikTok',
  linkedin: 'LinkedIn',
  youtube: 'YouTube',
  gmb: 'Google Business Profile',
  reddit: 'Reddit',
  email: 'e-mail',
  x: 'X',
};

export const channelName = (channel: Channel) => CHANNEL_NAMES[channel];

/** `on Facebook`. */
export const placeOf = (channel: Channel) => `${channel === 'email' ? 'by' : 'on'} ${CHANNEL_NAMES[channel]}`;

/** The first sentence of somebody's text as part of ours; `otherwise` where it says nothing. */
export function phrase(text: string, most: number, otherwise: string): string {
  const plain = firstSentence(text)
    .replace(/\s+/gu, ' ')
    .replace(/[\s!?,;:]+$/u, '');
  return /[\p{L}\p{N}]/u.test(plain) ? clip(plain, most) : otherwise;
}

/** `a, b and c`; with more than four, `a, b, c and others`. */
export function enumerated(names: readonly string[]): string {
  const shown = names.length > 4 ? [...names.slice(0, 3), 'others'] : names;
  return shown.length < 2 ? (shown[0] ?? '') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

/** How a KPI is called within a sentence. */
export const kpiName = ({ label, name }: Pick<Kpi, 'label' | 'name'>) =>
  inSentence(phrase(label ?? name.replaceAll(/[-_]+/gu, ' ').trim(), 80, name));

/** How a cohort is called within a sentence. */
export const cohortName = (name: string) => inSentence(phrase(name, 80, 'the people we want to reach'));

/** How a product is called: what stands before a comma or a verb. */
export const nameOfProduct = (product: string) => phrase(productName({ product }), 60, 'what we sell');

/** `120 leads`. */
export const amountOf = (value: number, { unit }: Pick<Kpi, 'unit'>) => `${value} ${phrase(unit, 40, '')}`.trim();
