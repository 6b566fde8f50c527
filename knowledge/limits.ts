/** Of one file, in bytes as they come after decompression: 50 MiB. */
export const LARGEST_FILE = 52_428_800;
export const MOST_LINES = 30_000;
/** Of one line, in bytes: what is longer is reported and left out, so that memory stays bounded. */
export const LONGEST_LINE = 262_144;
/** Of text without an end of a block or a sentence, in characters: it is cut there, so that no file holds up the process. */
export const LONGEST_BLOCK = 65_536;
/** Of one fact, in characters; longer sentences are cut between words. */
export const LONGEST_FACT = 600;
/** Of a heading that stands over facts, in characters. */
export const LONGEST_CONTEXT = 120;
/** Of a search query, in characters. */
export const LONGEST_QUERY = 1_000;
