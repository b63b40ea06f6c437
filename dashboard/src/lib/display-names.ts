/** Control, format (bidi, zero-width), private-use, unassigned and separator characters: none belongs in a name. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\u2800\u034f\ufe00-\ufe0f]/gu;

/** More marks than any script stacks on one letter. */
const STACKED_MARKS = /(\p{M}{2})\p{M}+/gu;

/** Length of a client's name on our pages, in characters. */
export const CLIENT_NAME_LENGTH = 60;

/**
 * A name that somebody else chose, safe to show beside our own words: one line, of limited length, without characters
 * that are invisible or turn the direction of text.
 */
export function displayName(name: string, length = CLIENT_NAME_LENGTH): string {
  const line = name
    .normalize("NFC")
    .replace(/\s+/gu, " ")
    .replace(INVISIBLE, "")
    .replace(STACKED_MARKS, "$1")
    .replace(/ +/g, " ")
    .trim();
  const characters = [...new Intl.Segmenter("en").segment(line)].map(({ segment }) => segment);
  return characters.length <= length ? line : `${characters.slice(0, length - 1).join("")}…`;
}
