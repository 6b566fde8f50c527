import { formatMicros } from '../shared/money.ts';
import type { Content, Section } from './content.ts';
import type { StepFacts } from './facts.ts';
import { duration } from './phrases.ts';
import { oneLine, printable } from './plain-text.ts';

export interface RenderedMail {
  /** One line without control characters. */
  subject: string;
  text: string;
  html: string;
}

/** A message as mail, in plain text and in HTML. Everything that is not markup of this file is escaped. */
export function renderMail(content: Content, notificationId: string): RenderedMail {
  const subject = oneLine(content.subject, 250);
  return {
    subject,
    text: renderText(content, subject, notificationId),
    html: renderHtml(content, subject, notificationId),
  };
}

const FOOTER = 'Sent by pipeline-orchestrator. Notification';

function renderText(content: Content, subject: string, id: string): string {
  const parts = [
    subject,
    content.fields.map(({ label, value }) => `${label}: ${oneLine(value, 500)}`).join('\n'),
    ...content.sections.map(sectionText),
  ];
  if (content.steps.length > 0) parts.push(`Steps\n${content.steps.map(stepText).join('\n')}`);
  if (content.link) parts.push(`${content.link.label}:\n${content.link.url}`);
  parts.push(`-- \n${FOOTER} ${id}`);
  return `${parts.join('\n\n')}\n`;
}

function sectionText(section: Section): string {
  return [
    section.title,
    ...section.paragraphs.map((paragraph) => printable(paragraph)),
    ...(section.verbatim ? [indent(printable(section.verbatim), '  | ')] : []),
    ...(section.commands ?? []).map(({ label, line }) => `  ${label}:\n    ${line}`),
  ].join('\n');
}

function indent(text: string, prefix: string): string {
  return text.replace(/^/gm, prefix);
}

function stepText(step: StepFacts): string {
  return `  ${oneLine(step.name)}: ${stepSummary(step)}`;
}

/** `failed, 3 attempts, $0.42, 12 s, ENGINE_ERROR`. */
export function stepSummary(step: StepFacts): string {
  return [
    step.status,
    ...(step.attempts === 0 ? [] : [step.attempts === 1 ? '1 attempt' : `${step.attempts} attempts`]),
    ...(step.attempts === 0 ? [] : [`${formatMicros(step.costMicros)}${step.costUnknown ? ' (estimated)' : ''}`]),
    ...(step.durationMs === null || step.attempts === 0 ? [] : [duration(step.durationMs)]),
    ...(step.error ? [step.error.code] : []),
  ].join(', ');
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

const COLOURS = { good: '#1a7f37', warning: '#9a6700', bad: '#cf222e' } as const;
const CELL = 'padding:4px 16px 4px 0;vertical-align:top';
const FIXED =
  'background:#f6f8fa;padding:10px;border-radius:4px;white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0';

function renderHtml(content: Content, subject: string, id: string): string {
  const fields = content.fields.map(
    ({ label, value }) =>
      `<tr><td style="${CELL};color:#57606a">${escapeHtml(label)}</td><td style="${CELL}">${escapeHtml(oneLine(value, 500))}</td></tr>`,
  );
  const steps = content.steps.map(
    (step) =>
      `<tr><td style="${CELL}">${escapeHtml(oneLine(step.name))}</td><td style="${CELL}">${escapeHtml(stepSummary(step))}</td></tr>`,
  );
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    `<title>${escapeHtml(subject)}</title></head>`,
    '<body style="font-family:system-ui,sans-serif;font-size:15px;line-height:1.45;color:#1f2328;max-width:680px">',
    `<h1 style="font-size:19px;color:${COLOURS[content.mood]};overflow-wrap:anywhere">${escapeHtml(subject)}</h1>`,
    `<table style="border-collapse:collapse">${fields.join('')}</table>`,
    ...content.sections.map(sectionHtml),
    ...(steps.length > 0
      ? [`${heading('Steps')}<table style="border-collapse:collapse">${steps.join('')}</table>`]
      : []),
    ...(content.link ? [`<p><a href="${escapeHtml(content.link.url)}">${escapeHtml(content.link.label)}</a></p>`] : []),
    `<p style="color:#57606a;font-size:12px">${FOOTER} ${escapeHtml(id)}</p></body></html>`,
  ].join('\n');
}

function heading(title: string): string {
  return `<h2 style="font-size:16px;margin:20px 0 4px;overflow-wrap:anywhere">${escapeHtml(oneLine(title, 300))}</h2>`;
}

function sectionHtml(section: Section): string {
  return [
    heading(section.title),
    ...section.paragraphs.map((paragraph) => `<p style="margin:4px 0">${escapeHtml(printable(paragraph))}</p>`),
    ...(section.verbatim ? [`<pre style="${FIXED}">${escapeHtml(printable(section.verbatim))}</pre>`] : []),
    ...(section.commands ?? []).map(
      ({ label, line }) =>
        `<p style="margin:8px 0 0">${escapeHtml(label)}:</p><pre style="${FIXED}">${escapeHtml(line)}</pre>`,
    ),
  ].join('\n');
}
