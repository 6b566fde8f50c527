import type { FactType } from '../database/tables-knowledge.ts';
import { folded } from './clean.ts';

type Ruled = Exclude<FactType, 'unclassified'>;

/**
 * Signs of each type, with what each counts for. The type with the most wins; of equal ones the first in this order, which is also
 * the order in which one type outranks another when two files name different ones for one text.
 */
const SIGNS: Readonly<Record<Ruled, readonly (readonly [weight: number, sign: RegExp])[]>> = {
  constraint: [
    [
      4,
      /\b(must|may|shall|should|can)( |)not\b|\b(do|does|is|are) not (use|mention|promise|claim|allowed|permitted|say|show|compare)\b|\bmustn't\b|\bdon't (use|mention|promise|claim|say)\b/,
    ],
    [
      4,
      /\b(never|avoid) (use|say|mention|promise|claim|compare|show|using|mentioning|promising)\b|\b(prohibited|forbidden|not allowed|not permitted|banned)\b/,
    ],
    [
      3,
      /\b(must|required to|mandatory|obligatory|legally|by law|complian\w+|gdpr|hipaa|regulat\w+|disclaimer|legal notice)\b/,
    ],
    [
      2,
      /\b(at most|no more than|must stay (below|under)|limited to|only (for|in|to|with)|restricted|requires? (approval|consent|a licen[cs]e))\b/,
    ],
    [2, /\b(policy|deadline|embargo|terms and conditions|budget (cap|limit))\b/],
  ],
  proof: [
    [4, /\b(testimonial|case study|award|awarded|won the|certified|certification|accredited|independently tested)\b/],
    [4, /\b(rated|rating of|\d([.,]\d)? (out of|of) (5|10)\b|\d([.,]\d)? stars?|five[- ]star|net promoter)/],
    [
      3,
      /["\u201c\u201e][^"\u201d]{8,}["\u201d].{0,40}\b(says|said|writes|wrote|owner|ceo|manager|chef|customer)\b|\b(says|said|writes|wrote)\b.{0,30}["\u201c:]/,
    ],
    [
      3,
      /\b(according to|study (by|found|shows)|survey|research (by|shows|found)|found that|confirmed that|was tested|tested and|independent test|trust(s|ed)? (by|the|our|us)|recommends|reports? \d|featured in|recommended by|reviews?\b)/,
    ],
    [
      2,
      /\b(customers|clients|guests|users) (say|report|love|praise|recommend)\b|\b\d[\d,.]* (happy |satisfied )?(customers|clients|companies|restaurants|users) (use|trust|rely)/,
    ],
    [3, /\b(it saved us|i would buy|would recommend|best purchase|highly recommend)\b/],
  ],
  metric: [
    [4, /\bcost per (lead|click|acquisition|order|thousand)\b|\bnet promoter score\b/],
    [3, /\bin (19|20)\d\d we (sold|served|shipped|won|reached|earned)\b.*\d/],
    [
      4,
      /\b(conversion|open|click|click-through|bounce|churn|retention|repeat purchase|no-show|response|reply|renewal|occupancy) rate\b|\b(ctr|cpa|cpc|cpm|cpl|roas|roi|aov|ltv|clv|arr|mrr|nps|kpi)s?\b/,
    ],
    [
      4,
      /\b(cost per (lead|click|acquisition|order|thousand)|return on (ad spend|investment)|average order value|lifetime value|market share|churn)\b/,
    ],
    [
      3,
      /\b(revenue|turnover|sales|traffic|visits|sign-?ups|subscribers|followers|orders|bookings|leads)\b.{0,40}\b(rose|fell|grew|dropped|increased|decreased|declined|doubled|up|down|was|were|reached|of)\b.{0,30}\d/,
    ],
    [
      2,
      /\b(rose|fell|grew|dropped|increased|decreased|declined|improved) (by|from|to)\b.{0,20}\d|\bin (q[1-4]|20\d\d|january|february|march|april|may|june|july|august|september|october|november|december)\b.*\d+(\.\d+)?\s?(%|percent)/,
    ],
    [2, /\b(benchmark|baseline|goal|target) (of|is|for)\b.*\d/],
  ],
  offer: [
    [
      4,
      /\b(discount|coupon|voucher code|promo(tion| code)?|\d+ ?(%|percent) off|free (trial|shipping|delivery|month|sample|returns?)|buy one|two for one|money[- ]back|bundle price|early bird|black friday)\b|\breturns?\b.{0,40}\bfree\b/,
    ],
    [3, /([$\u20ac\u00a3]\s?\d|\d\s?([$\u20ac\u00a3]|eur\b|usd\b|gbp\b|dollars\b|euros?\b|pounds\b))/],
    [
      3,
      /\b(per (month|year|seat|person|night|head)|a (month|year)|monthly|annually|starting at|starts at|price[sd]?|costs?|fee)\b.*\d/,
    ],
    [
      2,
      /\b(with the code|until (the end of|midnight|sunday|monday|\w+ \d)|limited time|while stocks last|save (up to )?\d|offers?|refund|guarantee)\b/,
    ],
  ],
  audience: [
    [
      4,
      /\b(target (group|audience|customer|market|segment)s?|persona|ideal customer|icp|buyer profile|demographic\w*|our (customers|audience|readers|guests|users) (are|want|need|look|live|expect|value))\b/,
    ],
    [
      3,
      /\baged? (\d+|between)|\bbetween \d+ and \d+ years\b|\bpain points?\b|\bdecision[- ]makers?\b|\bbuying (committee|decision)\b/,
    ],
    [
      3,
      /\b(owners|managers|parents|students|families|commuters|freelancers|founders|teams|buyers|shoppers|professionals|chefs|planners|guests|travell?ers|pensioners|millennials|households|enthusiasts|cyclists|nurses|landlords|guides) (\w+ ){0,4}(want|wants|need|needs|struggle|struggles|complain|care|value|prefer|look for|hear|decide|spend|fear|worry|expect|ask)\b/,
    ],
    [
      3,
      /\b(customers|buyers|shoppers|guests|people|households|families|parents|pensioners|tourists|restaurants|hotels|schools|shops|bakeries|farms?|companies|teachers|caterers|clients|visitors) (\w+ ){0,6}(fear|trust|ask|expect|prefer|buy|live|look for|complain|want|need|like)\b/,
    ],
    [3, /\b(is|are) not our audience\b|\bour audience\b|\b(want|wants) to (know|sell|buy|bake|start|see)\b/],
    [2, /\b(prospect|lead \d|customer segment|they (want|need|struggle)|who want to|who need|frustrat\w+)\b/],
  ],
  brand: [
    [
      4,
      /\b(brand (voice|values?|promise|story|colou?rs?|guidelines?|personality|name)|tone of voice|our (mission|vision|values|story|slogan|tagline|motto|mascot|newsletter is called)|mission (is|statement)|headquarters|mascot|slogan|tagline|logo|typeface|colou?r palette)\b/,
    ],
    [
      3,
      /\b(founded|established|headquartered|family[- ](run|owned|business)|since (1[89]|20)\d\d|our voice|the voice of|we (speak|sound|write|address)|we believe|we stand for|founder)\b/,
    ],
    [2, /\b(we are|our company|our team|our heritage|tradition|handwriting|tone is|tone:)\b/],
  ],
  product: [
    // Of a thing that is named, what it does or has.
    [
      2,
      /^(the|every|each|our) ([\w-]+ ){1,4}(holds?|carr(y|ies)|reaches|protects?|connects?|charges?|runs?|fits?|keeps?|sends?|prints?|uses?|needs?|takes|cuts?|bakes?|mixes|foams?|starts?|(is|are) (made|milled|woven|sewn|packed|baked|built|kept|available|perforated|waterproof)|has|have)\b/,
    ],
    [
      3,
      /\b(features?|includes?|comes with|supports?|integrates?|compatible|available in|made (of|from|with|in)|built[- ]in|version|model|ingredients?|dimensions?|weighs?|measures?|battery|capacity|material|warranty)\b/,
    ],
    [
      2,
      /\b(product|service|plan|app|software|platform|device|kit|subscription|package|tool|widget|machine|collection|range)s?\b/,
    ],
    [
      2,
      /\b(lets you|allows you|helps you|works with|exports?|imports?|automatically|waterproof|vegan|organic|refillable|lightweight|one click|offline|serves?|ships? (in|within|from)|opening hours)\b/,
    ],
    [1, /\b\d+(\.\d+)? ?(g|kg|mg|ml|l|cm|mm|m|inch|inches|grams|kilograms|litres?|liters?|watts?|gb|tb|mah)\b/],
  ],
};

