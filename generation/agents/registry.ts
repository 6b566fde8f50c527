import { type ArtifactKind, copySchema, posterSchema, socialSchema } from '../artifacts.ts';
import type { Agent } from './agent.ts';

const copy: Agent<'copy'> = {
  kind: 'copy',
  schema: copySchema,
  task:
    'Write the main piece: a headline, if it helps a subheadline, a body of two to four short paragraphs that begins with ' +
    'what matters to the audience, and one call to action that asks for one thing.',
};

const social: Agent<'social'> = {
  kind: 'social',
  schema: socialSchema,
  task:
    'Write one short post for each channel in "channels", in that order, each for itself and none a copy of another. Stay ' +
    "within the channel's own limit of characters (x: 280, hashtags included). Hashtags: few, without spaces. Give a " +
    'title only where the channel has one: email (the subject), youtube, reddit.',
};

const poster: Agent<'poster'> = {
  kind: 'poster',
  schema: posterSchema,
  task:
    'Design a poster in words: a headline of at most eight words, if it helps a tagline, the concept of the picture, its ' +
    'composition from foreground to background, a palette of two to five colours (the brand palette first), alternative text for people who ' +
    'cannot see it, and if it helps a call to action.',
};

/** The agents that write for a brief, one line each. */
export const agents: { [Kind in ArtifactKind]: Agent<Kind> } = { copy, social, poster };
