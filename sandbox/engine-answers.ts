import type { ServerResponse } from 'node:http';
import type { Work } from './engine-options.ts';
import { answerJson, openStream, writeFrame } from './engine-server.ts';
import type { Plan } from './engine-work.ts';

/** Waits for one item of work; rejects when the call was cancelled. */
export type Tick = () => Promise<void>;

const LEADS = ['Trattoria Nonna', 'Blue Door Bakery', 'Harbor Grill', 'Café Lumière', 'Oak & Ember', 'Taquería Sol'];
const lead = (index: number) => ({ lead_id: `lead-${index + 1}`, company: LEADS[index % LEADS.length] ?? '' });
const costField = (name: string, dollars: number | null) => (dollars === null ? {} : { [name]: dollars });

const leads = (count: number, more: object) =>
  Array.from({ length: count }, (_, index) => ({ ...lead(index), ...more }));

const BODIES: Record<Work, (plan: Plan) => object> = {
  prospecting: ({ done, dollars }) => ({
    data: { found: done + 2, verified: done + 1, saved: done, ...costField('cost', dollars) },
  }),
  analysis: ({ done, failed, dollars }) => ({
    summary: { total: done + failed, successful: done, failed, ...costField('totalCost', dollars) },
  }),
  compose: ({ done, failed, dollars }) => ({
    result: { processed_leads: done, failed, ...costField('total_cost', dollars) },
  }),
  send: ({ done, failed, skipped, dryRun }) => ({
    ...(dryRun ? { dry_run: true } : {}),
    results: {
      sent: leads(done, { status: 'sent' }),
      failed: leads(failed, { error: '550 mailbox unavailable' }),
      skipped: leads(skipped, { reason: 'no address' }),
    },
  }),
};

/** The body of the plain dialect, as each engine wraps it. */
export function jsonAnswer(work: Work, plan: Plan): object {
  return { success: true, ...BODIES[work](plan) };
}

/** How a stream goes on: item by item, and once more when the work is done. */
export interface Course {
  tick: Tick;
  /** Called before the terminal frame. */
  finish: () => void;
}

/** Prospecting streams unnamed frames and ends with `complete`. */
async function streamProspecting(
  response: ServerResponse,
  plan: Plan,
  { tick, finish }: Course,
  twice: boolean,
): Promise<void> {
  writeFrame(response, 'unnamed', 'started', { message: 'Searching' });
  for (let index = 0; index < plan.done; index++) {
    await tick();
    writeFrame(response, 'unnamed', index % 2 ? 'progress' : 'discovery_progress', {
      data: { current: index + 1, total: plan.done, company: lead(index).company },
    });
  }
  finish();
  for (let times = 0; times < (twice ? 2 : 1); times++)
    writeFrame(response, 'unnamed', 'complete', jsonAnswer('prospecting', plan));
}

/** Analysis streams named frames, `complete` or `failed` once a lead, and ends with `summary` and `done`. */
async function streamAnalysis(response: ServerResponse, plan: Plan, { tick, finish }: Course): Promise<void> {
  const total = plan.done + plan.failed;
  writeFrame(response, 'named', 'status', { message: 'Analyzing', total });
  for (let index = 0; index < total; index++) {
    await tick();
    const good = index < plan.done;
    writeFrame(response, 'named', 'progress', { current: index + 1, total, ...lead(index) });
    writeFrame(response, 'named', good ? 'complete' : 'failed', {
      ...lead(index),
      ...(good ? { grade: 'ABC'[index % 3] } : { error: 'Site is down' }),
    });
  }
  finish();
  writeFrame(response, 'named', 'summary', jsonAnswer('analysis', plan));
  writeFrame(response, 'named', 'done', {});
}

/** Compose and send stream named frames; an `error` frame is about one lead. */
async function streamOutreach(
  response: ServerResponse,
  work: 'compose' | 'send',
  plan: Plan,
  { tick, finish }: Course,
): Promise<void> {
  const total = plan.done + plan.failed;
  writeFrame(response, 'named', 'status', { total });
  for (let index = 0; index < total; index++) {
    await tick();
    if (index < plan.done) writeFrame(response, 'named', 'progress', { current: index + 1, total, ...lead(index) });
    else writeFrame(response, 'named', 'error', { ...lead(index), error: 'No contact person' });
  }
  finish();
  const body =
    work === 'send'
      ? jsonAnswer('send', plan)
      : { completed: plan.done, failed: plan.failed, ...costField('total_cost', plan.dollars) };
  writeFrame(response, 'named', 'complete', body);
}

export async function streamAnswer(
  response: ServerResponse,
  work: Work,
  plan: Plan,
  course: Course,
  completesTwice: boolean,
): Promise<void> {
  openStream(response);
  if (work === 'prospecting') await streamProspecting(response, plan, course, completesTwice);
  else if (work === 'analysis') await streamAnalysis(response, plan, course);
  else await streamOutreach(response, work, plan, course);
  response.end();
}

/** A failure as the dialect has it: an error frame in a stream, `success: false` in JSON. */
export function answerFailure(
  response: ServerResponse,
  dialect: 'json' | 'sse' | 'job',
  message: string,
  more: object = {},
): void {
  if (dialect !== 'sse') return answerJson(response, { success: false, error: message, ...more });
  openStream(response);
  writeFrame(response, 'unnamed', 'started', {});
  writeFrame(response, 'unnamed', 'error', { error: message, ...more });
  response.end();
}
