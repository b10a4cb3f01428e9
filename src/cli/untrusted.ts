// Text that came from outside (reasons, names, observed values, tool names) made fit for a terminal: one line of visible characters.
// What it could do otherwise: move the cursor over what Cordon said, set the title, write to the clipboard (OSC 52), turn a line round
// (bidi, CVE-2021-42574), hide letters, or forge a second line. attacker-controlled

/** CSI, then OSC, DCS, SOS, PM and APC with all they carry, then two-character escapes (ECMA-48 §5.4, §5.6, §8.3); 7 and 8 bit forms. */
const SEQUENCES =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)|\u001b[ -/]*[0-~]/g;
const SPACES = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
/** Control, format (bidi, zero width, tags), surrogate and unassigned characters; blank letters; the joiner that is neither. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]/gu;
/** More marks on one letter than any script has, which would paint over the lines above. */
const PILED = /(\p{M}{3})\p{M}+/gu;

const LONGEST = 400;

/** `text` as one line of at most `longest` visible characters. Never throws, whatever comes. */
export function plain(text: string, longest = LONGEST): string {
  const visible = text
    .slice(0, longest * 16)
    .replaceAll(SEQUENCES, '')
    .replaceAll(SPACES, ' ')
    .replaceAll(INVISIBLE, '')
    .replaceAll(PILED, '$1');
  const letters = Array.from(visible);
  return letters.length > longest ? `${letters.slice(0, longest - 1).join('')}…` : visible;
}

/** JSON that is as safe to print as to parse: what a terminal or an editor would act on stands as `\u` escapes. */
export const escapeJson = (json: string): string => json.replaceAll(/[\u007f-\u009f\u2028\u2029\p{Cf}\p{Cs}]/gu, escaped);

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}

/** Whatever shows nothing of its own, variation selectors among it, which can carry a message; and spaces that are not the space. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu;

/** JSON on one line with everything that it holds in sight, for who has to judge it: nothing is left out, cut short or invisible. */
export const inSight = (json: string): string => json.replaceAll(UNSEEN, escaped);
