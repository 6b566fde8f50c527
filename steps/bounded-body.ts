import { StepError } from './step.ts';

function tooLarge(maxBytes: number): StepError {
  return new StepError(
    'ENGINE_RESPONSE_TOO_LARGE',
    `The engine's answer is larger than ${maxBytes} bytes (MAX_ENGINE_RESPONSE_BYTES).`,
    { worked: 'maybe', definite: false },
  );
}

/**
 * Passes a body on, counting its bytes.
 * @throws {StepError} ENGINE_RESPONSE_TOO_LARGE as soon as there are more than `maxBytes`
 */
export async function* bounded(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    yield chunk;
  }
}

/**
 * The whole body as text, decoded as UTF-8 with a leading byte order mark dropped.
 * @throws {StepError} ENGINE_RESPONSE_TOO_LARGE
 */
export async function readText(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bounded(body, maxBytes)) chunks.push(chunk);
  return new TextDecoder().decode(Buffer.concat(chunks));
}
