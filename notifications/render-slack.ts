import type { ContextBlock, HeaderBlock, KnownBlock, MrkdwnElement, SectionBlock } from '@slack/types';
import type { Content, Section } from './content.ts';
import { cut, oneLine, printable } from './plain-text.ts';
import { stepSummary } from './render-mail.ts';

/** The body of a post to an incoming webhook. */
export interface SlackMessage {
  /** Shown in notifications and where blocks are not. */
  text: string;
  blocks: KnownBlock[];
  channel?: string;
  unfurl_links: false;
  unfurl_media: false;
}

// Limits of Block Kit (docs.slack.dev, reference "Blocks"); a message beyond them is refused whole.
const HEADER_LIMIT = 150;
const SECTION_LIMIT = 3_000;
const FIELD_LIMIT = 2_000;
const FIELDS_LIMIT = 10;
const BLOCKS_LIMIT = 50;
const TEXT_LIMIT = 3_000;

/** A message as Block Kit blocks. */
export function renderSlack(content: Content, notificationId: string, channel?: string): SlackMessage {
  const subject = oneLine(content.subject, 250);
  const middle: KnownBlock[] = [
    ...fieldBlocks(content.fields),
    ...content.sections.flatMap(sectionBlocks),
    ...stepBlocks(content),
    ...linkBlocks(content),
  ];
  const header: HeaderBlock = {
    type: 'header',
    text: { type: 'plain_text', text: cut(subject, HEADER_LIMIT), emoji: false },
  };
  const footer: ContextBlock = {
    type: 'context',
    elements: [mrkdwn(`pipeline-orchestrator · notification ${notificationId}`)],
  };
  const room = BLOCKS_LIMIT - 2;
  const shown =
    middle.length <= room ? middle : [...middle.slice(0, room - 1), section('_Cut: the run has the rest._')];
  return {
    text: cut(escapeMrkdwn(subject), TEXT_LIMIT),
    blocks: [header, ...shown, footer],
    ...(channel === undefined ? {} : { channel }),
    unfurl_links: false,
    unfurl_media: false,
  };
}

/** Slack reads only these three; escaping them also disarms `<!channel>`, `<@user>` and `<url|text>`. */
function escapeMrkdwn(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Escapes as much of the text as fits, never cutting through an entity. */
function fit(text: string, limit: number): string {
  let room = limit;
  for (;;) {
    const escaped = escapeMrkdwn(cut(text, room));
    if (escaped.length <= limit) return escaped;
    room = Math.floor(room * (limit / escaped.length)) - 1;
  }
}

/** Foreign text inside `*bold*` or running text: the marks themselves are taken out of play by a zero-width space. */
function inert(text: string): string {
  return text.replace(/(?<![\p{L}\p{N}])[*_~`]|[*_~`](?![\p{L}\p{N}])/gu, (mark) => `${mark}\u200b`);
}

function mrkdwn(text: string): MrkdwnElement {
  return { type: 'mrkdwn', text, verbatim: true };
}

function section(text: string): SectionBlock {
  return { type: 'section', text: mrkdwn(text) };
}

function fieldBlocks(fields: Content['fields']): SectionBlock[] {
  const blocks: SectionBlock[] = [];
  for (let at = 0; at < fields.length; at += FIELDS_LIMIT)
    blocks.push({
      type: 'section',
      fields: fields
        .slice(at, at + FIELDS_LIMIT)
        .map(({ label, value }) => mrkdwn(`*${label}*\n${fit(inert(oneLine(value, 500)), FIELD_LIMIT - 100)}`)),
    });
  return blocks;
}

function sectionBlocks(content: Section): SectionBlock[] {
  const title = fit(inert(oneLine(content.title, 300)), 700);
  const paragraphs = content.paragraphs.map((paragraph) => inert(printable(paragraph)));
  const blocks = [section(`*${title}*\n${fit(paragraphs.join('\n'), SECTION_LIMIT - 800)}`.trimEnd())];
  if (content.verbatim) blocks.push(fixed(printable(content.verbatim)));
  for (const { label, line } of content.commands ?? []) blocks.push(fixed(line, `${escapeMrkdwn(label)}:\n`));
  return blocks;
}

function fixed(text: string, before = ''): SectionBlock {
  // Three backticks would end the block early.
  return section(`${before}\`\`\`${fit(text.replaceAll('`', "'"), SECTION_LIMIT - before.length - 10)}\`\`\``);
}

function stepBlocks({ steps }: Content): SectionBlock[] {
  if (steps.length === 0) return [];
  const lines = steps.map((step) => `• ${inert(oneLine(step.name))}: ${inert(stepSummary(step))}`);
  return [section(`*Steps*\n${fit(lines.join('\n'), SECTION_LIMIT - 20)}`)];
}

function linkBlocks({ link }: Content): SectionBlock[] {
  // In `<url|label>` a `|` or `>` of the URL would end it early; URLs are made of the public URL and ids only.
  return link ? [section(`<${escapeMrkdwn(link.url.replaceAll('|', '%7C'))}|${escapeMrkdwn(link.label)}>`)] : [];
}
