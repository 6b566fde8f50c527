import type { z } from 'zod';
import type { Artifact, Channel, Copy, Post, Poster } from '../../../../generation/artifacts.ts';
import { auditArtifacts, type AuditResult } from '../../../../generation/audit/audit.ts';
import type { Finding } from '../../../../generation/audit/finding.ts';
import type { Model } from '../../../../generation/model.ts';
import { normalizedBriefSchema, type NormalizedBrief } from '../../../../generation/normalized-brief.ts';

type BriefInput = Partial<z.input<typeof normalizedBriefSchema>>;

/** A brief that asks for nothing in particular. */
export function briefWith(overrides: BriefInput = {}): NormalizedBrief {
  return normalizedBriefSchema.parse({
    objective: 'Have owners of small restaurants book a demonstration',
    audience: 'Owners of small restaurants',
    product: 'Tably, an application that takes bookings of tables',
    tone: 'warm',
    ...overrides,
  });
}

export const copyOf = (body: string, more: Partial<Copy> = {}): Artifact => ({
  id: 'copy-1',
  kind: 'copy',
  content: { headline: 'Quiet evenings', body, callToAction: 'Book a visit', ...more },
});

export const socialOf = (...posts: (Pick<Post, 'channel' | 'text'> & Partial<Post>)[]): Artifact => ({
  id: 'social-1',
  kind: 'social',
  content: { posts: posts.map((post) => ({ hashtags: [], ...post })) },
});

export const postOn = (channel: Channel, text: string, more: Partial<Post> = {}): Artifact =>
  socialOf({ channel, text, ...more });

export const posterOf = (more: Partial<Poster> = {}): Artifact => ({
  id: 'poster-1',
  kind: 'poster',
  content: {
    headline: 'Quiet evenings',
    concept: 'A dining room seen through a window.',
    composition: 'The headline stands on the left.',
    palette: ['teal'],
    altText: 'A dining room seen through a window.',
    ...more,
  },
});

/** A model that cannot judge, as the offline writer, and must not be asked. */
export const offline: Model = {
  provider: 'rules',
  generate: () => Promise.reject(new Error('asked to judge')),
  embed: () => Promise.reject(new Error('asked to embed')),
  estimate: () => 0,
};

export const auditOffline = (brief: NormalizedBrief, artifacts: readonly Artifact[]): Promise<AuditResult> =>
  auditArtifacts(brief, artifacts, { model: offline, signal: new AbortController().signal });

/** What one gate finds in one artifact. */
export async function findingsOf(gate: string, artifact: Artifact, brief = briefWith()): Promise<Finding[]> {
  const { findings } = await auditOffline(brief, [artifact]);
  return findings.filter((finding) => finding.gate === gate);
}

/** `code: excerpt` of what one gate finds in a body. */
export async function seen(gate: string, body: string, brief = briefWith()): Promise<string[]> {
  const findings = await findingsOf(gate, copyOf(body), brief);
  return findings.map(({ code, excerpt }) => `${code}: ${excerpt}`);
}

/** Codes that one gate finds in a body. */
export async function codesIn(gate: string, body: string, brief = briefWith()): Promise<string[]> {
  return (await findingsOf(gate, copyOf(body), brief)).map(({ code }) => code);
}
