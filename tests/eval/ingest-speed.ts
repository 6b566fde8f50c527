// How fast a file of generated lines becomes facts with vectors in the embedded database, and how fast these are found.
//
//   node tests/eval/ingest-speed.ts [lines]             with the built-in model (3000 lines unless given; reckoned up to 30,000)
//   node tests/eval/ingest-speed.ts [lines] --no-model  with made-up vectors, which cost nothing: for the search alone
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../database/open.ts';
import { KnowledgeBase } from '../../knowledge/knowledge-base.ts';
import { localEmbedder } from '../../knowledge/local-embedder.ts';
import { systemClock } from '../../shared/clock.ts';
import { EventBus } from '../../shared/events.ts';
import { silentLogger } from '../../shared/logger.ts';
import { wordEmbedder } from '../support/embedder.ts';
import { generatedLines } from './generated-lines.ts';

const FULL = 30_000;
const SEARCHES = 200;
const say = (text: string) => process.stdout.write(`${text}\n`);

const lines = Number(process.argv.find((given) => /^\d+$/.test(given)) ?? 3_000);
const embedder = process.argv.includes('--no-model') ? wordEmbedder('words-of-test', 512) : localEmbedder();
const dataDir = await mkdtemp(join(tmpdir(), 'pipeline-orchestrator-speed-'));
const database = await openDatabase({ dataDir, databaseUrl: null, supabase: null }, { logger: silentLogger });
const { records } = database;
const knowledge = new KnowledgeBase({
  records,
  clock: systemClock,
  logger: silentLogger,
  events: new EventBus(),
  worker: 'speed',
  leaseMs: 30_000,
  isGone: () => false,
  embedder,
});

let mostMemory = 0;
const watch = setInterval(() => (mostMemory = Math.max(mostMemory, process.memoryUsage.rss())), 200);

async function* chunksOf(text: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

async function timed<R>(work: () => Promise<R>): Promise<[R, seconds: number]> {
  const before = performance.now();
  return [await work(), (performance.now() - before) / 1_000];
}

async function ingest(): Promise<void> {
  // Makes the space first, as the service does, so that the file waits for its vectors.
  await knowledge.embed();
  const file = { name: 'generated.txt', collection: 'default', format: 'text' as const };
  const text = generatedLines(lines).join('\n');
  const [row, received] = await timed(() => knowledge.receive(file, chunksOf(text)));
  const state = async () => (await records.select('knowledge_ingests'))[0];
  const [, refinedAfter] = await timed(async () => {
    knowledge.start();
    while ((await state())?.state !== 'embedding' && (await state())?.state !== 'completed')
      await systemClock.sleep(50);
  });
  const [, embeddedAfter] = await timed(async () => {
    while ((await state())?.state !== 'completed') await systemClock.sleep(100);
  });
  const { user, system } = process.cpuUsage();
  const total = received + refinedAfter + embeddedAfter;
  const done = await state();
  say(`${row.lines} lines, ${(row.bytes / 1_048_576).toFixed(1)} MiB, on ${availableParallelism()} cores`);
  say(`facts: ${done?.facts_new} new, ${done?.facts_repeated} repeated, ${done?.facts_merged} merged`);
  say(
    `received in ${received.toFixed(1)} s, facts after ${refinedAfter.toFixed(1)} s, vectors ${embeddedAfter.toFixed(1)} s later`,
  );
  say(
    `in all ${total.toFixed(1)} s: ${(lines / total).toFixed(0)} lines/s, ${((done?.facts_new ?? 0) / total).toFixed(0)} facts/s`,
  );
  say(
    `${((user + system) / 1_000_000).toFixed(0)} s of processor time, which other work on the machine does not lengthen much`,
  );
  if (lines < FULL) say(`${FULL} lines at this rate: ${((total * FULL) / lines / 60).toFixed(1)} minutes`);
  say(`memory at most ${(mostMemory / 1_048_576).toFixed(0)} MiB, database and model included`);
}

async function search(): Promise<void> {
  const queries = generatedLines(SEARCHES, 99).map((line) => line.split(/\s+/).slice(0, 7).join(' '));
  for (const mode of ['words', 'meaning', 'hybrid'] as const) {
    const took: number[] = [];
    // A different query each time: one that was asked before needs no model.
    for (const query of queries) {
      const [, seconds] = await timed(() => knowledge.search({ query: `${query} ${mode}`, mode, limit: 10 }));
      took.push(seconds * 1_000);
    }
    took.sort((a, b) => a - b);
    const at = (share: number) => (took[Math.floor(took.length * share)] ?? 0).toFixed(0);
    say(`search by ${mode}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms of ${took.length} questions`);
  }
}

try {
  await ingest();
  await search();
} finally {
  clearInterval(watch);
  await knowledge.stop();
  await database.close();
  await rm(dataDir, { recursive: true, force: true });
}
