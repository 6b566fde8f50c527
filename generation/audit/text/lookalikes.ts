/**
 * Letters of other scripts that look like Latin ones, for finding words that are written with them. Our own selection of the
 * pairs that are confused in ordinary typefaces, after the idea of Unicode Technical Standard 39; compatibility forms (full
 * width, mathematical, circled) are left to Unicode normalization.
 */
const PAIRS = [
  // Cyrillic; a capital first where the small letter looks like another one.
  ['АВЕЅІЈКМНОРСТУХҮԌЅԚԜ', 'ABESIJKMHOPCTYXYGSQW'],
  ['авеѕіјкмнорстухүһԁԛԝӏгпԍ', 'abesijkmhopctyxyhdqwlrng'],
  // Greek
  ['ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹ', 'ABEZHIKMNOPTYXC'],
  ['αβεικνορτυχηωγϲ', 'abeikvoptuxnwyc'],
  // Armenian and Cherokee
  ['աոսօհցյԼՕՍ', 'wnuohgjLOU'],
  ['ᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ', 'ABCDEHJKLMPRSTVWZ'],
  // Latin letters beyond the ordinary
  ['ıȷɑɡɩɪʟʀɴʏʙɢʜᴀᴄᴅᴇꜰᴊᴋᴍᴏᴘꜱᴛᴜᴠᴡᴢøđħłŧƒʋ', 'ijagiilrnybghacdefjkmopstuvwzodhltfu'],
] as const;

function tableOf(): Map<string, string> {
  const table = new Map<string, string>();
  for (const [foreign, latin] of PAIRS) {
    const plain = Array.from(latin);
    for (const [at, letter] of Array.from(foreign).entries()) table.set(letter, (plain[at] ?? letter).toLowerCase());
  }
  // Squared and circled white letters on black, which normalization leaves as they are.
  for (const first of [0x1f150, 0x1f170])
    for (let at = 0; at < 26; at += 1) table.set(String.fromCodePoint(first + at), String.fromCharCode(97 + at));
  return table;
}

/** From a letter to the small Latin letter that it looks like. */
export const LOOKALIKES: ReadonlyMap<string, string> = tableOf();

/** Digits and signs that stand for letters in words such as `fr33` and `$ale`, and what each may stand for. */
export const LEET: ReadonlyMap<string, string> = new Map(
  Object.entries({
    0: 'o',
    1: 'il',
    3: 'e',
    4: 'a',
    5: 's',
    7: 't',
    8: 'b',
    '@': 'a',
    $: 's',
    '€': 'e',
    '!': 'i',
    '|': 'il',
  }),
);
