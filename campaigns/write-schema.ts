import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { campaignJsonSchemaText } from './json-schema.ts';
import { SCHEMA_FILE } from './folder.ts';

// Run as a script: writes campaign.schema.json anew after a change of the schema.
await writeFile(join(import.meta.dirname, SCHEMA_FILE), campaignJsonSchemaText());
