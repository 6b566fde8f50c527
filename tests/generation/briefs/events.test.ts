import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { ModelError } from '../../../generation/model.ts';
import { freshRecords, type TestRecords } from '../../support/records.ts';
import { Scene } from './scene.ts';

let records: TestRecords;
let scene: Scene;
let server: Server;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  scene = new Scene(records);
  server = createServer(scene.api.app).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await scene.close();
  await records.truncate();
});
afterAll(() => records.close());

interface Told {
  id: string;
  agents?: Record<string, string>;
  event: string;
  agent: string | undefined;
  state: string;
  overall: string;
}

/** Reads the stream of a brief to its end, or until it has given so many events. */
async function read(runId: string, after?: string, most = Infinity): Promise<Told[]> {
  const { port } = server.address() as AddressInfo;
  const leave = new AbortController();
  const response = await fetch(`http://127.0.0.1:${port}/api/briefs/${runId}/events`, {
    signal: leave.signal,
    ...(after === undefined ? {} : { headers: { 'last-event-id': after } }),
  });
  if (response.status === 204) return [];
  const told: Told[] = [];
  const parser = createParser({
    onEvent({ id, event = '', data }: EventSourceMessage) {
      if (id === undefined) return;
      const { agent, agents, state, overall } = JSON.parse(data) as Told;
      told.push({ id, event, agent, state, overall, ...(agents ? { agents } : {}) });
    },
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (!chunk || chunk.done) break;
    parser.feed(chunk.value);
    if (told.length >= most) break;
  }
  leave.abort();
  return told.slice(0, most);
}

const statesOf = (told: readonly Told[], agent: string) =>
  told.filter(({ event, agent: of }) => event === 'agent.state' && of === agent).map(({ state }) => state);

describe('the events of a brief', () => {
  test('tell how each agent and the whole go from queued to completed', async () => {
    const { runId } = await scene.write();
    const told = await read(runId);
    expect(told.map(({ id }) => id)).toEqual(told.map((_, index) => `${runId}:${index + 1}`));
    for (const agent of ['copy', 'social', 'poster'])
      expect(statesOf(told, agent)).toEqual(['generating', 'generated']);
    expect(statesOf(told, 'audit')).toEqual(['auditing', 'audited']);
    const overall = told.map((event) => event.overall).filter((state, at, all) => state !== all[at - 1]);
    expect(overall).toEqual(['queued', 'generating', 'generated', 'auditing', 'completed']);
    expect(told[0]?.agents).toEqual({ copy: 'queued', social: 'queued', poster: 'queued', audit: 'queued' });
    expect(told.at(-1)).toMatchObject({ event: 'brief.state', state: 'completed', agents: { audit: 'audited' } });
  });

  test('come while the agents work, before the brief has ended', async () => {
    scene.model.script['brief.poster'] = ['hang'];
    const runId = await scene.submit();
    const told = await read(runId, undefined, 7);
    expect(statesOf(told, 'copy')).toContain('generated');
    expect((await scene.bundle(runId)).state).toBe('generating');
    await scene.post(`/api/briefs/${runId}/cancel`);
    await scene.harness.idle();
    expect((await read(runId, told.at(-1)?.id)).at(-1)).toMatchObject({
      state: 'cancelled',
      agents: { copy: 'generated', poster: 'cancelled', audit: 'cancelled' },
    });
  });

  test('go on after any of them without one lost, told again, or told otherwise', async () => {
    const { runId } = await scene.write();
    const all = await read(runId);
    for (const [at, { id }] of all.entries()) expect(await read(runId, id)).toEqual(all.slice(at + 1));
  });

  test('of a retry begin with what was carried over as generated', async () => {
    scene.model.script['brief.copy'] = [new ModelError('MODEL_REFUSED', 'no'), 'write'];
    const { runId } = await scene.write();
    const failed = await read(runId);
    expect(statesOf(failed, 'copy')).toEqual(['generating', 'failed']);
    expect(failed).toContainEqual(expect.objectContaining({ event: 'brief.note', agent: 'copy' }));
    expect(failed.at(-1)?.overall).toBe('partial');
    await scene.post(`/api/briefs/${runId}/retry`);
    await scene.harness.idle();
    // A reader that had seen some of the broken run gets the rest of that, and then the repair: nothing lost, nothing twice.
    const rest = await read(runId, failed[3]?.id);
    expect(rest).toEqual(failed.slice(4));
    const told = await read(runId, rest.at(-1)?.id);
    expect(told).toEqual(await read(runId));
    expect(await read(runId, told.at(-1)?.id)).toEqual([]);
    expect(statesOf(told, 'copy')).toEqual(['generating', 'generated']);
    expect(statesOf(told, 'social')).toEqual([]);
    expect(told[0]?.agents).toMatchObject({ copy: 'queued', social: 'generated', audit: 'queued' });
    const overall = told.map((event) => event.overall).filter((state, at, all) => state !== all[at - 1]);
    expect(overall).toEqual(['queued', 'generating', 'generated', 'auditing', 'completed']);
  });
});
