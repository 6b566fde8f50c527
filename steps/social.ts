import { writer } from './writer.ts';

export const social = writer('social', 'Writes one short post of a brief for each channel.');
