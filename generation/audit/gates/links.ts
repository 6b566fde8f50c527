import twitter from 'twitter-text';
import type { NormalizedBrief } from '../../normalized-brief.ts';
import { briefTexts } from '../evidence.ts';
import type { Severity } from '../finding.ts';
import { memo, published, spotsIn, type Gate, type Spot } from '../gate.ts';

const SHORTENERS = new Set(
  (
    'adf.ly bit.do bit.ly bl.ink buff.ly clck.ru cutt.ly dub.sh geni.us goo.gl is.gd j.mp lnkd.in ow.ly qr.ae rb.gy rebrand.ly ' +
    's.id short.gy short.io shorturl.at soo.gd t.co t.ly t2m.io tiny.cc tinyurl.com trib.al urlz.fr v.gd'
  ).split(' '),
);
/** Hosts that publish for everybody, so that naming one invents nothing. */
const COMMON = new Set(
  'facebook.com instagram.com tiktok.com linkedin.com youtube.com youtu.be reddit.com x.com twitter.com google.com maps.google.com apps.apple.com play.google.com wa.me'.split(
    ' ',
  ),
);
const SCHEME = /(?<![\p{L}\p{N}+.-])[a-z][a-z0-9+.-]{1,20}:(?:\/\/)?/giu;
const BAD_SCHEMES = new Set(['javascript:', 'data:', 'vbscript:', 'file:', 'blob:']);
/** The library's search for bare domains grows with the square of an unbroken piece of text. */
const LONGEST_PIECE = 300;
const LONGEST_URL = 4096;

interface Link {
  start: number;
  end: number;
  url: string;
  hasScheme: boolean;
}

const trimmed = (url: string) => url.replace(/[.,;:!?'"”’)\]}>]{1,20}$/u, '');

/** Links with a scheme of their own, and bare domains. */
function linksOf(text: string): Link[] {
  const links: Link[] = [];
  for (const piece of text.matchAll(/[^\s<>"“”]+/gu)) {
    const scheme = /(?:https?|ftp):\/\//i.exec(piece[0]);
    if (scheme) {
      const start = piece.index + scheme.index;
      const url = trimmed(piece[0].slice(scheme.index, scheme.index + LONGEST_URL));
      links.push({ start, end: start + url.length, url, hasScheme: true });
    } else if (piece[0].length <= LONGEST_PIECE && piece[0].includes('.') && !piece[0].includes('@'))
      for (const { url, indices } of twitter.extractUrlsWithIndices(piece[0]))
        // “… great.It is” lacks a space and is no domain of Italy.
        if (!/\.\p{Lu}\p{Ll}*$/u.test(url))
          links.push({ start: piece.index + indices[0], end: piece.index + indices[1], url, hasScheme: false });
  }
  return links;
}

const hostOf = ({ url, hasScheme }: Link) =>
  URL.parse(hasScheme ? url : `https://${url}`)?.hostname.replace(/^www\./, '');

const ownHosts = memo(
  (brief: NormalizedBrief) =>
    new Set([
      ...briefTexts(brief).flatMap((text) => linksOf(text).map(hostOf)),
      // An address of the brand names its domain too.
      ...briefTexts(brief).flatMap((text) =>
        Array.from(text.matchAll(/@([\w-]{1,63}(?:\.[\w-]{1,63}){1,5})/g), (found) => found[1]),
      ),
    ]),
);

interface Verdict {
  severity: Severity;
  code: string;
  message: string;
  mend: string;
}

function judge(link: Link, brief: NormalizedBrief): Verdict | undefined {
  const host = hostOf(link);
  if (host === undefined || /^(?:\d{1,3}\.){3}\d{1,3}$|^\[/.test(host) || /^ftp:/i.test(link.url))
    return {
      severity: 'major',
      code: 'link_invalid',
      message: 'A link that does not lead to a named page of the web.',
      mend: 'write the address of the page, beginning with https://',
    };
  if (/^https?:\/\/[^/]*@/i.test(link.url) || /(?:^|\.)xn--/.test(host))
    return {
      severity: 'critical',
      code: 'link_deceptive',
      message: `A link that looks as if it led elsewhere; it leads to ${host.slice(0, 80)}.`,
      mend: 'write the plain address',
    };
  if (SHORTENERS.has(host))
    return {
      severity: 'minor',
      code: 'link_shortened',
      message: 'A shortened link hides where it leads, and platforms and mail filters distrust it.',
      mend: 'write the address itself',
    };
  const isKnown = [...ownHosts(brief)].some((own) => own !== undefined && (host === own || host.endsWith(`.${own}`)));
  if (!isKnown && !COMMON.has(host))
    return {
      severity: 'major',
      code: 'link_unknown',
      message: `The brief names no page on ${host.slice(0, 80)}.`,
      mend: 'use a link of the brief, or add this one to it',
    };
  if (!/^http:\/\//i.test(link.url)) return undefined;
  return {
    severity: 'minor',
    code: 'link_insecure',
    message: 'A link without encryption; browsers warn of it.',
    mend: 'write https://',
  };
}

/** Links: where they lead, whether the brief knows it, and what they hide. Nothing is fetched. */
export const links: Gate = {
  name: 'links',
  version: 1,
  check(candidate, brief) {
    return spotsIn(published(candidate), ({ text }) => [
      ...linksOf(text).flatMap((link): Spot[] => {
        const verdict = judge(link, brief);
        return verdict === undefined ? [] : [{ start: link.start, end: link.end, ...verdict }];
      }),
      ...Array.from(text.matchAll(SCHEME))
        .filter(([scheme]) => BAD_SCHEMES.has(scheme.toLowerCase().replace('//', '')))
        // “Our data: …” is a sentence; a link goes on without a space.
        .filter(({ index, 0: scheme }) => /^\S/.test(text.slice(index + scheme.length, index + scheme.length + 2)))
        .map(({ index, 0: scheme }): Spot => ({
          start: index,
          end: index + scheme.length,
          severity: 'critical',
          code: 'link_script',
          message: 'A link that runs or holds code instead of leading to a page.',
          mend: 'take it out',
        })),
    ]);
  },
};
