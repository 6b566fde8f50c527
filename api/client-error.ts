import type { Duplex } from 'node:stream';
import { detailsOf } from './mends.ts';
import type { Failure } from './shapes/common.ts';

const ANSWERS: Record<string, [status: string, code: string, message: string]> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'HEADERS_TOO_LARGE',
    'The headers are larger than 16 KiB.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'REQUEST_TIMEOUT', 'The request did not arrive in time.'],
};

/**
 * Answers what is not HTTP enough to become a request, in the shape of every other failure: `server.on('clientError', …)`.
 * Node's own answer has no body.
 */
export function answerClientError(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] = ANSWERS[error.code ?? ''] ?? [
    '400 Bad Request',
    'MALFORMED_REQUEST',
    'This is not a well-formed HTTP request.',
  ];
  const body = JSON.stringify({
    success: false,
    error: { code, message, details: detailsOf({ code, details: [] }) },
  } satisfies Failure);
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
