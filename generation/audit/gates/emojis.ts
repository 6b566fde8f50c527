import { published, spotsIn, type Gate } from '../gate.ts';

/** Emojis and their sequences; ©, ®, ™, arrows and digits are none unless they are shown as such. */
const EMOJI =
  /(?:\p{Regional_Indicator}{2}|\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f|(?![\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa])\p{Extended_Pictographic}|[#*0-9]\ufe0f?\u20e3)(?:\ufe0f|\u200d|\p{Emoji_Modifier}|[\u{e0020}-\u{e007f}]|\p{Extended_Pictographic}){0,20}/gu;

/** Emojis where the brief wants none. */
export const emojis: Gate = {
  name: 'emojis',
  version: 1,
  check(candidate, brief) {
    if (brief.constraints.allowEmojis !== false) return [];
    return spotsIn(published(candidate), ({ text }) =>
      Array.from(text.matchAll(EMOJI), (found) => ({
        start: found.index,
        end: found.index + found[0].length,
        severity: 'major',
        code: 'emoji',
        message: 'The brief allows no emojis.',
        mend: 'take it out',
      })),
    );
  },
};
