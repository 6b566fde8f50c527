import { describe, expect, test } from '@jest/globals';
import { briefWith, codesIn, copyOf, findingsOf, posterOf, seen } from './support/auditing.ts';

describe('personal data', () => {
  test.each([
    ['an address', 'Write to jane.doe+x@mail.tably.io.', 'email_address: jane.doe+x@mail.tably.io'],
    ['an address for people', 'jane (at) tably (dot) io', 'email_address: jane (at) tably (dot) io'],
    ['an international number', 'Call +44 20 7946 0958 now', 'phone_number: +44 20 7946 0958'],
    ['a national number', 'Reach (212) 736-5000', 'phone_number: (212) 736-5000'],
    ['a bare number that is to be called', 'call us at 2127365000', 'phone_number: 2127365000'],
    ['a card', 'Pay to 4111 1111 1111 1111', 'card_number: 4111 1111 1111 1111'],
    ['another card', '5500-0000-0000-0004', 'card_number: 5500-0000-0000-0004'],
    ['an account', 'To DE89 3704 0044 0532 0130 00 please', 'iban: DE89 3704 0044 0532 0130 00'],
    ['an account in one piece', 'gb82west12345698765432', 'iban: gb82west12345698765432'],
    ['a social security number', 'SSN 536-22-1234', 'social_security_number: 536-22-1234'],
    ['a street', 'Come to 221 Baker Street today', 'street_address: 221 Baker Street'],
    ['a street with a town', 'At 12 Ocean Drive, Miami', 'street_address: 12 Ocean Drive, M'],
    ['a German street', 'In der Goethestraße 12', 'street_address: Goethestraße 12'],
    ['a French street', 'Au 12, rue de Rivoli', 'street_address: 12, rue de Rivoli'],
  ])('is found: %s', async (_, body, expected) => {
    expect(await seen('personal-data', body)).toEqual([expected]);
  });

  test.each([
    ['an order number', 'Order 2127365000, ref. 212-736-5000, model no. 212 736 5000'],
    ['a number that nobody calls', 'The code of 2127365000 tables'],
    ['a row that is no card', 'Batch 4111 1111 1111 1112'],
    ['equal digits', '4444 4444 4444 4444 4'],
    ['what only begins as an account', 'DE89 3704 is the model, DE12 3456 7890 1234 5678 90'],
    ['a mention', 'Ask @tably about it'],
    ['a title', 'A 5 Minute Drive and a 10 Star Way'],
    ['prices and dates', '1,200,000 guests, 12.05.2026, $1 000 000'],
    ['an address of examples', 'you@example.com'],
  ])('is none in %s', async (_, body) => {
    expect(await seen('personal-data', body)).toEqual([]);
  });

  test('of the brand itself may be published', async () => {
    const brief = briefWith({
      product: 'Tably, hello@tably.io, +1 212-736-5000, 221 Baker Street, DE89370400440532013000',
    });
    const body = 'HELLO@tably.io, (212) 736 5000, 221 Baker Street, DE89 3704 0044 0532 0130 00';
    expect(await seen('personal-data', body, brief)).toEqual([]);
    expect(await seen('personal-data', 'jane@tably.io, (212) 736 5001', brief)).toHaveLength(2);
  });

  test('weighs less as a mailbox of the brand', async () => {
    const brief = briefWith({ product: 'Tably, see https://tably.io' });
    const [own, other] = await findingsOf('personal-data', copyOf('support@tably.io or jane@tably.io'), brief);
    expect([own?.severity, other?.severity]).toEqual(['minor', 'major']);
  });

  test('of accounts is critical', async () => {
    const [finding] = await findingsOf('personal-data', copyOf('4111111111111111'));
    expect(finding?.severity).toBe('critical');
  });

  test('is read in the country of the brief', async () => {
    expect(await codesIn('personal-data', 'Ruf an: 030 901820', briefWith({ language: 'de' }))).toEqual([
      'phone_number',
    ]);
    expect(await codesIn('personal-data', 'Ring 020 7946 0958', briefWith({ language: 'en-GB' }))).toEqual([
      'phone_number',
    ]);
    expect(await codesIn('personal-data', 'Call 020 7946 0958', briefWith({ language: 'en' }))).toEqual([]);
  });
});

