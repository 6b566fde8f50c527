import robotsParser from 'robots-parser';
import type { Clock } from '../../../shared/clock.ts';
import { ToolError } from '../tool.ts';
import { USER_AGENT, type WebClient } from './web-client.ts';

/** As much as RFC 9309, section 2.5, asks to be read; what follows is not looked at. */
const MOST_BYTES = 500 * 1_024;
/** RFC 9309, section 2.3.1.2. */
const MOST_REDIRECTS = 5;
/** The RFC (section 2.4) allows a day. */
const KEPT_MS = 3_600_000;
/** How long a server whose robots.txt could not be had is left alone. */
const AWAY_MS = 60_000;
const MOST_KEPT = 500;

/** Signs of rules with wildcards times signs of the path: more would hold up the process for a tenth of a second and longer. */
const MOST_MATCHING = 30_000_000;

interface Rulebook {
  isAllowed(url: string, userAgent: string): boolean | undefined;
}
/** The types of the package describe a module of the other kind. */
const parse = robotsParser as unknown as (url: string, text: string) => Rulebook;

type Rules = { rulebook: Rulebook; wildcards: number } | { away: string } | 'all';

/** What robots.txt of each origin allows us (RFC 9309). */
export class Robots {
  readonly #web: WebClient;
  readonly #clock: Clock;
  readonly #kept = new Map<string, { rules: Rules; until: number }>();

  constructor({ web, clock }: { web: WebClient; clock: Clock }) {
    this.#web = web;
    this.#clock = clock;
  }

  /**
   * Whether a page may be read; nothing when it may.
   * @throws {ToolError} TOOL_ROBOTS_DISALLOWED, or TOOL_ROBOTS_UNREACHABLE while nobody can say; the signal's reason on abort
   */
  async check(url: string, signal: AbortSignal): Promise<void> {
    const { origin } = new URL(url);
    const rules = await this.#rulesOf(origin, signal);
    if (rules === 'all') return;
    if ('away' in rules)
      throw new ToolError('TOOL_ROBOTS_UNREACHABLE', `robots.txt of ${origin} could not be had: ${rules.away}.`, {
        refused: true,
      });
    if (rules.wildcards * url.length > MOST_MATCHING)
      throw new ToolError('TOOL_ROBOTS_UNREACHABLE', `robots.txt of ${origin} has too many rules with wildcards.`, {
        refused: true,
      });
    if (rules.rulebook.isAllowed(url, USER_AGENT) === false)
      throw new ToolError('TOOL_ROBOTS_DISALLOWED', `robots.txt of ${origin} does not allow ${USER_AGENT} this page.`, {
        refused: true,
      });
  }

  async #rulesOf(origin: string, signal: AbortSignal): Promise<Rules> {
    const known = this.#kept.get(origin);
    if (known && known.until > this.#clock.now()) return known.rules;
    const rules = await this.#fetch(origin, signal);
    const keptMs = typeof rules === 'object' && 'away' in rules ? AWAY_MS : KEPT_MS;
    this.#kept.delete(origin);
    this.#kept.set(origin, { rules, until: this.#clock.now() + keptMs });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return rules;
  }

  async #fetch(origin: string, signal: AbortSignal): Promise<Rules> {
    const url = `${origin}/robots.txt`;
    try {
      const { status, body } = await this.#web.send({
        url,
        signal,
        headers: { accept: 'text/plain, */*;q=0.1' },
        mostBytes: MOST_BYTES,
        cutsLonger: true,
        mostRedirects: MOST_REDIRECTS,
      });
      if (status >= 200 && status < 300) return rulesIn(url, new TextDecoder().decode(body));
      return status >= 400 && status < 500 ? 'all' : { away: `the server answered ${status}` };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ToolError)) throw error;
      // These say more than that there is no robots.txt.
      if (error.code === 'TOOL_ORIGIN_FORBIDDEN' || error.code === 'TOOL_ADDRESS_FORBIDDEN') throw error;
      return { away: error.message.replace(/\.$/, '') };
    }
  }
}

function rulesIn(url: string, text: string): Rules {
  const wild = text.split(/[\r\n]/).filter((line) => line.includes('*') && !/^\s*user-agent/i.test(line));
  return { rulebook: parse(url, text), wildcards: wild.join('').length };
}
