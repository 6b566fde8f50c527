import { rm } from 'node:fs/promises';
import { MADE_ONCE_FOLDER } from './made-once.ts';

export default async function teardown() {
  await globalThis.sharedPostgres.stop();
  await rm(process.env[MADE_ONCE_FOLDER], { recursive: true, force: true });
}