describe('secrets', () => {
  // Put together here, so that nothing in this file looks like a key.
  const row = (length: number) => 'aB3dE5gH7jK9'.repeat(30).slice(0, length);
  test.each([
    ['an AWS key', `AKIA${row(16).toUpperCase()}`],
    ['a Google key', `AIza${row(35)}`],
    ['a GitHub token', `ghp_${row(36)}`],
    ['a Slack token', `xoxb-${row(20)}`],
    ['a payment key', `sk_live_${row(24)}`],
    ['a model key', `sk-${row(40)}`],
    ['a web token', `eyJ${row(20)}.eyJ${row(30)}.${row(20)}`],
    ['a private key', ['-----BEGIN RSA', 'PRIVATE KEY-----'].join(' ')],
    ['a webhook', `hooks.slack.com/services/${row(20)}`],
    ['a password', `password: ${row(10)}`],
  ])('are found: %s', async (_, secret) => {
    const [finding] = await findingsOf('secrets', posterOf({ concept: `Use ${secret} here` }));
    expect(finding).toMatchObject({ severity: 'critical', code: 'secret', path: '/concept' });
  });

  test.each(['The secret: patience', 'sk-learn and AKIA', 'eyJ', 'Your password is safe', 'Token of love'])(
    'are none in %j',
    async (body) => {
      expect(await seen('secrets', body)).toEqual([]);
    },
  );
});

describe('profanity', () => {
  test.each([
    ['plain', 'What the fuck is this', 'critical'],
    ['with a star', 'You sh1t, you', 'critical'],
    ['in other letters', 'ʃ𝐟ʃὗƈｋ this', 'critical'],
    ['drawn out', 'fuuuuck off', 'critical'],
    ['milder', 'Kick ass tonight', 'major'],
  ])('is found %s', async (_, body, severity) => {
    const [finding] = await findingsOf('profanity', copyOf(body));
    expect(finding?.severity).toBe(severity);
  });

  test.each([
    'Scunthorpe and Penistone, Essex and Sussex',
    'We assess the class, pass the glass, and assemble',
    'A cocktail in the cockpit, with cumin and shiitake',
    'Moby Dick, Charles Dickens, Emily Dickinson and John Lee Hooker',
    'The pen is mighty, bananas so good, a therapist, grapes, analysis and canal',
    'Fukushima, Arsenal, Montenegro, a Negroni and an assassin',
    'Flame retardant rapeseed oil',
    'Pasta e fagioli, manuscript, titmouse, unisex',
  ])('is none in %j', async (body) => {
    expect(await seen('profanity', body)).toEqual([]);
  });

  test('in the brief itself is a note', async () => {
    const brief = briefWith({ product: 'Big Ass Fans, fans for large halls' });
    const [own] = await findingsOf('profanity', copyOf('Big Ass Fans for you'), brief);
    expect(own?.severity).toBe('info');
  });

  test('in other languages is only what is bad everywhere', async () => {
    const german = briefWith({ language: 'de' });
    expect(await codesIn('profanity', 'Der dicke Kanal ist so dick', german)).toEqual([]);
    expect(await codesIn('profanity', 'Was fuck soll das', german)).toEqual(['profanity']);
  });

  test('says where it stands in a long text', async () => {
    const body = `${'word '.repeat(1500)}fuck ${'word '.repeat(1500)}`;
    const [finding] = await findingsOf('profanity', copyOf(body));
    expect([finding?.start, finding?.excerpt]).toEqual([7500, 'fuck']);
  });
});
