// How well search finds what is asked: 300 facts and 88 questions about an invented company, with the model that comes with the
// service, over the embedded database. Ends with 1 when a figure is below its floor.
//
//   npm run eval                      the figures as tables
//   npm run eval -- --misses          and the questions whose answer was not found among the first ten
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { openDatabase } from '../../database/open.ts';
import { KnowledgeBase } from '../../knowledge/knowledge-base.ts';
import { localEmbedder } from '../../knowledge/local-embedder.ts';
import type { SearchMode } from '../../knowledge/search.ts';
import { systemClock } from '../../shared/clock.ts';
import { EventBus } from '../../shared/events.ts';
import { silentLogger } from '../../shared/logger.ts';
import { FLOORS } from './floors.ts';
import { KINDS, type Question, retrievalSet, type SetFact } from './retrieval-set.ts';
import { chanceOf, type Figures, figuresOf } from './figures.ts';

const MODES: readonly SearchMode[] = ['words', 'meaning', 'hybrid'];
const DEPTH = 10;
const say = (text: string) => process.stdout.write(`${text}\n`);

const { facts, questions } = await retrievalSet();
const dataDir = await mkdtemp(join(tmpdir(), 'pipeline-orchestrator-eval-'));
const database = await openDatabase({ dataDir, databaseUrl: null, supabase: null }, { logger: silentLogger });
const knowledge = new KnowledgeBase({
  records: database.records,
  clock: systemClock,
  logger: silentLogger,
  events: new EventBus(),
  worker: 'eval',
  leaseMs: 30_000,
  isGone: () => false,
  embedder: localEmbedder(),
});

async function ingest(given: readonly SetFact[]): Promise<void> {
  await knowledge.embed();
  const file = { name: 'facts.txt', collection: 'default', format: 'text' as const };
  await knowledge.receive(file, Readable.from([Buffer.from(given.map(({ text }) => text).join('\n'))]));
  await knowledge.refine();
  await knowledge.embed();
}

/** The rank of the first answer for each question; null when it is not among the first {@link DEPTH}. */
async function ranksOf(mode: SearchMode, asked: readonly Question[], took: number[]): Promise<(number | null)[]> {
  const ranks: (number | null)[] = [];
  for (const { query, answers } of asked) {
    const before = performance.now();
    const { hits } = await knowledge.search({ query, mode, limit: DEPTH });
    took.push(performance.now() - before);
    const at = hits.findIndex(({ fact }) => [fact.text, ...fact.wordings].some((text) => answers.includes(text)));
    ranks.push(at < 0 ? null : at + 1);
  }
  return ranks;
}

const percent = (share: number) => `${(share * 100).toFixed(0)} %`.padStart(6);
const line = (name: string, { at1, at5, at10, mrr }: Figures) =>
  say(`${name.padEnd(24)}${percent(at1)}${percent(at5)}${percent(at10)}   ${mrr.toFixed(3)}`);

async function measureTypes(): Promise<number> {
  const wanted = new Map(facts.map(({ type, text }) => [text, type]));
  let [right, named, known] = [0, 0, 0];
  for (let after: string | undefined; ;) {
    const page = await knowledge.facts({ limit: 200, after });
    for (const fact of page.rows) {
      known += 1;
      if (fact.type !== 'unclassified') named += 1;
      if (fact.type === wanted.get(fact.text)) right += 1;
      else if (process.argv.includes('--misses')) say(`  type ${fact.type} for ${wanted.get(fact.text)}: ${fact.text}`);
    }
    if (page.next === null) break;
    after = page.next;
  }
  say(`types: ${right} of ${known} as a person gave them, ${known - named} unclassified, ${named - right} wrong`);
  return right / known;
}

async function measure(): Promise<string[]> {
  const below: string[] = [];
  const check = (name: string, figure: number, floor: number) => {
    if (figure < floor) below.push(`${name} is ${figure.toFixed(3)}, below its floor ${floor}`);
  };
  say(`${facts.length} facts, ${questions.length} questions${' '.repeat(2)}@1    @5   @10     MRR`);
  line('chance', chanceOf(facts.length, questions));
  for (const mode of MODES) {
    const took: number[] = [];
    const ranks = await ranksOf(mode, questions, took);
    const figures = figuresOf(ranks);
    line(mode, figures);
    for (const kind of KINDS) line(`  ${kind}`, figuresOf(ranks.filter((_, at) => questions[at]?.kind === kind)));
    took.sort((a, b) => a - b);
    const at = (share: number) => (took[Math.floor(took.length * share)] ?? 0).toFixed(0);
    say(`  search p50 ${at(0.5)} ms, p95 ${at(0.95)} ms`);
    if (process.argv.includes('--misses'))
      for (const [place, rank] of ranks.entries()) if (rank === null) say(`  missed: ${questions[place]?.query}`);
    for (const key of ['at1', 'at5', 'at10', 'mrr'] as const) check(`${mode} ${key}`, figures[key], FLOORS[mode][key]);
  }
  check('types', await measureTypes(), FLOORS.types);
  return below;
}

try {
  await ingest(facts);
  const below = await measure();
  for (const each of below) say(`BELOW: ${each}`);
  say(below.length === 0 ? 'no figure is below its floor' : `${below.length} figures are below their floors`);
  process.exitCode = below.length === 0 ? 0 : 1;
} finally {
  await knowledge.stop();
  await database.close();
  await rm(dataDir, { recursive: true, force: true });
}
