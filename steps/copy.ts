import { writer } from './writer.ts';

export const copy = writer('copy', 'Writes the main piece of a brief: headline, body, call to action.');
