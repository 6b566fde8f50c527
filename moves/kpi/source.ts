import { z } from 'zod';
import { wording } from '../statement.ts';

/** The column or field that names the KPI of a row, where one source holds several. */
const which = z
  .strictObject({ column: wording(100), equals: wording(200) })
  .optional()
  .meta({ description: 'Only rows whose column has this value count.' });

/** Where the readings of a KPI come from. */
export const kpiSourceSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('csv'),
    file: wording(500).meta({ description: 'Path below KPI_DIR.' }),
    value: wording(100).default('value').meta({ description: 'Name of the column with the value.' }),
    date: wording(100).default('date').meta({ description: 'Name of the column with the day or time.' }),
    where: which,
  }),
  z.strictObject({
    type: z.literal('http'),
    url: z.url({ protocol: /^https?$/ }).meta({ description: 'Within ENGINE_ALLOWED_ORIGINS.' }),
    value: wording(500).meta({ description: 'JSONPath (RFC 9535) of the value, such as $.data.leads.' }),
    date: wording(500).optional().meta({ description: 'JSONPath of its day or time; left out: now.' }),
  }),
  z.strictObject({
    type: z.literal('sql'),
    view: z
      .string()
      .regex(/^kpi_[a-z0-9_]{1,55}$/, { error: 'must be a view whose name begins with kpi_' })
      .meta({
        description: 'A view with the columns observed_at and value, and where one view holds several KPIs, kpi.',
      }),
    kpi: wording(200).optional().meta({ description: 'Only rows with this value in the column kpi count.' }),
  }),
]);
export type KpiSource = z.infer<typeof kpiSourceSchema>;
