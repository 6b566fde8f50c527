import { writer } from './writer.ts';

export const poster = writer('poster', 'Designs a poster for a brief in words.');
