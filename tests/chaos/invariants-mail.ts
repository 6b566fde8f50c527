import { groupBy, stepKey } from './engine-records.ts';
import type { Evidence, RunFacts } from './evidence.ts';
import type { Letter } from './post.ts';

const TROUBLE: ReadonlySet<string> = new Set(['partial', 'failed', 'aborted', 'budget']);

/** Mails that were put into the outbox and never arrived. */
export function undelivered({ notifications, letters }: Evidence): string[] {
  const arrived = new Set(letters.map(idOf));
  return notifications.flatMap(({ id, kind, status }) =>
    arrived.has(id) && status === 'sent' ? [] : [`${kind} ${id} is ${status}, ${arrived.has(id) ? '' : 'not '}arrived`],
  );
}

/** The notification's id, from the Message-ID. */
function idOf({ messageId }: Letter): string {
  return messageId.replace(/^<|@.*$/g, '');
}

/** Ends of runs that had to be told and were not. */
export function untold(evidence: Evidence): string[] {
  const { campaigns, runs, letters } = evidence;
  const told = new Set(letters.map(({ kind, runId, to }) => `${kind} ${runId} ${to}`));
  const byCampaign = groupBy(runs, ({ campaignId }) => campaignId);
  return campaigns.flatMap(({ id, campaign }) => {
    const of = byCampaign.get(id) ?? [];
    const completed = of.filter(({ status }) => status === 'completed');
    return [
      ...completed
        .filter((run) => !told.has(`completed ${run.id} ${campaign.complete}`) && !wasResolved(evidence, run))
        .map((run) => `run ${run.id} of ${campaign.definition.name} completed, and nobody was told`),
      ...untoldTrouble(
        campaign.definition.name,
        of,
        letters.filter(({ to }) => to === campaign.trouble),
      ),
    ];
  });
}

/** A partial run of which a person said later that all was done; that is told to nobody, since a person did it. */
function wasResolved({ decisions, steps }: Evidence, run: RunFacts): boolean {
  return steps.some(({ runId, name }) => runId === run.id && decisions.has(stepKey(runId, name)));
}

/** The same trouble is told once until a run completes, so what is asked is a mail for each row of troubled runs. */
function untoldTrouble(name: string, runs: readonly RunFacts[], letters: readonly Letter[]): string[] {
  const troubled = runs.filter(({ status }) => TROUBLE.has(status));
  const mails = letters.filter(({ kind }) => kind !== null && TROUBLE.has(kind));
  return troubled.length > 0 && mails.length === 0
    ? [`${name} had ${troubled.length} troubled runs, and nobody was told`]
    : [];
}

/** One event told under several ids. */
export function toldTwice(evidence: Evidence): string[] {
  const events = groupBy(evidence.letters, ({ to, kind, runId, step }) => `${kind} ${runId} ${step ?? ''} ${to}`);
  return [...events].flatMap(([event, letters]) => {
    const ids = new Set(letters.map(({ messageId }) => messageId));
    const { kind, runId, step } = letters[0] as Letter;
    const states = kind === 'unknown' ? (evidence.history.get(stepKey(runId ?? '', step ?? '')) ?? []) : [];
    const occasions = new Set(states.filter(({ status }) => status === 'unknown').map(({ attempts }) => attempts));
    return ids.size > Math.max(1, occasions.size) ? [`${event}: ${[...ids].join(', ')}`] : [];
  });
}

/** Mails whose id the outbox does not know, or that the harness cannot place. */
export function strayMails({ notifications, letters }: Evidence): string[] {
  const known = new Set(notifications.map(({ id }) => id));
  return letters
    .filter((letter) => letter.kind === null || !known.has(idOf(letter)))
    .map(({ messageId, subject }) => `${messageId} ${subject}`);
}

/** Mails that came again under the same id, which is allowed when a fault hit between sending and writing so down. */
export function duplicatesById({ letters }: Evidence): string[] {
  const byId = groupBy(letters, ({ messageId }) => messageId);
  return [...byId].flatMap(([id, of]) => (of.length > 1 ? [`${id} came ${of.length} times: ${of[0]?.subject}`] : []));
}

/** Duplicates before which nothing was at fault. */
export function needlessDuplicates(evidence: Evidence): string[] {
  return evidence.faults.length > 0 ? [] : duplicatesById(evidence);
}

/** Sends of which nobody knows, and no person was asked. */
export function unasked({ history, letters }: Evidence): string[] {
  const asked = groupBy(
    letters.filter(({ kind }) => kind === 'unknown'),
    ({ runId, step }) => stepKey(runId ?? '', step ?? ''),
  );
  return [...history].flatMap(([key, states]) => {
    const occasions = new Set(states.filter(({ status }) => status === 'unknown').map(({ attempts }) => attempts));
    const mails = new Set((asked.get(key) ?? []).map(({ messageId }) => messageId));
    return mails.size < occasions.size ? [`${key} was unknown ${occasions.size} times, asked ${mails.size} times`] : [];
  });
}
