/** A text in which addresses, hashtags, mentions and emojis are blanked out, at the same places. */
export const proseOf = (text: string) =>
  text
    .replace(/\S+/g, (piece) => (/:\/\/|@|^www\.|^[#＃]/.test(piece) ? ' '.repeat(piece.length) : piece))
    .replace(/\p{Extended_Pictographic}/gu, (sign) => ' '.repeat(sign.length));
