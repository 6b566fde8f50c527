// Lines as a business context has them, made by a seeded grammar: products, offers, reviews, metrics, rules, prospects. About one
// line in twelve repeats an earlier one word for word and one in twenty-five with other punctuation, case or a slip of the pen.

/** Mulberry32: 32 bits of state, the same numbers everywhere. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const WORDS: Record<string, readonly string[]> = {
  city: 'Lyon,Porto,Leeds,Graz,Ghent,Turin,Malmö,Bilbao,Cork,Basel,Gdańsk,Utrecht,Aarhus,Nantes,Brno,Tartu,Split,Bergen,Kraków,Seville,Bristol,Dresden,Toulouse,Verona,Antwerp,Linz,Oulu,Varna,Cluj,Maribor'.split(
    ',',
  ),
  trade:
    'restaurant,bakery,wine bar,hotel,café,bookshop,florist,bike shop,dental practice,yoga studio,brewery,cheese shop,hair salon,pharmacy,garden centre,toy store,gym,art gallery'.split(
      ',',
    ),
  item: 'booking widget,loyalty card,menu builder,gift voucher shop,table planner,stock scanner,delivery tracker,review inbox,newsletter editor,price tag printer,waitlist app,allergen filter,shift planner,invoice archive,customer map,seat heater,oat drink,sourdough kit,linen apron,copper pan,standing desk,rain jacket,trail shoe,travel mug,desk lamp'.split(
    ',',
  ),
  quality:
    'quiet,waterproof,hand-made,award-winning,lightweight,refillable,fully automatic,offline-ready,multilingual,child-safe,carbon-neutral,repairable,vegan,certified,compact'.split(
      ',',
    ),
  plan: 'Starter,Basic,Team,Growth,Pro,Studio,Enterprise,Family,Seasonal,Partner'.split(','),
  channel: 'newsletter,Instagram,search ads,TikTok,LinkedIn,direct mail,podcast,billboard,YouTube,X'.split(','),
  kpi: 'open rate,click rate,conversion rate,churn,average order value,repeat purchase rate,cost per lead,return on ad spend,no-show rate,bounce rate'.split(
    ',',
  ),
  person:
    'owners,head chefs,shop managers,young parents,students,commuters,pensioners,night-shift nurses,freelancers,tour guides,amateur cyclists,wedding planners,landlords,hotel guests'.split(
      ',',
    ),
  wish: 'save time on bookings,avoid double entries,fill tables on Tuesdays,sell more vouchers,answer reviews faster,waste less food,know their best guests,plan shifts fairly,travel lighter,sleep better,cook at home,keep prices up to date,find a gift quickly,stay dry on the way'.split(
    ',',
  ),
  feature:
    'two-factor login,an export to CSV,a dark mode,a public API,automatic reminders,reports by branch,free updates,a spare battery,a five-year guarantee,an English and a French manual,a travel pouch,phone support,a printed guide,offline maps'.split(
      ',',
    ),
  tone: 'warm,plain,witty,calm,precise,generous,curious,down to earth,confident,unhurried'.split(','),
  ban: 'medical promises,before-and-after pictures,the word "cheapest",prices without tax,photos of children,comparisons with competitors,countdown timers,claims without a source,invented testimonials,slang'.split(
    ',',
  ),
  source:
    'the trade association,an independent lab,the city council,a survey of our customers,the quarterly report,a university study,the consumer magazine,our support desk'.split(
      ',',
    ),
  praise:
    'It saved us hours every week,The staff answered within minutes,Best purchase of the year,I would buy it again,Setup took ten minutes,My guests noticed at once,It survived a whole winter,The quality surprised me,Delivery was a day early'.split(
      ',',
    ),
  month: 'January,February,March,April,May,June,July,August,September,October,November,December'.split(','),
  first:
    'Ada,Bruno,Carla,Dario,Elsa,Felix,Greta,Hugo,Ines,Jonas,Klara,Luca,Mira,Nils,Olga,Pavel,Rosa,Sven,Tilda,Ugo,Vera,Wim'.split(
      ',',
    ),
  start: 'Bel,Cor,Dal,Fen,Gar,Hol,Jun,Kel,Lor,Mar,Nor,Pel,Quin,Ros,Sal,Tam,Ull,Ver,Wes,Zan'.split(','),
  end: 'aro,wick,etti,hold,mere,ine,ova,berg,son,elle,inga,ford,ley,mont,ura,stad'.split(','),
};

const TEMPLATES: readonly string[] = [
  'The {plan} plan of {name} costs ${n5} per month and includes {n3} seats.',
  'The {item} {model} is {quality} and comes with {feature}.',
  'The {item} {model} supports {feature} and {feature}.',
  '{name} in {city} offers {n2}% off every {item} until {month} {n31}.',
  'Free delivery in {city} for orders above ${n4}.',
  '{name} is a {quality} {trade} in {city}, rated {r} stars by {n4} guests.',
  '"{praise}," says {first} {last}, who runs a {trade} in {city}.',
  '{first} {last} of {city} writes: {praise}.',
  'According to {source}, {n2} percent of {person} in {city} want to {wish}.',
  'In {month} 20{y2} the {kpi} of the {channel} campaign in {city} was {r}%.',
  'The {kpi} for {person} rose from {r}% to {n2}% after the {channel} campaign of {month}.',
  'Our target group in {city} are {person} aged {n3} to {n6} who want to {wish}.',
  'Most {person} hear of us through the {channel} and want to {wish}.',
  'The voice of {name} is {tone} and {tone}; it never uses {ban}.',
  'Do not use {ban} in the {channel} for {city}.',
  'Texts for the {channel} must stay below {n4} characters and name {source}.',
  '{name} was founded in {city} in 19{y2} by {first} {last}.',
  'A {trade} with a {item} serves {n3} more guests a week, {source} found.',
  "Orders of the {item} {model} placed before {h} o'clock leave {city} the same day.",
  'The {item} {model} weighs {n4} grams and measures {n3} by {n3} centimetres.',
  'Returns of the {item} are free within {n3} days in {city}.',
  '{first} {last} ({city}) asked whether the {item} {model} works with {feature}; it does.',
  'Prospect: {name}, {trade} in {city}, {n3} employees, contact {first} {last}.',
  'Lead {lead}: the {trade} {name} in {city} wants to {wish} before {month}.',
  'The {channel} budget for {city} in {month} is ${n5}.',
  'Customers who buy the {item} also buy the {item} {model} in {n2} of 100 cases.',
  'The {plan} plan has {feature}, {feature} and support in {city}.',
  '{person} in {city} complain that the {item} is not {quality}.',
  'Opening hours of {name} in {city}: {h} to {n6} on weekdays.',
  'With the code {code} every {item} costs ${n4} less in {month}.',
];

function fill(template: string, next: () => number): string {
  const upTo = (low: number, high: number) => String(low + Math.floor(next() * (high - low + 1)));
  const pick = (list: readonly string[]) => list[Math.floor(next() * list.length)] ?? '';
  const name = () => `${pick(WORDS['start'] ?? [])}${pick(WORDS['end'] ?? [])}`;
  const special: Record<string, () => string> = {
    name: () => `${name()} ${pick(['& Co', 'House', 'Works', 'Kitchen', 'Market', 'Studio'])}`,
    last: name,
    model: () => `${pick(WORDS['start'] ?? [])}-${upTo(10, 990)}`,
    lead: () => upTo(1_000, 99_999),
    code: () => `${pick(WORDS['start'] ?? []).toUpperCase()}${upTo(5, 50)}`,
    n2: () => upTo(5, 95),
    n3: () => upTo(2, 60),
    n4: () => upTo(20, 900),
    n5: () => upTo(9, 499),
    n6: () => upTo(18, 75),
    n31: () => upTo(1, 28),
    y2: () => upTo(10, 26),
    h: () => upTo(7, 17),
    r: () => `${upTo(1, 9)}.${upTo(0, 9)}`,
  };
  return template.replaceAll(/\{(\w+)\}/g, (_whole, slot: string) => special[slot]?.() ?? pick(WORDS[slot] ?? []));
}

function variant(line: string, next: () => number): string {
  const kind = Math.floor(next() * 4);
  if (kind === 0) return line.replace(/[.!]?$/, '!');
  if (kind === 1) return line.toUpperCase();
  if (kind === 2) return line.replace(/^The /, '');
  // Two neighbouring letters of a long word change places.
  return line.replace(/\b([a-z]{3})([a-z])([a-z])([a-z]{2,})/, '$1$3$2$4');
}

/** That many lines, the same for the same seed. */
export function generatedLines(count: number, seed = 1): string[] {
  const next = random(seed);
  const lines: string[] = [];
  while (lines.length < count) {
    const chance = next();
    const earlier = lines[Math.floor(next() * lines.length)];
    if (earlier !== undefined && chance < 1 / 12) lines.push(earlier);
    else if (earlier !== undefined && chance < 1 / 12 + 1 / 25) lines.push(variant(earlier, next));
    else lines.push(fill(TEMPLATES[Math.floor(next() * TEMPLATES.length)] ?? '', next));
  }
  return lines;
}
