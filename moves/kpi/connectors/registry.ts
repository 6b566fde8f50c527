import type { KpiSource } from '../source.ts';
import type { KpiConnector, SourceReadings, SourceRequest } from './connector.ts';
import { csvConnector } from './csv.ts';
import type { HttpAccess } from './http-fetch.ts';
import { httpConnector } from './http-json.ts';
import { sqlConnector } from './sql-view.ts';
import type { Records } from '../../../database/records.ts';

export interface ConnectorAccess extends HttpAccess {
  records: Pick<Records, 'call'>;
  /** Folder of the CSV files. */
  kpiDir: string;
}

type Connectors = { [T in KpiSource['type']]: KpiConnector<Extract<KpiSource, { type: T }>> };

/** Every kind of source, one alphabetical line each. */
export function makeConnectors(access: ConnectorAccess): Connectors {
  return {
    csv: csvConnector(access.kpiDir),
    http: httpConnector(access),
    sql: sqlConnector(access.records),
  };
}

/** Reads a source with the connector of its kind. @throws {WorkError} as {@link KpiConnector.read} */
export function readSource(connectors: Connectors, source: KpiSource, request: SourceRequest): Promise<SourceReadings> {
  const connector = connectors[source.type] as KpiConnector;
  return connector.read(source, request);
}
