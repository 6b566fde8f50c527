/** A piece of a text, and where it begins there. */
export interface Window {
  text: string;
  offset: number;
}

/**
 * Cuts a text into pieces of `size` UTF-16 units at most, at white space where there is some in the second half of a piece. For
 * libraries whose work grows faster than their input: over pieces of one size it grows with their number.
 */
export function windowsOf(text: string, size: number): Window[] {
  const windows: Window[] = [];
  let offset = 0;
  while (text.length - offset > size) {
    let end = offset + size;
    for (let at = end; at > offset + size / 2; at -= 1)
      if (/\s/.test(text[at] as string)) {
        end = at;
        break;
      }
    windows.push({ text: text.slice(offset, end), offset });
    offset = end;
  }
  windows.push({ text: text.slice(offset), offset });
  return windows;
}
