import { z } from 'zod';
import { campaignInput } from './campaign-schema.ts';

/**
 * The JSON Schema (draft 2020-12) of a campaign file, for editors. It knows the shape; what takes the environment or several
 * fields at once is found by parseDefinition only.
 */
export function campaignJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(campaignInput, {
    io: 'input',
    target: 'draft-2020-12',
    unrepresentable: 'any',
    // zod leaves out the default of what it transforms, and a duration is transformed.
    override({ zodSchema, jsonSchema }) {
      const meta = z.globalRegistry.get(zodSchema);
      if (meta && 'default' in meta) Object.assign(jsonSchema, { default: meta['default'] });
    },
  });
  const { $schema, ...rest } = schema;
  return {
    $schema,
    title: 'Campaign of the pipeline orchestrator',
    ...rest,
  };
}

/** The text of campaign.schema.json. */
export function campaignJsonSchemaText(): string {
  return `${JSON.stringify(campaignJsonSchema(), null, 2)}\n`;
}
