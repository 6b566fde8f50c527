import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import type { ApprovalRow } from '../../database/tables-moves.ts';
import { newId } from '../../shared/ids.ts';
import { asks, Scene, works } from '../runs/approvals-support.ts';
import { makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

let records: TestRecords;
let scene: Scene;
let app: ReturnType<typeof makeApi>['app'];
beforeAll(async () => {
  records = await freshRecords();
}, 60_000);
afterAll(() => records.close());
beforeEach(async () => {
  scene = await Scene.open(records, { APPROVAL_GROUPS: 'marketing=Bea' });
  ({ app } = makeApi(records, { approvals: scene.harness.approvals }));
});
afterEach(async () => {
  await scene.close();
  await records.truncate();
});

const post = (id: string, body: object) => request(app).post(`/api/approvals/${id}/decision`).send(body);

describe('POST /api/approvals/:id/decision', () => {
  test('approves with edits, shows what became of it, and the run goes on', async () => {
    const { run, approval } = await scene.asked();
    const { status, body } = await post(approval.id, {
      decision: 'approve',
      by: ' Bea ',
      reason: 'less is more',
      edits: { offer: '5 % off' },
    });
    expect(status).toBe(200);
    expect(body.approval).toMatchObject({
      id: approval.id,
      state: 'approved',
      decidedBy: 'Bea',
      reason: 'less is more',
      edited: true,
      subject: { offer: '10 % off' },
      editedSubject: { offer: '5 % off', count: 20 },
      diff: [{ op: 'replace', path: '/offer', value: '5 % off' }],
    });
    await scene.harness.idle();
    expect((await scene.harness.read(run.id)).run.status).toBe('completed');
  });

  test.each([
    ['approved', 'approved'],
    ['reject', 'rejected'],
    ['rejected', 'rejected'],
  ])('understands %s', async (decision, state) => {
    const { approval } = await scene.asked([asks()]);
    expect((await post(approval.id, { decision, by: 'Bea' })).body.approval).toMatchObject({ state, reason: null });
    await scene.harness.idle();
  });

  test('answers 409 with who was first', async () => {
    const { approval } = await scene.asked([asks()]);
    await post(approval.id, { decision: 'reject', by: 'Carl' });
    const { status, body } = await post(approval.id, { decision: 'approve', by: 'Bea' });
    expect([status, body.error.code]).toEqual([409, 'APPROVAL_DECIDED']);
    expect(body.error.message).toContain('rejected by Carl');
    await scene.harness.idle();
  });

  test('answers 403 to who requested it and to who is in no group', async () => {
    const { approval } = await scene.asked([asks({ requestedBy: 'Bea', groups: ['marketing'] })]);
    const self = await post(approval.id, { decision: 'approve', by: 'BEA' });
    expect([self.status, self.body.error.code]).toEqual([403, 'APPROVAL_SELF']);
    const stranger = await post(approval.id, { decision: 'approve', by: 'Eve' });
    expect([stranger.status, stranger.body.error.code]).toEqual([403, 'APPROVAL_NOT_IN_GROUP']);
    expect(stranger.body.error.details).toMatchObject([{ path: 'by', mend: 'a member of marketing decides' }]);
  });

  test('answers 409 once it is expired or withdrawn', async () => {
    const { run, approval } = await scene.asked([asks()]);
    scene.clock.set(approval.expires_at);
    expect((await post(approval.id, { decision: 'approve', by: 'Bea' })).body.error.code).toBe('APPROVAL_EXPIRED');
    scene.clock.set(approval.created_at);
    await scene.harness.runs.cancel(run.id);
    expect((await post(approval.id, { decision: 'approve', by: 'Bea' })).body.error.code).toBe('APPROVAL_WITHDRAWN');
  });

  test('answers 404 to an id that nothing has, and 400 to one that is none', async () => {
    const unknown = await post(newId(), { decision: 'approve', by: 'Bea' });
    expect([unknown.status, unknown.body.error.code]).toEqual([404, 'NOT_FOUND']);
    expect((await post('offer', { decision: 'approve', by: 'Bea' })).status).toBe(400);
  });

  test.each<[string, object, string[]]>([
    ['nothing', {}, ['decision', 'by']],
    ['another decision', { decision: 'maybe', by: 'Bea' }, ['decision']],
    ['nobody', { decision: 'approve', by: '  ' }, ['by']],
    ['a name without end', { decision: 'approve', by: 'B'.repeat(201) }, ['by']],
    ['a reason without end', { decision: 'approve', by: 'Bea', reason: 'x'.repeat(2_001) }, ['reason']],
    ['a field that there is not', { decision: 'approve', by: 'Bea', edit: {} }, ['edit']],
    ['edits that are a text', { decision: 'approve', by: 'Bea', edits: 'offer' }, ['edits']],
    [
      'what is no pointer',
      { decision: 'approve', by: 'Bea', edits: [{ op: 'replace', path: 'offer', value: 1 }] },
      ['edits[0].path'],
    ],
    ['no such operation', { decision: 'approve', by: 'Bea', edits: [{ op: 'eval', path: '/offer' }] }, ['edits']],
    ['edits of what cannot be edited', { decision: 'approve', by: 'Bea', edits: { count: 1 } }, ['edits.count']],
    ['edits of what is rejected', { decision: 'reject', by: 'Bea', edits: { offer: 'x' } }, ['edits']],
  ])('answers 400 to %s and decides nothing', async (_, body, paths) => {
    const { approval } = await scene.asked([asks()]);
    const answer = await post(approval.id, body);
    expect([answer.status, answer.body.error.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(answer.body.error.details.map(({ path }: { path: string }) => path)).toEqual(paths);
    expect((await scene.approval()).state).toBe('pending');
  });
});

describe('GET /api/approvals/:id', () => {
  test('shows all that is to be approved, and never decides, whatever is asked for', async () => {
    const { approval } = await scene.asked();
    for (const path of ['', '?decision=approve&by=Bea', '/decision', '/decision?decision=approve&by=Bea']) {
      const url = `/api/approvals/${approval.id}${path}`;
      for (const answer of [await request(app).get(url), await request(app).head(url)])
        expect([200, 400, 404, 405]).toContain(answer.status);
    }
    expect(await scene.approval()).toEqual(approval);
    const { body } = await request(app).get(`/api/approvals/${approval.id}`);
    expect(body.approval).toEqual({
      id: approval.id,
      state: 'pending',
      kind: 'step',
      title: 'May the offer go out?',
      summary: 'May the offer go out?',
      campaignId: approval.campaign_id,
      runId: approval.run_id,
      step: 'approval',
      planId: null,
      groups: [],
      requestedBy: null,
      allowSelf: false,
      onExpiry: 'reject',
      createdAt: '2026-03-02T09:00:00.000Z',
      expiresAt: '2026-03-05T09:00:00.000Z',
      remindAt: '2026-03-03T21:00:00.000Z',
      reminders: 0,
      decidedAt: null,
      decidedBy: null,
      reason: null,
      edited: false,
      subject: approval.subject,
      context: { editable: ['offer', 'tags', 'sender'] },
      editedSubject: null,
      diff: null,
    });
  });

  test('answers 404 and 400', async () => {
    expect((await request(app).get(`/api/approvals/${newId()}`)).body.error.code).toBe('NOT_FOUND');
    expect((await request(app).get('/api/approvals/offer')).status).toBe(400);
  });
});

describe('GET /api/approvals', () => {
  const list = async (query: string) => {
    const { status, body } = await request(app).get(`/api/approvals?${query}`);
    return { status, ids: (body.approvals ?? []).map(({ id }: { id: string }) => id) as string[], body };
  };
  /** Three runs of two campaigns, one decided. */
  async function three(): Promise<ApprovalRow[]> {
    for (const name of ['first', 'second', 'third']) {
      await scene.run([asks({}, { name }), ...(name === 'third' ? [] : [works({ params: {} })])]);
      await scene.clock.advance(1_000);
    }
    const approvals = await scene.approvals();
    await scene.decide(approvals[0]?.id ?? '');
    return approvals;
  }

  test('is newest first, a page at a time, without what is to be approved', async () => {
    const all = (await three()).map(({ id }) => id).toReversed();
    const one = await list('limit=2');
    expect(one.ids).toEqual(all.slice(0, 2));
    const two = await list(`limit=2&cursor=${one.body.nextCursor}`);
    expect([two.ids, two.body.nextCursor]).toEqual([all.slice(2), null]);
    expect(one.body.approvals[0]).not.toHaveProperty('subject');
  });

  test('can be of one state, kind, run, campaign or plan', async () => {
    const [first, second, third] = (await three()) as [ApprovalRow, ApprovalRow, ApprovalRow];
    const plan = newId();
    await records.pool.query("update approvals set plan_id = $1, kind = 'arc' where id = $2", [plan, third.id]);
    expect((await list('state=approved')).ids).toEqual([first.id]);
    expect((await list('state=pending')).ids).toEqual([third.id, second.id]);
    expect((await list('state=pending&limit=1')).ids).toEqual([third.id]);
    expect((await list('kind=arc')).ids).toEqual([third.id]);
    expect((await list(`runId=${second.run_id}`)).ids).toEqual([second.id]);
    expect((await list(`campaignId=${second.campaign_id}&state=pending`)).ids).toEqual([second.id]);
    expect((await list(`planId=${plan}`)).ids).toEqual([third.id]);
    expect((await list(`planId=${newId()}`)).ids).toEqual([]);
  });

  test.each(['state=open', 'runId=1', 'campaignId=x', 'planId=x', 'limit=0', 'cursor=x', 'status=pending'])(
    'answers 400 to %s',
    async (query) => {
      expect((await list(query)).status).toBe(400);
    },
  );
});
