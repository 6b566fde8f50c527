import { analysis } from './analysis.ts';
import { approval } from './approval.ts';
import { arc } from './arc.ts';
import { audit } from './audit.ts';
import { copy } from './copy.ts';
import { kpis } from './kpis.ts';
import { moveAssets } from './move-assets.ts';
import { moves } from './moves.ts';
import { outreach } from './outreach.ts';
import { pivot } from './pivot.ts';
import { poster } from './poster.ts';
import { prospecting } from './prospecting.ts';
import { sender } from './sender.ts';
import { social } from './social.ts';
import type { StepKind } from './step.ts';

/** Every kind of step, one line each, alphabetical. The campaign schema, its JSON Schema and the docs derive from this. */
export const stepKinds: Record<string, StepKind> = {
  analysis,
  approval,
  arc,
  audit,
  copy,
  kpis,
  'move-assets': moveAssets,
  moves,
  outreach,
  pivot,
  poster,
  prospecting,
  sender,
  social,
};

/** What a campaign may write as `engine`, and the kind that it means. `compose` is what some files call `outreach`. */
const ENGINES: Record<string, string> = {
  analysis: 'analysis',
  approval: 'approval',
  arc: 'arc',
  audit: 'audit',
  compose: 'outreach',
  copy: 'copy',
  kpis: 'kpis',
  'move-assets': 'move-assets',
  moves: 'moves',
  outreach: 'outreach',
  pivot: 'pivot',
  poster: 'poster',
  prospecting: 'prospecting',
  sender: 'sender',
  social: 'social',
};

export const engineNames: string[] = Object.keys(ENGINES);

/**
 * The kind that runs a step. One engine composes and sends, so an outreach step at an endpoint whose last part begins with
 * `send` is a sender, which is never repeated by itself.
 * @param endpoint URL or path, when the step names one
 * @returns null for an engine that nobody knows
 */
export function resolveKind(engine: string, endpoint?: string): string | null {
  const kind = Object.hasOwn(ENGINES, engine) ? ENGINES[engine] : undefined;
  if (kind === undefined) return null;
  const path = endpoint === undefined ? '' : (URL.parse(endpoint, 'http://engine')?.pathname ?? '');
  const last = path.split('/').filter(Boolean).at(-1) ?? '';
  return kind === 'outreach' && /^send/i.test(last) ? 'sender' : kind;
}
