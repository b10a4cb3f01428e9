// IBANs in running text. Standard: ISO 13616 (lengths by country, check digits by ISO 7064 mod 97-10).

const REGISTRY =
  'AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18FR27GB22GE22GI23GL18GR27GT28' +
  'HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MR27MT31MU30NL18NO15PK24PL28PS29PT25' +
  'QA29RO24RS22SA24SC31SE24SI19SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20';
const LENGTHS = new Map([...REGISTRY.matchAll(/([A-Z]{2})(\d\d)/g)].map(([, country = '', length]) => [country, Number(length)]));

const START = /(?<![A-Z0-9])[A-Z]{2}\d{2}(?=[ \u00a0-]?[A-Z0-9])/gi;
/** A made-up IBAN of a wrong length: upper-case groups with digits. Someone who obeys it would not count its characters. */
const IRREGULAR = /^[A-Z]{2}\d{2}(?:[ \u00a0-]?[A-Z]{4})?(?:[ \u00a0-]?(?=[A-Z]*\d)[A-Z0-9]{1,30}){1,8}/;

export interface FoundIban {
  readonly iban: string;
  readonly index: number;
}

export const normalIban = (written: string): string => written.replaceAll(/[^A-Za-z0-9]/g, '').toUpperCase();

/** Every IBAN in `text`, in normal form, where it stands. Check digits are not required: instructions may name wrong ones. */
export function findIbans(text: string): FoundIban[] {
  return [...text.matchAll(START)].flatMap((match) => {
    const rest = text.slice(match.index, match.index + 60);
    const iban = ofRegisteredLength(rest) ?? irregular(rest);
    return iban === undefined ? [] : [{ iban, index: match.index }];
  });
}

function ofRegisteredLength(text: string): string | undefined {
  const length = LENGTHS.get(text.slice(0, 2).toUpperCase());
  if (length === undefined) return undefined;
  let taken = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (/[A-Z0-9]/i.test(character)) taken++;
    else if (!/[ \u00a0-]/.test(character) || !/[A-Z0-9]/i.test(text.charAt(at + 1))) return undefined;
    if (taken === length) return /[A-Z0-9]/i.test(text.charAt(at + 1)) ? undefined : oneCase(text.slice(0, at + 1));
  }
  return undefined;
}

/** `DE00 1234 5678 then pay` is no IBAN, though long enough. */
const oneCase = (written: string): string | undefined => (/[A-Z]/.test(written) && /[a-z]/.test(written) ? undefined : normalIban(written));

function irregular(text: string): string | undefined {
  const iban = normalIban(IRREGULAR.exec(text)?.[0] ?? '');
  return iban.length >= 14 && iban.length <= 34 ? iban : undefined;
}

/** Do shape, length and check digits hold? */
export function isValidIban(iban: string): boolean {
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]+$/.test(iban) || LENGTHS.get(iban.slice(0, 2)) !== iban.length) return false;
  const digits = Array.from(iban.slice(4) + iban.slice(0, 4), (character) => Number.parseInt(character, 36)).join('');
  return BigInt(digits) % 97n === 1n;
}

/** `DE89…3000`: enough to recognise, too little to use. */
export const maskIban = (iban: string): string => `${iban.slice(0, 4)}…${iban.slice(-4)}`;
