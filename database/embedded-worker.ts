// Runs the embedded database; started in a thread of its own by embedded-thread.ts. Whatever is thrown here ends the thread, and
// the other side tells of it.
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { backendOf } from './embedded-backend.ts';
import type { Reply, Request, ThreadData } from './embedded-thread.ts';

const SETTINGS = {
  // Holds the campaigns of a large service, which are scanned for counts; Postgres' own 128 MB were no faster.
  shared_buffers: '64MB',
  // Half of what Postgres assumes: its check must come before the stack of WebAssembly ends, which the database would not survive.
  max_stack_depth: '1MB',
};

const port = parentPort;
if (!port) throw new Error('This file is run in a thread of its own.');
const reply = (message: Reply) =>
  message instanceof Uint8Array ? port.postMessage(message, [message.buffer]) : port.postMessage(message);

const { folder } = workerData as ThreadData;
const pglite = await PGlite.create(folder, {
  extensions: { vector },
  startParams: [
    ...PGlite.defaultStartParams,
    ...Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ],
});
const backend = backendOf(pglite);

let served: Promise<void> = Promise.resolve();
port.on('message', (request: Request) => {
  served = served.then(() => serve(request));
});
reply('ready');

async function serve(request: Request): Promise<void> {
  if (request !== 'close') return reply(await backend.run(request));
  await pglite.close();
  port?.close();
}
