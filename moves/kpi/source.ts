import { z } from 'zod';
import { wording } from '../statement.ts';
import { jsonPathProblem } from './json-path.ts';

/** The column or field that names the KPI of a row, where one source holds several. */
const which = z
  .strictObject({ column: wording(100), equals: wording(200) })
  .optional()
  .meta({ description: 'Only rows whose column has this value count.' });

const jsonPath = wording(500).superRefine((path, context) => {
  const problem = jsonPathProblem(path);
  if (problem !== null)
    context.addIssue({
      code: 'custom',
      message: problem,
      params: { mend: 'write a JSONPath (RFC 9535) such as $.data.leads or $.days[*].leads' },
    });
});

/** `{{ env.NAME }}`: a variable of ENV_REFERENCES. */
export const ENV_REFERENCE = /\{\{\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g;

const authorization = wording(500)
  .refine((text) => text.search(ENV_REFERENCE) >= 0, {
    error: 'has to refer to a variable, as a secret is not stored',
    params: { mend: 'write it as Bearer {{ env.NAME }}, and name the variable in ENV_REFERENCES' },
  })
  .optional()
  .meta({ description: 'The header of that name, such as `Bearer {{ env.KPI_TOKEN }}`.' });

/** An address without a user and a password, which would be stored and shown. */
export const plainUrl = z.url({ protocol: /^https?$/ }).refine(
  (text) => {
    const url = URL.parse(text);
    return url === null || (url.username === '' && url.password === '');
  },
  { error: 'holds a user or a password', params: { mend: 'leave them out; KPIs take `authorization` by reference' } },
);

const csvSource = z.strictObject({
  type: z.literal('csv'),
  file: wording(500)
    .refine((file) => !/^([/\\]|[a-z]:)/i.test(file) && !file.split(/[/\\]/).includes('..'), {
      error: 'leads out of KPI_DIR',
      params: { mend: 'write a path below KPI_DIR, such as leads.csv' },
    })
    .meta({ description: 'Path below KPI_DIR.' }),
  value: wording(100).default('value').meta({ description: 'Name of the column with the value.' }),
  date: wording(100).default('date').meta({ description: 'Name of the column with the day or time.' }),
  where: which,
  decimal: z.enum([',', '.']).optional().meta({
    description: 'The decimal sign of the values. Left out: told from the values, where they leave no doubt.',
  }),
});
export type CsvSource = z.infer<typeof csvSource>;

const httpSource = z.strictObject({
  type: z.literal('http'),
  url: plainUrl.meta({ description: 'Within ENGINE_ALLOWED_ORIGINS.' }),
  value: jsonPath.meta({
    description: 'JSONPath (RFC 9535) of the value, such as $.data.leads; of several with `date`.',
  }),
  date: jsonPath.optional().meta({ description: 'JSONPath of its day or time; left out: now.' }),
  authorization,
});
export type HttpSource = z.infer<typeof httpSource>;

const sqlSource = z.strictObject({
  type: z.literal('sql'),
  view: z
    .string()
    .regex(/^kpi_[a-z0-9_]{1,55}$/, { error: 'must be a view whose name begins with kpi_' })
    .meta({
      description: 'A view with the columns observed_at and value, and where one view holds several KPIs, kpi.',
    }),
  kpi: wording(200).optional().meta({ description: 'Only rows with this value in the column kpi count.' }),
});
export type SqlSource = z.infer<typeof sqlSource>;

/** Where the readings of a KPI come from. */
export const kpiSourceSchema = z.discriminatedUnion('type', [csvSource, httpSource, sqlSource]);
export type KpiSource = z.infer<typeof kpiSourceSchema>;

/** An address without its query, in which keys may stand. */
export function withoutQuery(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? '' : `${parsed.origin}${parsed.pathname}`;
}

/** Connector and place in a few words, as it is kept with each reading. */
export function placeOf(source: KpiSource): string {
  if (source.type === 'csv') return `csv:${source.file}`;
  if (source.type === 'http') return `http:${withoutQuery(source.url)}`;
  return source.kpi === undefined ? `sql:${source.view}` : `sql:${source.view}:${source.kpi}`;
}
