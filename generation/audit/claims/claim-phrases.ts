import type { Severity } from '../finding.ts';

/** A kind of claim that needs a fact, and the phrases that make it. */
export interface ClaimKind {
  code: string;
  severity: Severity;
  message: string;
  mend: string;
  /** A comma between two phrases. Found in every form and disguise. */
  phrases: string;
  /** Words behind a phrase that make it no claim. */
  notBefore?: string;
  /** Words before a phrase that make it no claim; two words are joined by `_`. */
  notAfter?: string;
}

const REST = 'take it out, or add the fact that it rests on';
const NEGATIONS = 'no not never cannot without nor';

/**
 * Our own list, after what the FTC ("Advertising FAQ's: A Guide for Small Business", "Health Products Compliance Guidance"), the UK
 * CAP Code (sections 3, 12, 14) and the platforms' advertising policies ask proof for. Puffery without a measure ("the best") is minor.
 */
export const CLAIM_KINDS: readonly ClaimKind[] = [
  {
    code: 'unsupported_superlative',
    severity: 'minor',
    message: 'A superlative that nothing in the brief supports.',
    mend: 'say what is special about it instead',
    phrases:
      'best, greatest, finest, ultimate, unrivalled, unrivaled, unmatched, unbeatable, second to none, world class',
    notBefore:
      'before friend friends regards wishes practice practices man seller of luck part way if when western buy guess effort efforts',
    notAfter: 'all_the your its their our my his her at is do try second',
  },
  {
    code: 'unsupported_superlative',
    severity: 'major',
    message: 'A measurable superlative that no fact supports.',
    mend: REST,
    phrases:
      "number one, best selling, best seller, top rated, highest rated, award winning, market leader, market leading, industry leading, world leading, world's leading, world's first, world's best, world's only, first ever, " +
      'most trusted, most popular, most effective, most advanced, most powerful, most affordable, lowest price, cheapest, fastest growing, the only one that, only product, only brand, only company, ' +
      'marktführend, marktführer, testsieger, weltbeste, leader du marché, numéro un, líder del mercado, número uno',
    notBefore: 'priority rule reason question tip mistake fan job',
    notAfter: 'priority rule reason question tip mistake step',
  },
  {
    code: 'unsupported_superlative',
    severity: 'major',
    message: 'A claim to lead that no fact supports.',
    mend: REST,
    phrases: 'leading',
    notBefore: 'to a an the you your up into us them with by on off from edge role roles lady man',
  },
  {
    code: 'unsupported_guarantee',
    severity: 'major',
    message: 'A guarantee that no fact supports.',
    mend: REST,
    phrases:
      'guarantee, money back, risk free, no risk, zero risk, never fails, always works, works every time, works for everyone, instant results, ' +
      'overnight results, permanent results, garantiert, garantie, risikofrei, geld zurück, garanti, sans risque, garantizado, garantizamos, sin riesgo',
    notAfter: NEGATIONS,
  },
  {
    code: 'unsupported_proof',
    severity: 'major',
    message: 'A claim of proof or endorsement that no fact supports.',
    mend: REST,
    phrases:
      'clinically proven, clinically tested, scientifically proven, scientifically tested, proven to, proven results, lab tested, laboratory tested, studies show, research shows, science backed, backed by science, ' +
      'doctor recommended, doctors recommend, doctor approved, dermatologist tested, dermatologist recommended, experts agree, expert approved, fda approved, fda cleared, patented, certified, ' +
      'klinisch erwiesen, klinisch bewiesen, klinisch getestet, cliniquement prouvé, clínicamente probado, as seen on',
    notAfter: NEGATIONS,
  },
  {
    code: 'unsupported_green_claim',
    severity: 'minor',
    message: 'An environmental claim that no fact supports.',
    mend: REST,
    phrases:
      'carbon neutral, climate neutral, climate positive, net zero, eco friendly, environmentally friendly, zero waste, biodegradable, compostable, all natural, chemical free, toxin free, non toxic, cruelty free, klimaneutral',
  },
  {
    code: 'unsupported_health_claim',
    severity: 'critical',
    message: 'A promise of health that no fact supports.',
    mend: 'take it out; such claims need evidence and often a licence',
    phrases:
      'miracle cure, no side effects, without side effects, boost immunity, boosts your immunity, immune boosting, burns fat, fat burning, melts fat, lose weight fast, rapid weight loss, reverses ageing, reverses aging, detoxifies',
  },
  {
    code: 'unsupported_health_claim',
    severity: 'major',
    message: 'A promise of health that no fact supports.',
    mend: REST,
    phrases: 'lose weight, weight loss, slimming, detox, anti aging, anti ageing, pain relief, heals, healing power',
  },
  {
    code: 'unsupported_financial_claim',
    severity: 'critical',
    message: 'A promise of money that no fact supports.',
    mend: 'take it out; such claims need evidence and often a licence',
    phrases:
      'guaranteed return, guaranteed profit, guaranteed income, guaranteed approval, get rich, double your money, triple your money, risk free investment, no risk investment, easy money, make money fast, can not lose, free money',
  },
  {
    code: 'unsupported_financial_claim',
    severity: 'major',
    message: 'A promise of money that no fact supports.',
    mend: REST,
    phrases:
      'passive income, financial freedom, double your income, quit your job, high returns, save thousands, earn thousands',
  },
  {
    code: 'unsupported_comparison',
    severity: 'minor',
    message: 'A comparison with others that no fact supports.',
    mend: 'say what it is compared with and what the comparison rests on, or take it out',
    phrases: 'outperform, beats the competition, unlike other, unlike others, unlike our competitors',
  },
  {
    code: 'unsupported_urgency',
    severity: 'minor',
    message: 'A pressure of time or number that nothing in the brief supports.',
    mend: 'take it out, or add the fact that it rests on',
    phrases:
      'limited time, limited offer, last chance, act now, hurry, today only, ends today, ends tonight, ends soon, while supplies last, while stocks last, selling out fast, almost gone, almost sold out, few left, final hours, only today',
  },
];

/** Illnesses that nobody may promise to cure without proof. */
export const ILLNESSES =
  'cancer, diabetes, arthritis, depression, anxiety, insomnia, covid, flu, asthma, migraine, eczema, psoriasis, alzheimer, dementia, acne, obesity, infertility, high blood pressure, hypertension, heart disease, back pain, chronic pain, joint pain, disease, illness, infection, autism, adhd, hair loss';
export const HEALING_VERBS = 'cure, treat, heal, prevent, reverse, eliminate, get rid of, fight';
