/** Writes docs/openapi.json: `node api/write-openapi.ts`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT_ROOT } from '../shared/config.ts';
import { openApiDocument } from './operations.ts';

writeFileSync(join(PROJECT_ROOT, 'docs', 'openapi.json'), `${JSON.stringify(openApiDocument(), null, 2)}\n`);
