import { pipeline, type Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip } from 'node:zlib';
import { ToolError } from '../tool.ts';

export interface BodyOptions {
  encoding: string;
  /** Of the body after decompression. */
  mostBytes: number;
  /** Whether a longer body is cut there; else it is a failure. */
  cutsLonger?: boolean;
}

/**
 * A whole body, decompressed. Counted after decompression and chunk by chunk, so that a small body which unpacks to a large one is
 * stopped at the limit.
 * @throws {ToolError} TOOL_ANSWER_TOO_LARGE, TOOL_ANSWER_INVALID; and what the connection throws
 */
export async function readBody(body: Readable, options: BodyOptions): Promise<Buffer> {
  const { mostBytes, cutsLonger = false } = options;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of decoded(body, options.encoding.trim().toLowerCase()) as AsyncIterable<Buffer>) {
      const room = mostBytes - bytes;
      bytes += chunk.length;
      chunks.push(chunk.subarray(0, Math.max(0, room)));
      if (bytes > mostBytes) break;
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^(Z_|ERR__ERROR_|ERR_BROTLI)/.test(String(error.code)))
      throw new ToolError('TOOL_ANSWER_INVALID', 'The answer does not decompress.', { cause: error });
    throw error;
  }
  if (bytes > mostBytes && !cutsLonger)
    throw new ToolError('TOOL_ANSWER_TOO_LARGE', `The answer has more than ${mostBytes} bytes.`);
  return Buffer.concat(chunks);
}

function decoded(body: Readable, encoding: string): Readable {
  // What goes wrong on either side ends both, and reaches whoever reads.
  const through = (stream: ReturnType<typeof createGunzip>) => pipeline(body, stream, () => undefined);
  if (encoding === 'identity' || encoding === '') return body;
  if (encoding === 'gzip' || encoding === 'x-gzip') return through(createGunzip());
  if (encoding === 'br') return through(createBrotliDecompress());
  throw new ToolError(
    'TOOL_ANSWER_INVALID',
    `The answer is compressed by ${encoding.slice(0, 40)}, which was not asked for.`,
  );
}
