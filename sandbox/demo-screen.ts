import { styleText } from 'node:util';
import type { ReceivedMail } from './mail-catcher.ts';
import type { DemoEvent, DemoRun } from './demo-client.ts';

export const bold = (text: string) => styleText('bold', text);
export const dim = (text: string) => styleText('dim', text);
export const green = (text: string) => styleText('green', text);
export const red = (text: string) => styleText('red', text);
const yellow = (text: string) => styleText('yellow', text);

export function line(text: string): void {
  process.stdout.write(`${text}\n`);
}

const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** `3 of 5 · Blue Door Bakery`, or whatever the engine says. */
function progressText(facts: Record<string, unknown>): string {
  const { current, finished, total, company, message } = facts;
  const done = current ?? finished;
  const parts = [done === undefined ? '' : `${text(done)} of ${text(total)}`, company ?? '', message ?? '']
    .map(text)
    .filter(Boolean);
  return (parts.join(' · ') || text(facts['event'] ?? '')).slice(0, 100);
}

/** One line for an event of a run, as it happens. */
export function showEvent({ type, data }: DemoEvent): void {
  const step = text(data['step'] ?? '');
  if (type === 'step.started') {
    const attempt = Number(data['attempt'] ?? 1);
    line(`  ${dim('▸')} ${step}${attempt > 1 ? yellow(` attempt ${attempt}`) : ''}`);
  } else if (type === 'step.progress') {
    const { step: _, campaign: _c, runId: _r, campaignId: _i, ...facts } = data;
    line(dim(`      ${progressText(facts)}`));
  } else if (type === 'step.attempt_failed') line(`    ${yellow('!')} ${text(data['error'])}`);
  else if (type === 'step.completed')
    line(
      `  ${green('✔')} ${step} ${dim(`${text(data['counts'])} $${text(data['cost'])} ${text(data['durationMs'])} ms`)}`,
    );
  else if (type === 'step.failed' || type === 'step.unknown') line(`  ${red('✘')} ${step} ${text(data['error'])}`);
  else if (type === 'budget.threshold')
    line(`    ${yellow('$')} ${text(data['percent'])} % of the ${text(data['period'])} budget is spent`);
}

export function showRun(run: DemoRun): void {
  line(bold(`\nRun ${run.status}`));
  line(
    `  prospects ${run.prospects_generated} · analysed ${run.leads_analyzed} · composed ${run.emails_composed} · sent ${run.emails_sent} · cost $${run.total_cost}`,
  );
  for (const step of run.steps)
    line(dim(`  ${step.name.padEnd(18)} ${step.status.padEnd(10)} attempts ${step.attempts}  $${step.cost}`));
}

export function showMail(mail: ReceivedMail): void {
  line(bold(`\nMail received`));
  line(`  to ${mail.to?.map((to) => to.address).join(', ') ?? ''}`);
  line(`  subject ${mail.subject ?? ''}`);
  for (const row of (mail.text ?? '').trim().split('\n')) line(dim(`  │ ${row}`));
}
