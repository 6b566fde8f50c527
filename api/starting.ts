import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../shared/errors.ts';
import { failureBody } from './failures.ts';
import { SERVICE, VERSION } from './routes/service.ts';

/**
 * Answers while the port is taken and the service behind it is still being started: /api/health as ever (the process
 * lives, its counts are not known), everything else with 503 NOT_READY.
 */
export function answerStarting(request: IncomingMessage, response: ServerResponse): void {
  const alive = /^\/api\/health(\?|$)/.test(request.url ?? '');
  const body = JSON.stringify(
    alive
      ? {
          status: 'healthy',
          service: SERVICE,
          activeCampaigns: null,
          scheduledRuns: null,
          version: VERSION,
          uptime: Math.round(process.uptime() * 10) / 10,
        }
      : failureBody(new AppError('NOT_READY', 503, 'The service is starting.', { retryable: true })),
  );
  response.writeHead(alive ? 200 : 503, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    ...(alive ? {} : { 'Retry-After': '1' }),
  });
  response.end(body);
}
