import { z } from 'zod';
import { isSuspicious } from '../../knowledge/suspicious.ts';
import { iso, type Clock } from '../../shared/clock.ts';
import { isLoopback, type OriginPolicy } from '../../shared/origins.ts';
import { wording } from '../statement.ts';
import { evidenceOf, passageOf } from './found.ts';
import { type Tool, type ToolContext, ToolError, type ToolRun } from './tool.ts';
import { type Resolve, systemResolve } from './web/addresses.ts';
import { PAGE_TYPES, readPage } from './web/page-text.ts';
import { closest, lookAt } from './web/passages.ts';
import { Robots } from './web/robots.ts';
import { WebClient } from './web/web-client.ts';

/** Of a page, after decompression. */
const MOST_BYTES = 2 * 1_024 * 1_024;
const TIME_LIMIT_MS = 15_000;
const MOST_REDIRECTS = 5;
const MOST_PASSAGES = 8;
const LONGEST_URL = 2_000;

const argumentsSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .max(LONGEST_URL)
    .meta({ description: 'Of the page, with http or https.' }),
  question: wording(500).meta({ description: 'What the page is to answer.' }),
});
type Arguments = z.infer<typeof argumentsSchema>;

export interface ResearchOptions {
  origins: OriginPolicy;
  clock: Clock;
  /** Our own port: what stands behind it is not for agents. */
  ownPort?: number;
  resolve?: Resolve;
}

/** Reads a page of the web and gives the passages that are closest to a question. */
class Research implements Tool<Arguments> {
  readonly name = 'research';
  readonly description =
    'Reads one page of the web (HTML, text, Markdown or JSON; allowed origins only) and gives the passages closest to a question.';
  readonly schema = argumentsSchema;
  readonly timeLimitMs = TIME_LIMIT_MS;
  readonly #web: WebClient;
  readonly #robots: Robots;
  readonly #ownPort: number | undefined;

  constructor({ origins, clock, ownPort, resolve = systemResolve }: ResearchOptions) {
    this.#web = new WebClient({ origins, resolve });
    this.#robots = new Robots({ web: this.#web, clock });
    this.#ownPort = ownPort;
  }

  offers() {
    return [{ description: this.description, arguments: argumentsSchema }];
  }

  estimate(): number {
    return 0;
  }

  async run({ url, question }: Arguments, { signal, clock }: ToolContext): Promise<ToolRun> {
    const asked = new URL(url);
    asked.hash = '';
    const answer = await this.#web.send({
      url: asked.href,
      signal,
      headers: { accept: 'text/html, text/plain;q=0.9, text/markdown;q=0.9, application/json;q=0.8' },
      accepts: PAGE_TYPES,
      mostBytes: MOST_BYTES,
      mostRedirects: MOST_REDIRECTS,
      before: (next) => this.#mayRead(next, signal),
    });
    if (answer.body.length === 0 && (answer.status < 200 || answer.status > 299))
      throw new ToolError('TOOL_HTTP_STATUS', `The server answered ${answer.status}.`);
    const page = await readPage(answer);
    const looked = await lookAt(page.passages);
    const readable = looked.filter(({ suspicious }) => !suspicious);
    const found = await closest(readable, question, MOST_PASSAGES);
    signal.throwIfAborted();
    return {
      result: {
        url: answer.url,
        title: isSuspicious(page.title) ? '' : page.title,
        question,
        fetchedAt: iso(clock.now()),
        mediaType: answer.mediaType,
        bytes: answer.body.length,
        passages: found.map(({ text }) => passageOf('web', answer.url, text)),
        looked: looked.length,
        suspicious: looked.length - readable.length,
        hidden: page.hidden,
      },
      costMicros: 0,
    };
  }

  evidence = evidenceOf;

  close(): Promise<void> {
    return this.#web.close();
  }

  /** @throws {ToolError} */
  async #mayRead(url: string, signal: AbortSignal): Promise<void> {
    const { hostname, port } = new URL(url);
    if (isLoopback(hostname) && this.#ownPort !== undefined && Number(port) === this.#ownPort)
      throw new ToolError('TOOL_ORIGIN_FORBIDDEN', 'This is the service itself, which agents do not read.', {
        refused: true,
      });
    await this.#robots.check(url, signal);
  }
}

export const research = (options: ResearchOptions): Tool<unknown> => new Research(options);
