import type { Config } from './config.ts';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/;

/** Whether a host is this machine's own, by its spelling alone; `::1` stands in brackets in URLs and without them in HOST. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

export interface OriginPolicy {
  /** Whether a URL may be called: http(s), no credentials in it, an allowed origin. */
  allows(url: string): boolean;
  /** Whether a redirect from one URL to another may be followed: the same origin, or one that is listed by name. */
  allowsRedirect(from: string, to: string): boolean;
  /** The reason and the mend, for a URL that is refused. */
  refusal(url: string): string;
}

/**
 * Which origins engines and webhooks may have. The engine URLs of the configuration and ENGINE_ALLOWED_ORIGINS are listed by
 * name; while ENGINE_ALLOWED_ORIGINS is not set, every port of this machine is allowed too.
 */
export function originPolicy(config: Pick<Config, 'allowedOrigins' | 'engines' | 'slackWebhookUrl'>): OriginPolicy {
  const named = new Set([
    ...(config.allowedOrigins ?? []),
    ...Object.values(config.engines).map((url) => new URL(url).origin),
  ]);
  const parse = (text: string) => {
    const url = URL.parse(text);
    return url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' ? url : null;
  };
  return {
    allows(text) {
      const url = parse(text);
      if (!url) return false;
      return named.has(url.origin) || (config.allowedOrigins === null && isLoopback(url.hostname));
    },
    allowsRedirect(from, to) {
      const target = parse(to);
      return target !== null && (target.origin === parse(from)?.origin || named.has(target.origin));
    },
    refusal(text) {
      const origin = parse(text)?.origin;
      return origin
        ? `${origin} is not an allowed origin; add it to ENGINE_ALLOWED_ORIGINS`
        : 'not an http(s) URL without credentials';
    },
  };
}
