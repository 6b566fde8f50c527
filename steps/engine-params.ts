import { z } from 'zod';
import type { JsonObject } from '../database/tables.ts';

/** Engines check their own parameters: any object goes through. */
export const anyParams: z.ZodType<JsonObject> = z.record(z.string(), z.json());