const TYPES = Object.keys(SIGNS) as Ruled[];
/** Signs that count for less than this leave a text unclassified. */
const LEAST = 2;
/** What a heading that names a type counts for: less than one strong sign of another type in the text, more than any weaker one. */
const NAMED_BY_HEADING = 3.5;

export interface TypeJudgement {
  type: FactType;
  /** Which judgement holds when one text comes with several: a type that a file names beats one that was found, and none loses. */
  rank: number;
}

/**
 * What a fact is about. A type that its file names counts; else the signs in its heading and text decide, the same every time.
 * @param headed the type that its heading names
 */
export function typeOf(
  context: string,
  text: string,
  named: FactType | null,
  headed: FactType | null = null,
): TypeJudgement {
  if (named !== null && named !== 'unclassified')
    return { type: named, rank: 100 + TYPES.length - TYPES.indexOf(named) };
  const own = folded(text);
  const heading = folded(context);
  let best: Ruled | null = null;
  let most = LEAST - 1;
  for (const type of TYPES) {
    const weight = weightOf(type, own) + (headed === type ? NAMED_BY_HEADING : Math.min(2, weightOf(type, heading)));
    if (weight > most) [best, most] = [type, weight];
  }
  return best === null ? { type: 'unclassified', rank: 0 } : { type: best, rank: TYPES.length - TYPES.indexOf(best) };
}

function weightOf(type: Ruled, text: string): number {
  return SIGNS[type].reduce((sum, [weight, sign]) => (sign.test(text) ? sum + weight : sum), 0);
}
