/** What a quantity is measured in, and how much of its base unit one of it is. */
export interface Unit {
  dimension: string;
  factor: number;
}

const SECOND = 1;
const DAY = 86_400;

/** `factor: names…`, a line a unit. Names are small, in English and in the commonest other languages of briefs. */
const TABLE: Record<string, [factor: number, names: string][]> = {
  percent: [[1, '% percent percents pct percentage prozent procent porcento']],
  usd: [[1, '$ usd us$ dollar dollars bucks']],
  eur: [[1, '€ eur euro euros']],
  gbp: [[1, '£ gbp quid']],
  jpy: [[1, '¥ jpy yen']],
  inr: [[1, '₹ inr rs rupee rupees']],
  chf: [[1, 'chf franken']],
  times: [[1, 'x × fold times']],
  time: [
    [SECOND, 'second seconds sec secs sekunden secondes segundos'],
    [60, 'minute minutes min mins minuten minutos'],
    [3600, 'hour hours hr hrs h stunde stunden heure heures hora horas'],
    [DAY, 'day days tag tage tagen jour jours día días dia dias'],
    [7 * DAY, 'week weeks wk wks woche wochen semaine semaines semana semanas'],
  ],
  months: [
    [1, 'month months mo mos monat monate monaten mois mes meses'],
    [12, 'year years yr yrs jahr jahre jahren an ans année années año años'],
    [120, 'decade decades'],
  ],
  nights: [[1, 'night nights']],
  gram: [
    [0.001, 'mg milligram milligrams'],
    [1, 'g gram grams gramm'],
    [1000, 'kg kilo kilos kilogram kilograms kilogramm'],
    [1_000_000, 'tonne tonnes'],
  ],
  pound: [[1, 'lb lbs']],
  ounce: [[1, 'oz ounce ounces']],
  metre: [
    [0.001, 'mm millimetre millimetres millimeter millimeters'],
    [0.01, 'cm centimetre centimetres centimeter centimeters'],
    [1, 'm metre metres meter meters'],
    [1000, 'km kilometre kilometres kilometer kilometers'],
  ],
  mile: [[1, 'mile miles']],
  inch: [
    [1, 'inch inches'],
    [12, 'ft foot feet'],
  ],
  litre: [
    [0.001, 'ml millilitre millilitres milliliter milliliters'],
    [1, 'l litre litres liter liters'],
  ],
  byte: [
    [1, 'mb'],
    [1000, 'gb'],
    [1_000_000, 'tb'],
  ],
  watt: [
    [1, 'w watt watts'],
    [1000, 'kw'],
  ],
  watthour: [
    [1, 'wh'],
    [1000, 'kwh'],
  ],
  calorie: [[1, 'kcal cal calorie calories']],
  stars: [[1, 'star stars']],
};

const units = new Map<string, Unit>();
for (const [dimension, lines] of Object.entries(TABLE))
  for (const [factor, names] of lines) for (const name of names.split(' ')) units.set(name, { dimension, factor });

/** @param name small letters; `pounds` is left out, since it is money and weight */
export const unitNamed = (name: string): Unit | undefined => units.get(name);

/** Units that a number is asked about in every case; the others say less when they are wrong. */
export const GRAVE_DIMENSIONS: ReadonlySet<string> = new Set(
  'percent,usd,eur,gbp,jpy,inr,chf,money or weight,times,stars,rating'.split(','),
);

export const CURRENCY_SIGNS = '$€£¥₹';

/** Nouns that make a number social proof. */
export const PROOF_NOUNS: ReadonlySet<string> = new Set(
  (
    'customer customers client clients user users people person persons company companies business businesses team teams ' +
    'store stores shop shops restaurant restaurants hotel hotels patient patients doctor doctors expert experts member members ' +
    'subscriber subscribers follower followers fan fans review reviews rating ratings download downloads sale sales order orders ' +
    'country countries city cities partner partners brand brands award awards student students family families owner owners ' +
    'kunden nutzer unternehmen bewertungen clients utilisateurs avis clientes usuarios reseñas'
  ).split(' '),
);

/** Number words of English. */
export const NUMBER_WORDS: ReadonlyMap<string, number> = new Map(
  (
    'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen ' +
    'nineteen'
  )
    .split(' ')
    .map((word, value): [string, number] => [word, value])
    .concat(
      'twenty thirty forty fifty sixty seventy eighty ninety'
        .split(' ')
        .map((word, at): [string, number] => [word, 20 + 10 * at]),
    ),
);

/** Words and letters that multiply the number before them. */
export const MULTIPLIERS: ReadonlyMap<string, number> = new Map([
  ['hundred', 100],
  ['hundreds', 100],
  ['dozen', 12],
  ['dozens', 12],
  ['k', 1000],
  ['thousand', 1000],
  ['thousands', 1000],
  ['tausend', 1000],
  ['mil', 1000],
  ['mille', 1000],
  ['m', 1_000_000],
  ['mn', 1_000_000],
  ['mio', 1_000_000],
  ['million', 1_000_000],
  ['millions', 1_000_000],
  ['millionen', 1_000_000],
  ['millones', 1_000_000],
  ['bn', 1_000_000_000],
  ['billion', 1_000_000_000],
  ['billions', 1_000_000_000],
]);

/** Months of the year, with the number of each. */
export const MONTHS: ReadonlyMap<string, number> = new Map(
  'january february march april may june july august september october november december'
    .split(' ')
    .flatMap((name, at): [string, number][] => [
      [name, at + 1],
      [name.slice(0, 3), at + 1],
      [name === 'september' ? 'sept' : name, at + 1],
    ]),
);

/** What the word before a number says of it. */
export const BOUNDS: ReadonlyMap<string, 'least' | 'most' | 'about'> = new Map(
  Object.entries({
    least: 'over above least exceeding uber',
    most: 'under below within most maximum unter',
    about: 'about around almost nearly approximately roughly some circa ca fast ~ ≈',
  } as const).flatMap(([bound, words]) =>
    words.split(' ').map((word) => [word, bound as 'least' | 'most' | 'about'] as const),
  ),
).set('up to', 'most');

/** Words before the year of a beginning. */
export const SINCE_WORDS: ReadonlySet<string> = new Set('since established founded est seit depuis desde'.split(' '));
