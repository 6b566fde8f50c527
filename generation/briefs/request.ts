import { z } from 'zod';
import { CHANNELS, type Channel } from '../artifacts.ts';
import { normalizedBriefSchema } from '../normalized-brief.ts';

/** Characters of a whole brief as JSON, so that every agent can be given all of it. */
export const LARGEST_BRIEF = 64 * 1_024;

/** Where posts are written for when a brief names no channel. */
export const USUAL_CHANNELS: Channel[] = ['linkedin', 'x', 'instagram', 'facebook'];

/** What a person sends for a brief: the brief itself, and how it is to be worked on. */
export const briefRequest = normalizedBriefSchema
  .safeExtend({
    mode: z
      .enum(['parallel', 'sequential'])
      .default('parallel')
      .meta({ description: 'Whether the agents work at the same time, or one after the other.' }),
    channels: z
      .array(z.enum(CHANNELS))
      .min(1)
      .max(CHANNELS.length)
      .default(USUAL_CHANNELS)
      .meta({ description: 'Which channels the short posts are for.' }),
    knowledge: z
      .strictObject({
        collection: z.string().trim().min(1).max(100).optional().meta({ description: 'All where it is left out.' }),
        limit: z.int().min(1).max(20).default(8).meta({ description: 'Facts at most.' }),
      })
      .optional()
      .meta({
        description:
          'Adds what the knowledge base holds about objective, product and audience to `facts`; nothing that is suspicious or contradicted.',
      }),
    priorRunId: z
      .guid()
      .optional()
      .meta({ description: 'A run of an earlier brief to go on from: its artifacts are revised.' }),
  })
  .superRefine((request, context) => {
    const length = JSON.stringify(request).length;
    if (length > LARGEST_BRIEF)
      context.addIssue({
        code: 'custom',
        path: [],
        message: `has ${length} characters in all; ${LARGEST_BRIEF} at most`,
        params: {
          mend: 'keep to what the agents need; give the rest to POST /api/knowledge, and name it in "knowledge"',
        },
      });
    const twice = request.channels.findIndex((channel, at) => request.channels.indexOf(channel) !== at);
    if (twice !== -1)
      context.addIssue({
        code: 'custom',
        path: ['channels', twice],
        message: `${request.channels[twice]} stands there twice`,
        params: { mend: 'name each channel once' },
      });
  });
export type BriefRequest = z.output<typeof briefRequest>;
