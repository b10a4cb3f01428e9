// The values inside an argument, and what kind of thing a word is to the world outside.

export type AddressKind = 'mail' | 'url' | 'account';

const KINDS: Readonly<Record<AddressKind, RegExp>> = {
  mail: /^[^@\s]+@[^@\s]+\.[a-z]{2,}$/i,
  url: /^(?:https?:\/\/)?(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?(?:[/?#]\S*)?$/i,
  account: /^[a-z]{2}\d{2}[a-z0-9]{8,30}$/i,
};
/** Endings of file names that look like the end of a host's name. */
const FILE =
  /^[^/]*\.(?:txt|md|pdf|docx?|xlsx?|pptx?|csv|json|ya?ml|xml|html?|zip|gz|tar|png|jpe?g|gif|svg|py|js|ts|sh|log|ini|toml|sql|db|exe|mp[34])$/i;

/** What can be reached from outside: a mail address, a host or URL, an account number. */
export function addressKind(word: string): AddressKind | undefined {
  if (KINDS.mail.test(word)) return 'mail';
  if (KINDS.account.test(word)) return 'account';
  return KINDS.url.test(word) && !FILE.test(word) ? 'url' : undefined;
}

/** Every string and number inside a value; objects of any depth are decoded JSON, bounded where they were parsed. */
export function atomsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number') return [String(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(atomsIn) : [];
}
